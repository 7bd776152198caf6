"""Sizes of segments and how many people are in two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.segments.base.arrays import Members
from sparkperso.segments.rules.members import KEYS


@dataclass(frozen=True)
class Overlap:
    """How many people are in both segments; a segment with itself gives its size in people."""

    first: str
    second: str
    size: int

    def shown(self, floor: int) -> str:
        """Returns the size as it may be shown: below `floor` people only that it is.

        >>> Overlap("new", "loyal", 3).shown(5)
        '<5'
        """
        return f"<{floor}" if 0 < self.size < floor else f"{self.size:,}"


def overlaps(members: DataFrame, keys: Sequence[str]) -> list[Overlap]:
    """Returns every pair of segments, itself included, of (user_id, keys), in the order of `keys`.

    A row per pair of segments is collected, whatever the number of users.
    """
    # Both orders of a pair are counted, and one is looked up: cheaper than to compare the two.
    first = members.select(KEYS, F.explode(KEYS).alias("first"))
    pairs = first.select("first", F.explode(KEYS).alias("second"))
    rows = pairs.groupBy("first", "second").count().collect()
    sizes = {(row["first"], row["second"]): int(row["count"]) for row in rows}
    return [Overlap(*pair, sizes.get(pair, 0)) for pair in _pairs(keys)]


def overlaps_of(members: Members, keys: Sequence[str]) -> list[Overlap]:
    """Returns what `overlaps` does, of members in memory; `keys` name their segments."""
    users = {key: members.of(place) for place, key in enumerate(keys)}
    return [
        Overlap(first, second, len(np.intersect1d(users[first], users[second])))
        for first, second in _pairs(keys)
    ]


def _pairs(keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    return combinations_with_replacement(keys, 2)
