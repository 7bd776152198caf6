"""From a configured segmentation to its result, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sparkperso.config.segmentation import Segmentation
from sparkperso.config.segments import SegmentsConfig
from sparkperso.platform.run_recorder import RunRecorder
from sparkperso.segments.base.population import Population
from sparkperso.segments.base.result import SegmentationResult
from sparkperso.segments.hierarchy.build import build_hierarchical
from sparkperso.segments.kmeans.build import build_kmeans
from sparkperso.segments.rules.build import build_rules

# kind → (population, plan, settings, recorder) → result; a new kind is a line here and its model
# in config/segmentation.py.
KINDS: Mapping[str, Callable[..., SegmentationResult]] = {
    "kmeans": build_kmeans,
    "rules": build_rules,
    "hierarchical": build_hierarchical,
}


def build_segmentation(
    population: Population,
    plan: Segmentation,
    settings: SegmentsConfig,
    recorder: RunRecorder,
) -> SegmentationResult:
    """Returns members and profiles of one segmentation; parameters, figures and names are recorded.

    Members are one row per (user_id, segment_id), profiles one per segment that has at least
    `settings.min_members` people: smaller ones are left out of both. Raises what its kind raises:
    ConfigError for features that are not there, QualityGateError for input that cannot be divided,
    JobError for rules without events.
    """
    # What is long stands in the result's document; a parameter of MLflow is one short line.
    hidden = {"naming", "features", "described_by", "segments"}
    parameters = plan.model_dump(mode="json", exclude=hidden)
    recorder.log_params({**parameters, "features": ", ".join(plan.profiled)})
    result = KINDS[plan.kind](population, plan, settings, recorder).shown(settings.min_members)
    recorder.log_metrics(result.figures)
    recorder.log_dict({p.label: p.sentence for p in result.profiles}, "segments.json")
    return result
