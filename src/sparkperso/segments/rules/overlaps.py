"""Sizes of segments and how many people are in two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.segments.rules.members import KEYS


@dataclass(frozen=True)
class Overlap:
    """How many people are in both segments; a segment with itself gives its size."""

    first: str
    second: str
    size: int

    def shown(self, floor: int) -> str:
        """Returns the size as it may be shown: of fewer than `floor` people only that much."""
        return f"<{floor}" if 0 < self.size < floor else f"{self.size:,}"


def overlaps(members: DataFrame, keys: Sequence[str]) -> list[Overlap]:
    """Returns every pair of segments (user_id, keys), itself included, in the order of `keys`.

    The result has a row per pair of segments, whatever the number of users.
    """
    first = members.select(KEYS, F.explode(KEYS).alias("first"))
    pairs = first.select("first", F.explode(KEYS).alias("second"))
    rows = pairs.groupBy("first", "second").count().collect()
    sizes = {(row["first"], row["second"]): int(row["count"]) for row in rows}
    place = list(enumerate(keys))
    return [Overlap(a, b, sizes.get((a, b), 0)) for number, a in place for _, b in place[number:]]
