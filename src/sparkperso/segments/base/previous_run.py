"""What a segmentation was before a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class PreviousRun:
    """What a segmentation was before this run, read from its tables."""

    members: DataFrame | Sequence[tuple[str, str]]
    """(user_id, segment_id), in memory where the population is."""
    labels: Mapping[str, str]
    """Segment id → name, of the segments that there are."""
    used: frozenset[str] = frozenset()
    """All ids that were ever given: none is given to another segment."""

    def of(self, prefix: str) -> PreviousRun:
        """Returns the part whose ids are `<prefix>-<number>`, such as a level of a hierarchy.

        Names and used ids are cut to it as well, so that a level is matched with itself alone.
        """
        labels = {name: label for name, label in self.labels.items() if _stem(name) == prefix}
        used = frozenset(name for name in self.used if _stem(name) == prefix)
        members: DataFrame | Sequence[tuple[str, str]]
        if isinstance(self.members, DataFrame):
            members = self.members.where(F.col("segment_id").isin(list(labels)))
        else:
            members = [pair for pair in self.members if pair[1] in labels]
        return replace(self, members=members, labels=labels, used=used)


def _stem(name: str) -> str:
    return name.rpartition("-")[0]
