"""New clusters and old ones: which is which, from how their members overlap. Plain numpy."""

from __future__ import annotations

from dataclasses import dataclass

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
    """Returns the Jaccard index of every old (row) and new (column) segment's members, 0 to 1."""
    old, new = together.sum(axis=1, keepdims=True), together.sum(axis=0, keepdims=True)
    union = old + new - together
    shares: Matrix = together / np.maximum(union, 1)
    return shares


def nearness(old: Matrix, new: Matrix) -> Matrix:
    """Returns exp(-d) of the Euclidean distances d of old (rows) and new (columns) centres."""
    differences = old[:, None, :] - new[None, :, :]
    near: Matrix = np.exp(-np.sqrt((differences**2).sum(axis=2)))
    return near


def match(likeness: Matrix, least: float) -> dict[int, int]:
    """Returns new → old: the one-to-one assignment of the largest sum (Kuhn 1955).

    Pairs less alike than `least` are no match.
    """
    rows, columns = linear_sum_assignment(-np.round(likeness, 12))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {new: old for old, new in pairs if likeness[old, new] >= least}


def changes(together: Matrix, matched: dict[int, int], least: float = 0.5) -> list[Change]:
    """Returns births and deaths, as splits and merges where at least `least` of the members tell.

    `segment` of a birth or split is a new one, of a death or merge an old one; `other` of a split
    is the old one that it came from, of a merge the new one that it went into.
    """
    found = []
    for new in range(together.shape[1]):
        if new not in matched:
            found.append(_change("birth", "split", new, together[:, new], least))
    for old in range(together.shape[0]):
        if old not in matched.values():
            found.append(_change("death", "merge", old, together[old], least))
    return found


def moved_share(together: Matrix, matched: dict[int, int]) -> float:
    """Returns the share of users, of those known both times, whose segment is another now."""
    total = together.sum()
    stayed = sum(together[old, new] for new, old in matched.items())
    return float(1 - stayed / total) if total else 0.0


def adjusted_rand_index(together: Matrix) -> float:
    """Returns the agreement of two partitions (Hubert & Arabie 1985): 1 equal, 0 as by chance."""
    pairs = _pairs(together).sum()
    rows, columns = _pairs(together.sum(axis=1)).sum(), _pairs(together.sum(axis=0)).sum()
    total = _pairs(np.array(together.sum()))
    expected = rows * columns / total if total else 0.0
    largest = (rows + columns) / 2
    return 1.0 if largest == expected else float((pairs - expected) / (largest - expected))


def _pairs(count: Matrix) -> Matrix:
    return count * (count - 1) / 2


def _change(alone: str, told: str, segment: int, counts: Matrix, least: float) -> Change:
    total = counts.sum()
    share = float(counts.max() / total) if total else 0.0
    if share < least:
        return Change(alone, segment)
    return Change(told, segment, int(counts.argmax()), round(share, 6))
