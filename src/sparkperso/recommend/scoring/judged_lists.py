"""Lists of any origin judged in memory: pandas, Arrow or Spark frames, by the suite's metrics.

The figures are those of evaluate.ranking's columns (a test holds them together), the intervals
those of its bootstrap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.criterion import METRICS, metric_name
from sparkperso.config.recommend.section import BootstrapConfig
from sparkperso.core.columns import ITEM_ID, RANK, USER_ID
from sparkperso.core.errors import UsageError
from sparkperso.evaluate.bootstrap import Interval, bootstrap_interval
from sparkperso.recommend.arrays.numbers import Floats, Ints
from sparkperso.recommend.scoring.ranking_blocks import GroundTruth, user_values
from sparkperso.recommend.scoring.top_n import Lists

DECIMALS = 9
"""Of sums, as in recommend.holdout: the order of adding does not show."""
MAX_PLACES = 200_000_000
"""Users × longest list: what is held in memory at once, at 12 bytes each and some copies."""


@dataclass(frozen=True)
class JudgedLists:
    """What lists are worth to the users who turned to something."""

    n_users: int
    """Users with a relevant item: those that means are over. One without a list counts as 0."""
    metrics: Mapping[str, Interval]
    """Metric (`ndcg_at_10`, …, `mrr`) → its mean over users, with an interval; 0 to 1."""
    gains: Mapping[str, Interval]
    """Metric → paired gain over the baseline's lists; empty without a baseline."""

    def __str__(self) -> str:
        lines = [f"{self.n_users:,} users"]
        lines += [f"{name}: {interval}" for name, interval in self.metrics.items()]
        lines += [f"gain in {name}: {interval}" for name, interval in self.gains.items()]
        return "\n".join(lines)


