"""The segmentation of kind `kmeans`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from pyspark.sql import DataFrame

from sparkperso.config.segments import KMeansSegmentation, SegmentsConfig
from sparkperso.errors import QualityGateError
from sparkperso.recorder import RunRecorder
from sparkperso.segments import pictures
from sparkperso.segments.points import Centre, assign_nearest, cached_points, order_centres
from sparkperso.segments.population import Population
from sparkperso.segments.profiles import profile_segments
from sparkperso.segments.projection import project
from sparkperso.segments.result import SegmentationResult, SegmentProfile
from sparkperso.segments.search import Candidate, choose_candidate, search_k


def build_kmeans(
    population: Population,
    plan: KMeansSegmentation,
    settings: SegmentsConfig,
    recorder: RunRecorder,
) -> SegmentationResult:
    """Returns the best k-means segmentation of the population; every candidate is recorded.

    Raises ConfigError for features that are not there and QualityGateError when there are too few
    users, or no candidate whose segments are all large enough.
    """
    population.require(plan.profiled)
    require_users(population.size, plan, settings)
    partitions = math.ceil(population.size / settings.users_per_partition)
    with cached_points(population.scaled, plan.features, partitions) as points:
        candidates = search_k(points, plan, settings, recorder)
        chosen = choose_candidate(candidates, plan.min_segment_share)
        recorder.set_tags({"chosen": chosen.name})
        centres = order_centres(chosen.centres, chosen.metrics.sizes)
        ids = [f"{plan.name}-{number + 1}" for number in range(len(centres))]
        members = assign_nearest(points, centres, ids)
        scaled = scaled_centres(ids, centres, plan.features)
        profiles = profile_segments(members, population, plan.profiled, plan.naming, scaled)
        drawn = _draw(points, members, profiles, plan, settings)
    drawn["search.png"] = pictures.draw_search(candidates, chosen, plan.name)
    return SegmentationResult(
        segmentation=plan.name,
        kind=plan.kind,
        exclusive=plan.exclusive,
        members=members,
        profiles=profiles,
        figures=chosen_figures(chosen),
        document={
            "features": list(plan.features),
            "seed": chosen.seed,
            "centres_scaled": {name: dict(centre) for name, centre in scaled.items()},
        },
        pictures=drawn,
    )


def require_users(count: int, plan: KMeansSegmentation, settings: SegmentsConfig) -> None:
    """Raises QualityGateError with fewer users than the minimum, or not more than k_max."""
    needed = max(settings.min_users, plan.k_max + 1)
    if count < needed:
        raise QualityGateError(
            f"The segmentation '{plan.name}' needs {needed:,} users at least",
            f"There are {count:,}",
            "Ingest more events, or lower segments.min_users, or k_max in conf/segments/",
        )


def chosen_figures(chosen: Candidate) -> dict[str, float]:
    """Returns the measures of the winner, as they are printed."""
    metrics = chosen.metrics
    return {
        "k": len(chosen.centres),
        "silhouette": round(metrics.silhouette, 6),
        "davies_bouldin": round(metrics.davies_bouldin, 6),
        "cost": round(metrics.cost, 3),
    }


def scaled_centres(
    ids: Sequence[str], centres: Sequence[Centre], features: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    """Returns segment id → feature → coordinate of the centre."""
    return {
        name: dict(zip(features, centre, strict=True))
        for name, centre in zip(ids, centres, strict=True)
    }


def _draw(
    points: DataFrame,
    members: DataFrame,
    profiles: Sequence[SegmentProfile],
    plan: KMeansSegmentation,
    settings: SegmentsConfig,
) -> dict[str, Figure]:
    centres = [list(profile.centre_scaled.values()) for profile in profiles]
    projection = project(points, members, centres, settings.picture_points)
    return {
        "scatter.png": pictures.draw_scatter(projection, profiles, plan.features, plan.name),
        "profiles.png": pictures.draw_profiles(profiles, plan.naming, plan.name),
    }
