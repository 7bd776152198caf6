"""From a configured segmentation to its result, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sparkperso.config.segments import KMeansSegmentation, SegmentsConfig
from sparkperso.recorder import RunRecorder
from sparkperso.segments.kmeans import build_kmeans
from sparkperso.segments.population import Population
from sparkperso.segments.result import SegmentationResult

# kind → (population, plan, settings, recorder) → result; a new kind is a line here and its model
# in config/segments.py.
KINDS: Mapping[str, Callable[..., SegmentationResult]] = {"kmeans": build_kmeans}


def build_segmentation(
    population: Population,
    plan: KMeansSegmentation,
    settings: SegmentsConfig,
    recorder: RunRecorder,
) -> SegmentationResult:
    """Returns members and profiles of one segmentation, recorded with its pictures.

    Raises what its kind raises: ConfigError and QualityGateError for input that cannot be divided.
    """
    recorder.log_params(_parameters(plan))
    result = KINDS[plan.kind](population, plan, settings, recorder)
    recorder.log_metrics(result.figures)
    recorder.log_dict({p.label: p.sentence for p in result.profiles}, "segments.json")
    for name, figure in result.pictures.items():
        recorder.log_figure(figure, f"pictures/{name}")
    return result


def _parameters(plan: KMeansSegmentation) -> dict[str, Any]:
    settings = plan.model_dump(mode="json", exclude={"naming", "features", "described_by"})
    return {**settings, "features": ", ".join(plan.features)}
