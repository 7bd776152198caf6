"""What a segmentation of any kind comes to, before it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.segments.base.lineage import Lineage
from sparkperso.segments.base.naming import Lift, Trait

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SegmentProfile:
    """One segment: its size in users, share of all (0 to 1), centre, and what tells it apart."""

    segment_id: str
    label: str
    sentence: str
    size: int
    share: float
    traits: tuple[Trait, ...]
    """One per profiled feature, in the order of the configuration."""
    centre_scaled: Mapping[str, float]
    """Where distances are measured to; empty for kinds without centres."""
    parent_id: str | None = None
    value: float | None = None
    """Sum of its members' `monetary`, in currency."""
    lifts: tuple[Lift, ...] = ()
    """Categories that its members have more of than others, the largest share first."""
    sample: tuple[str, ...] = ()
    """A few members, chosen by hashes of their ids."""


@dataclass(frozen=True)
class SegmentationResult:
    """Members and profiles of one segmentation; every kind of segmentation returns this.

    It may hold Spark's memory: `release` gives it up once all is written.
    """

    segmentation: str
    kind: str
    exclusive: bool
    members: DataFrame
    """(user_id, segment_id, distance); distance may be null."""
    profiles: Sequence[SegmentProfile]
    figures: Mapping[str, float]
    """Measures to print and record: k, silhouette, …"""
    document: Mapping[str, Any]
    """What a registered version must say beside tables and versions."""
    pictures: Mapping[str, Figure] = field(default_factory=dict)
    """File name → figure."""
    notes: tuple[str, ...] = ()
    """What whoever uses the segments should know."""
    lineage: Lineage | None = None
    """How the segments follow those before; None for rules, which have names of their own."""

    def shown(self, min_size: int) -> SegmentationResult:
        """Returns the result without segments of fewer than `min_size` people.

        Those could be known by what they have in common.
        """
        large = [profile for profile in self.profiles if profile.size >= min_size]
        if len(large) == len(self.profiles):
            return self
        ids = [profile.segment_id for profile in large]
        members = self.members.where(F.col("segment_id").isin(ids) if ids else F.lit(False))
        return replace(self, profiles=large, members=members)
