"""Keeps ids and names of segments from run to run, and says what moved.

1. Users known both times are counted by old and new segment (`_contingency`).
2. Old and new segments are alike by the overlap of their members and the nearness of their centres.
3. Those most alike are matched one to one; a matched new segment takes the old id and name.
4. The others get ids that were never given, and are births, splits, deaths or merges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segments import StabilityConfig
from sparkperso.core.columns import USER_ID
from sparkperso.core.errors import QualityGateError
from sparkperso.segments.base.arrays import DECIMALS, Members
from sparkperso.segments.base.cluster_matching import (
    Matrix,
    adjusted_rand_index,
    changes,
    match,
    moved_share,
    nearness,
    overlap,
)
from sparkperso.segments.base.points import SEGMENT_ID
from sparkperso.segments.base.previous_run import PreviousRun

OLD, SIZE = "old_id", "size"


@dataclass(frozen=True)
class Clusters:
    """The segments of this run, under provisional ids."""

    prefix: str
    """What the ids they get begin with."""
    ids: Sequence[str]
    """The provisional ids, in their order."""
    members: DataFrame | Members
    """(user_id, segment_id), the ids provisional."""
    scaled: DataFrame
    """(user_id, a column per feature)."""
    features: Sequence[str]


@dataclass(frozen=True)
class SegmentChange:
    """A birth, death, split or merge, by ids; the fields are those of `cluster_matching.Change`."""

    change: str
    segment_id: str
    other_id: str | None
    share: float | None


@dataclass(frozen=True)
class Lineage:
    """How new segments follow old ones."""

    ids: tuple[str, ...]
    """The ids of the new segments, in their order."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Id → name, of the segments that keep theirs."""
    labels_before: Mapping[str, str] = field(default_factory=dict)
    """Id → name of all segments before."""
    n_common: int | None = None
    """Users known both times; this and what follows is not there at a first run."""
    moved_share: float | None = None
    adjusted_rand_index: float | None = None
    changes: tuple[SegmentChange, ...] = ()
    flows: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(old id, new id) → users."""

    def require(self, name: str, config: StabilityConfig) -> None:
        """Raises QualityGateError when a share of users above `max_moved_share` moved."""
        if self.moved_share is not None and self.moved_share > config.max_moved_share:
            raise QualityGateError(
                f"At most {config.max_moved_share:.0%} of the users should change their segment "
                f"of '{name}' from one run to the next",
                f"{self.moved_share:.0%} of {self.n_common:,} would; nothing was written",
                "Look at the pictures of the run in MLflow; --force replaces the segmentation",
            )


def follow(previous: PreviousRun | None, new: Clusters, config: StabilityConfig) -> Lineage:
    """Returns the ids that new segments get: those of the old ones that they follow.

    The others get new ids; without a previous run all do, from 1. Likeness is half the overlap of
    members, half the nearness of centres, both from users known both times, in today's scaled
    features: so it does not matter how the old ones were scaled. A row per pair of segments is
    collected.
    """
    count = len(new.ids)
    if previous is None or not previous.labels:
        return Lineage(_numbered(new.prefix, count, frozenset()))
    old_ids = sorted(previous.labels, key=_by_number)
    together, sums = _contingency(previous.members, old_ids, new)
    likeness = (overlap(together) + nearness(*_centres(together, sums))) / 2
    matched = match(likeness, config.min_likeness)
    # Ids once given stay given: a segment that died never lends its id to another.
    fresh = iter(_numbered(new.prefix, count, previous.used | set(old_ids)))
    ids = tuple(old_ids[matched[n]] if n in matched else next(fresh) for n in range(count))
    return Lineage(
        ids=ids,
        labels={ids[n]: previous.labels[old_ids[o]] for n, o in matched.items()},
        labels_before=previous.labels,
        n_common=int(together.sum()),
        moved_share=round(moved_share(together, matched), DECIMALS),
        adjusted_rand_index=round(adjusted_rand_index(together), DECIMALS),
        changes=tuple(_by_id(together, matched, old_ids, ids)),
        flows={
            (old_ids[o], ids[n]): int(together[o, n]) for o, n in np.argwhere(together > 0).tolist()
        },
    )


def _contingency(
    old: DataFrame | Sequence[tuple[str, str]], old_ids: Sequence[str], new: Clusters
) -> tuple[Matrix, Matrix]:
    """Users in both by (old, new), and the sums of their scaled features (old, new, feature)."""
    if isinstance(new.members, Members):
        pairs = old.select(USER_ID, SEGMENT_ID).collect() if isinstance(old, DataFrame) else old
        return _contingency_of(pairs, old_ids, new.members, new.features)
    assert isinstance(old, DataFrame)
    before = old.select(USER_ID, F.col(SEGMENT_ID).alias(OLD))
    both = before.join(new.members.select(USER_ID, SEGMENT_ID), on=USER_ID)
    both = both.join(new.scaled.select(USER_ID, *new.features), on=USER_ID)
    sums = [F.sum(name).alias(name) for name in new.features]
    rows = both.groupBy(OLD, SEGMENT_ID).agg(F.count(F.lit(1)).alias(SIZE), *sums).collect()
    old_place = {name: number for number, name in enumerate(old_ids)}
    new_place = {name: number for number, name in enumerate(new.ids)}
    counts = np.zeros((len(old_place), len(new_place)))
    totals = np.zeros((*counts.shape, len(new.features)))
    for row in rows:
        if row[OLD] in old_place:
            at = old_place[row[OLD]], new_place[row[SEGMENT_ID]]
            counts[at] = row[SIZE]
            totals[at] = [round(row[name], DECIMALS) for name in new.features]
    return counts, totals


def _contingency_of(
    old: Sequence[tuple[str, str]],
    old_ids: Sequence[str],
    members: Members,
    features: Sequence[str],
) -> tuple[Matrix, Matrix]:
    """Returns what `_contingency` does, of members in memory."""
    users, number = members.users, {name: n for n, name in enumerate(old_ids)}
    placed = [
        (users.places[user], number[name])
        for user, name in old
        if user in users.places and name in number
    ]
    before = np.zeros((len(users), len(old_ids)))
    before[tuple(np.array(placed, dtype=np.int64).reshape(-1, 2).T)] = 1
    now = np.zeros((len(users), len(members.names)))
    now[members.at, members.segments] = 1
    points = users.points(features)
    sums = [before.T @ (now * column[:, None]) for column in points.T]
    return before.T @ now, np.round(np.stack(sums, axis=2), DECIMALS)


def _centres(together: Matrix, sums: Matrix) -> tuple[Matrix, Matrix]:
    """Means of the users known both times, of each old and each new segment."""
    old, new = together.sum(axis=1)[:, None], together.sum(axis=0)[:, None]
    return sums.sum(axis=1) / np.maximum(old, 1), sums.sum(axis=0) / np.maximum(new, 1)


def _by_id(
    together: Matrix, matched: dict[int, int], old_ids: Sequence[str], ids: Sequence[str]
) -> list[SegmentChange]:
    named = []
    for one in changes(together, matched):
        is_new = one.change in ("birth", "split")
        own_ids, other_ids = (ids, old_ids) if is_new else (old_ids, ids)
        other = None if one.other is None else other_ids[one.other]
        named.append(SegmentChange(one.change, own_ids[one.segment], other, one.share))
    return named


def _numbered(prefix: str, count: int, used: frozenset[str]) -> tuple[str, ...]:
    """The next `count` ids; of a segmentation's first run 1 is the largest."""
    numbers = [int(n) for n in (name.removeprefix(f"{prefix}-") for name in used) if n.isdigit()]
    first = max(numbers, default=0) + 1
    return tuple(f"{prefix}-{first + number}" for number in range(count))


def _by_number(name: str) -> tuple[str, int]:
    stem, _, number = name.rpartition("-")
    return stem, int(number) if number.isdigit() else 0