def judge_lists_of(
    lists: Any, truth: Any, k: int, baseline: Any = None, config: BootstrapConfig | None = None
) -> JudgedLists:
    """Returns the metrics of lists at `k`, and their paired gains over other lists, if given.

    `lists` and `baseline` have user_id, rank (from 1) and item_id, one row per place; `truth` has
    user_id and item_id, what users turned to. Each is a DataFrame of pandas or Spark, or a table of
    Arrow; all of it comes into memory. Users are resampled in groups by a hash of their id. Raises
    UsageError for other frames, and for lists with two items in a place or an item in two.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise UsageError("Lists are judged at one place or more", f"Found k = {k!r}")
    k = int(k)
    config = config or BootstrapConfig()
    relevant = _table(truth, "truth", (USER_ID, ITEM_ID))
    users = relevant.column(USER_ID).unique().sort()
    values = _values(_table(lists, "lists", (USER_ID, RANK, ITEM_ID)), relevant, users, k)
    groups = np.array([crc32(u.encode()) % config.n_buckets for u in users.to_pylist()], np.int64)
    counts = np.bincount(groups, minlength=config.n_buckets).astype(np.float64)

    def intervals(per_user: Mapping[str, Floats]) -> dict[str, Interval]:
        sums = {
            name: np.round(np.bincount(groups, own, config.n_buckets).astype(float), DECIMALS)
            for name, own in per_user.items()
        }
        is_some = counts > 0
        settings = (config.n_resamples, config.level, 42)
        return {
            name: bootstrap_interval(counts[is_some], own[is_some], *settings)
            for name, own in sums.items()
        }

    gains: dict[str, Interval] = {}
    if baseline is not None:
        others = _table(baseline, "baseline", (USER_ID, RANK, ITEM_ID))
        theirs = _values(others, relevant, users, k)
        gains = intervals({name: own - theirs[name] for name, own in values.items()})
    return JudgedLists(len(users), intervals(values), gains)


def _table(frame: Any, name: str, columns: Sequence[str]) -> pa.Table:
    """Returns the columns of a frame in memory, ids as text; raises UsageError."""
    table = _in_memory(frame, name, columns)
    for place, column in enumerate(columns):
        if table.column(column).null_count:
            raise UsageError(f"The column {column} of {name} should be filled", "Some rows lack it")
        kind, what = (pa.int64(), "whole numbers") if column == RANK else (pa.string(), "texts")
        try:
            values = table.column(column).cast(kind)
        except pa.ArrowException as error:
            raise UsageError(
                f"The column {column} of {name} should be {what}", f"{error}"
            ) from None
        table = table.set_column(place, column, values)
    return table


def _in_memory(frame: Any, name: str, columns: Sequence[str]) -> pa.Table:
    """Returns the columns of a frame as Arrow, in this order; raises UsageError."""
    if isinstance(frame, pd.DataFrame):
        # A level of the index may be a column, as Arrow has it.
        found = [*frame.columns, *frame.index.names]
    elif isinstance(frame, pa.Table):
        found = frame.column_names
    elif hasattr(frame, "toArrow"):
        found = frame.columns
    else:
        kinds = f"{name} should be a DataFrame of pandas or Spark, or a table of Arrow"
        raise UsageError(kinds, f"Found a {type(frame).__name__}")
    lacking = [column for column in columns if column not in found]
    if lacking:
        raise UsageError(
            f"{name} should have the columns {', '.join(columns)}", f"It lacks {', '.join(lacking)}"
        )
    if isinstance(frame, pd.DataFrame):
        try:
            return pa.Table.from_pandas(frame, columns=list(columns)).select(list(columns))
        except (pa.ArrowException, ValueError) as error:
            why = ", ".join(str(part) for part in error.args)
            raise UsageError(f"Each column of {name} should be of one type", why) from error
    table: pa.Table = frame if isinstance(frame, pa.Table) else frame.select(*columns).toArrow()
    return table.select(list(columns))


def _values(places: pa.Table, relevant: pa.Table, users: pa.Array, k: int) -> dict[str, Floats]:
    """Returns each metric per user, in the order of `users`."""
    items = pa.chunked_array(
        [*places.column(ITEM_ID).chunks, *relevant.column(ITEM_ID).chunks], pa.string()
    ).unique()
    own = places.filter(pc.is_in(places.column(USER_ID), users))
    rows, ranks = _places(own.column(USER_ID), users), own.column(RANK).to_numpy()
    if len(ranks) and ranks.min() < 1:
        raise UsageError("Ranks begin at 1", f"Found {ranks.min()}")
    width = max(k, int(ranks.max(initial=0)))
    if len(users) * width > MAX_PLACES:
        raise UsageError(
            f"Users times the longest list should be at most {MAX_PLACES:,}",
            f"Found {len(users):,} users of truth, and k or a rank of {width:,}: judge fewer at a "
            "time, or leave out the places beyond k",
        )
    if len(np.unique(rows * (width + 1) + ranks)) < len(ranks):
        raise UsageError("A place of a user's list holds one item", "Some user_id and rank repeat")
    listed = np.full((len(users), width), -1, dtype=np.int64)
    listed_items = _places(own.column(ITEM_ID), items)
    if len(np.unique(rows * max(len(items), 1) + listed_items)) < len(rows):
        raise UsageError("A user's list holds an item once", "Some user_id and item_id repeat")
    listed[rows, ranks - 1] = listed_items
    at = (_places(relevant.column(USER_ID), users), _places(relevant.column(ITEM_ID), items))
    shape = (len(users), max(len(items), 1))
    # What is relevant twice is relevant.
    matrix = csr_matrix((np.ones(len(at[0]), np.float32), at), shape=shape).minimum(1).tocsr()
    truth = GroundTruth(matrix, np.diff(matrix.indptr).astype(np.int64))

    def at_width(n: int) -> dict[str, Floats]:
        return user_values(Lists(listed[:, :n], np.zeros((len(users), n), np.float32)), truth)

    first, whole = at_width(k), at_width(width)
    return {metric_name(name, k): (whole if name == "mrr" else first)[name] for name in METRICS}


def _places(column: pa.ChunkedArray, known: pa.Array) -> Ints:
    places: Ints = pc.index_in(column, known).to_numpy().astype(np.int64)
    return places
