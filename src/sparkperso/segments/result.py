"""What a segmentation of any kind comes to, before it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from sparkperso.segments.naming import Trait

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SegmentProfile:
    """One segment: its size, centre, and what tells it from the others."""

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


@dataclass(frozen=True)
class SegmentationResult:
    """Members and profiles of one segmentation; every kind of segmentation returns this."""

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
