"""What Spark measured of one experiment: a few hundred numbers, from which all results follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.quantiles import QuantileRange
from sparkperso.experiments.statistics.resampling import BucketSums

EVERYBODY = None
"""The segmentation of everybody."""
NO_SEGMENT = ""
"""Units that were in no segment of a segmentation."""
EARLIER = "earlier:"
"""Before a neighbour's key: its variants as the segments of a segmentation, which none is named."""

Groups = tuple[Moments, Moments]
"""Treated and baseline."""


@dataclass(frozen=True)
class Cell:
    """Units of one variant that were in the same segments of one segmentation."""

    variant: str
    segmentation: str | None
    segments: tuple[str, ...]
    moments: Moments


@dataclass(frozen=True)
class MeasuredMetric:
    """One metric of one experiment; variants that nobody saw are in none of the mappings."""

    cells: tuple[Cell, ...] = ()
    quantiles: Mapping[str, QuantileRange] = field(default_factory=dict)
    """Variant → quantile, of metrics that are one."""
    counts: Mapping[str, Mapping[float, int]] = field(default_factory=dict)
    """Variant → value → units, where ranks are asked for."""
    buckets: Mapping[str, BucketSums] = field(default_factory=dict)
    """Variant → sums by bucket, where the bootstrap is asked for."""
    days: Mapping[str, Mapping[date, Moments]] = field(default_factory=dict)
    """Variant → day → moments as they stood at its end."""
    ages: Mapping[str, Mapping[int, Moments]] = field(default_factory=dict)
    """Variant → day since the exposure → moments of that day."""
    earlier: tuple[Cell, ...] = ()
    """Units that were in a neighbour before, by its variant: the segmentation is `EARLIER` and the
    neighbour's key, the segments are its variant."""

    def whole(self, variant: str) -> Moments:
        """Returns the moments of all units of a variant."""
        # Each segmentation divides all units: one of them is the whole.
        first = next((cell.segmentation for cell in self.cells), None)
        return Moments.merged(
            cell.moments
            for cell in self.cells
            if cell.variant == variant and cell.segmentation == first
        )

    def segments(self) -> list[tuple[str, str]]:
        """Returns (segmentation, segment) of all units, in their order; NO_SEGMENT for none."""
        return sorted(
            {
                (cell.segmentation, segment)
                for cell in self.cells
                if cell.segmentation is not None
                for segment in cell.segments or (NO_SEGMENT,)
            }
        )

    def in_segment(self, variant: str, segmentation: str, segment: str) -> Moments:
        """Returns the moments of a variant's units in a segment."""
        return Moments.merged(
            cell.moments
            for cell in self.cells
            if cell.variant == variant
            and cell.segmentation == segmentation
            and (segment in cell.segments or (segment == NO_SEGMENT and not cell.segments))
        )

    def earlier_groups(self, variant: str, control: str) -> dict[str, dict[str, Groups]]:
        """Returns neighbour → its variant → its units that are now treated, and now baseline."""
        parts: dict[str, dict[str, dict[str, Moments]]] = {}
        for cell in self.earlier:
            neighbour = (cell.segmentation or "").removeprefix(EARLIER)
            of_variant = parts.setdefault(neighbour, {}).setdefault(cell.segments[0], {})
            of_variant[cell.variant] = cell.moments
        nothing = Moments.empty()
        return {
            neighbour: {
                name: (group.get(variant, nothing), group.get(control, nothing))
                for name, group in by_variant.items()
            }
            for neighbour, by_variant in parts.items()
        }


@dataclass(frozen=True)
class Measured:
    """Everything that was measured of one experiment."""

    metrics: Mapping[str, MeasuredMetric]
    n_units: Mapping[str, int]
    """Variant → units that count: those that saw one variant alone."""
    n_several: int = 0
    """Units that saw several variants, left out."""
    n_first: Mapping[str, int] = field(default_factory=dict)
    """Variant → units by their first exposure, those of several variants too."""
    n_events: int = 0
    """Events of the units that a metric counts."""
    n_ahead: int = 0
    """Those of them whose time lies after their receipt."""
