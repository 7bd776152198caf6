"""Users into groups by rules, k-means or a hierarchy; named, described, followed from run to run.

`build_segmentation` makes any kind of a `Population`; `base` is what all share, `describe` what a
segment is like, `tables` a segmentation as rows, `live` rules as events come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.segments.base.population import Population as Population
    from sparkperso.segments.base.population import latest_population as latest_population
    from sparkperso.segments.base.result import SegmentationResult as SegmentationResult
    from sparkperso.segments.build import build_segmentation as build_segmentation

_EXPORTS = {
    "Population": "base.population",
    "SegmentationResult": "base.result",
    "build_segmentation": "build",
    "latest_population": "base.population",
}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
