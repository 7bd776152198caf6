"""New clusters and old ones: which is which, from how their members overlap. Plain numpy.

`together` is a contingency table: users known both times, old segments in rows and new ones in
columns.

>>> import numpy as np
>>> together = np.array([[90.0, 10.0], [0.0, 50.0], [0.0, 30.0]])  # three segments became two
>>> matched = match(overlap(together), least=0.3)
>>> matched  # new → old
{0: 0, 1: 1}
>>> [(one.change, one.segment, one.other, one.share) for one in changes(together, matched)]
[('merge', 2, 1, 1.0)]
>>> moved_share(together, matched)  # 10 + 30 of 180
0.2222222222222222
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """What became of a segment: `birth`, `death`, `split` (of `other`), `merge` (into `other`)."""

    change: str
    segment: int
    other: int | None = None
    share: float | None = None
    """Of a split, the part of the new segment that came from the other; of a merge, the part of
    the old one that went there."""


def overlap(together: Matrix) -> Matrix:
    """Returns the Jaccard index of the members of each old and new segment (old, new), 0 to 1.

    Jaccard 1912: users in both by users in either.
    """
    old, new = together.sum(axis=1, keepdims=True), together.sum(axis=0, keepdims=True)
    union = old + new - together
    shares: Matrix = together / np.maximum(union, 1)
    return shares


def nearness(old: Matrix, new: Matrix) -> Matrix:
    """Returns exp(-d) of the Euclidean distances d of centres (old, new), above 0 to 1.

    `old` and `new` are (segments, features) in the same scale.
    """
    differences = old[:, None, :] - new[None, :, :]
    near: Matrix = np.exp(-np.sqrt((differences**2).sum(axis=2)))
    return near


def match(likeness: Matrix, least: float) -> dict[int, int]:
    """Returns new → old: the one-to-one assignment of the largest sum (Kuhn 1955).

    `likeness` is (old, new). Pairs less alike than `least` are no match. It is found by scipy's
    linear_sum_assignment.
    """
    # Rounded, so that equal likeness stays equal whatever the order of the sums behind it.
    rows, columns = linear_sum_assignment(-np.round(likeness, 12))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {new: old for old, new in pairs if likeness[old, new] >= least}


def changes(together: Matrix, matched: dict[int, int], least: float = 0.5) -> list[Change]:
    """Returns what became of segments without a match: birth or split, death or merge.

    A birth is a split, a death a merge, where at least `least` of the members come from, or went
    to, one other segment. `segment` of a birth or split is a new one, of a death or merge an old
    one; `other` of a split is the old one that it came from, of a merge the new one that it went
    into.
    """
    result = []
    for new in range(together.shape[1]):
        if new not in matched:
            result.append(_change("birth", "split", new, together[:, new], least))
    for old in range(together.shape[0]):
        if old not in matched.values():
            result.append(_change("death", "merge", old, together[old], least))
    return result


def moved_share(together: Matrix, matched: dict[int, int]) -> float:
    """Returns the share of the users known both times whose segment is another now, 0 to 1."""
    total = together.sum()
    stayed = sum(together[old, new] for new, old in matched.items())
    return float(1 - stayed / total) if total else 0.0


def adjusted_rand_index(together: Matrix) -> float:
    """Returns how far two partitions agree: 1 equal, 0 as by chance, below it less.

    Hubert & Arabie 1985, the adjusted index of their contingency table `together`. 1 too where both
    partitions are trivial, as in scikit-learn.
    """
    pairs = _pairs(together).sum()
    rows, columns = _pairs(together.sum(axis=1)).sum(), _pairs(together.sum(axis=0)).sum()
    total = _pairs(together.sum())
    expected = rows * columns / total if total else 0.0
    largest = (rows + columns) / 2
    return 1.0 if largest == expected else float((pairs - expected) / (largest - expected))


def _pairs(count: Any) -> Any:
    """How many pairs of users there are among so many."""
    return count * (count - 1) / 2


def _change(alone: str, linked: str, segment: int, counts: Matrix, least: float) -> Change:
    total = counts.sum()
    share = float(counts.max() / total) if total else 0.0
    if share < least:
        return Change(alone, segment)
    return Change(linked, segment, int(counts.argmax()), round(share, 6))
