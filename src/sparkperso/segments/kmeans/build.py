"""The segmentation of kind `kmeans`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segments import KMeansSegmentation, SegmentsConfig
from sparkperso.core.errors import QualityGateError
from sparkperso.platform.run_recorder import RunRecorder
from sparkperso.segments.base.arrays import Members, UserPoints, as_frame
from sparkperso.segments.base.lineage import Clusters, Lineage, follow
from sparkperso.segments.base.map_column import map_column
from sparkperso.segments.base.outliers import fitted, fitted_of
from sparkperso.segments.base.points import SEGMENT_ID, Centre
from sparkperso.segments.base.population import Population
from sparkperso.segments.base.projection import project
from sparkperso.segments.base.result import SegmentationResult, SegmentProfile
from sparkperso.segments.base.sample import mini_batch, points_in_driver, sample_points
from sparkperso.segments.describe import plots
from sparkperso.segments.describe.statistics import profile_segments
from sparkperso.segments.kmeans.gap import Gap, best_k, gap_statistic, is_noise
from sparkperso.segments.kmeans.plots import draw_search
from sparkperso.segments.kmeans.search import Candidate, assign, choose_candidate, fit_all, search_k

NO_CLUSTERS = (
    "The users form no clusters: whatever number of segments is cut out of them is about as tight "
    "in noise. Choose other features, or take the segments as a mere division"
)


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
    require_users(population.size, plan.name, plan.k_max, settings)
    with population.points(plan, settings) as points:
        gaps = _gaps(points, plan, settings)
        tried = mini_batch(points, population.size, settings.driver_users)
        matrix = points_in_driver(points if tried is None else tried)
        candidates = search_k(fitted_of(matrix, plan), plan, settings, recorder)
        smallest = max(plan.min_segment_share, settings.min_members / population.size)
        chosen = choose_candidate(candidates, smallest)
        if tried is not None and isinstance(points, DataFrame):
            with recorder.child(f"{chosen.name} on all users") as run:
                chosen = fit_all(fitted(points, plan), plan, chosen)
                run.log_metrics(chosen.figures())
            chosen = choose_candidate([chosen], smallest)
        recorder.set_tags({"chosen": chosen.name})
        centres, assigned = assign(points, chosen)
        if isinstance(assigned, DataFrame):
            assigned = assigned.persist()
        lineage = _follow(assigned, len(centres), population, plan, settings)
        ids = lineage.ids
        members = named(assigned, ids)
        scaled = scaled_centres(ids, centres, plan.features)
        profiles = profile_segments(
            members, population, plan.profiled, plan.naming, scaled, labels=lineage.labels
        )
        drawn = _draw(points, members, profiles, (plan, settings))
    drawn["search.png"] = draw_search(candidates, chosen, plan.name)
    return SegmentationResult(
        segmentation=plan.name,
        kind=plan.kind,
        exclusive=plan.exclusive,
        members=as_frame(members, population.raw.sparkSession),
        profiles=profiles,
        figures=chosen_figures(chosen) | ({"gap_k": best_k(gaps)} if gaps else {}),
        notes=(NO_CLUSTERS,) if gaps and is_noise(gaps) else (),
        document={
            "features": list(plan.features),
            "seed": chosen.seed,
            "gaps": [vars(gap) for gap in gaps],
            "centres_scaled": {name: dict(centre) for name, centre in scaled.items()},
        },
        pictures=drawn,
        lineage=lineage,
        cached=(assigned,) if isinstance(assigned, DataFrame) else (),
    )


def _gaps(
    points: DataFrame | UserPoints, plan: KMeansSegmentation, settings: SegmentsConfig
) -> list[Gap]:
    """The gaps of a sample of the users; none where it holds too few different ones."""
    if not plan.gap_references:
        return []
    _, sample = sample_points(points, plan.gap_users)
    k_max = min(plan.k_max + 1, len(np.unique(sample, axis=0)))
    return gap_statistic(sample, k_max, plan.gap_references, settings.seed)


def named(assigned: DataFrame | Members, ids: Sequence[str]) -> DataFrame | Members:
    """Returns the rows of `search.assign` with the ids of the centres in the stead of places."""
    if isinstance(assigned, Members):
        return replace(assigned, names=ids)
    by_place = {str(place): name for place, name in enumerate(ids)}
    return assigned.withColumn(SEGMENT_ID, map_column(by_place, F.col(SEGMENT_ID)))


def _follow(
    assigned: DataFrame | Members,
    count: int,
    population: Population,
    plan: KMeansSegmentation,
    settings: SegmentsConfig,
) -> Lineage:
    """Returns the ids of the centres: those of the segments before, where they are alike."""
    ids = [str(number) for number in range(count)]
    found = Clusters(plan.name, ids, assigned, population.scaled, plan.features)
    return follow(population.previous, found, settings.stability)


def require_users(count: int, name: str, most: int, settings: SegmentsConfig) -> None:
    """Raises QualityGateError with fewer users than the minimum, or not more than segments."""
    needed = max(settings.min_users, most + 1)
    if count < needed:
        raise QualityGateError(
            f"The segmentation '{name}' needs {needed:,} users at least",
            f"There are {count:,}",
            "Ingest more events, or lower segments.min_users, or ask for fewer segments",
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
    points: DataFrame | UserPoints,
    members: DataFrame | Members,
    profiles: Sequence[SegmentProfile],
    plans: tuple[KMeansSegmentation, SegmentsConfig],
) -> dict[str, Figure]:
    plan, settings = plans
    centres = [list(profile.centre_scaled.values()) for profile in profiles]
    projection = project(points, members, centres, settings.picture_points)
    return {
        "scatter.png": plots.draw_scatter(projection, profiles, plan.features, plan.name),
        "profiles.png": plots.draw_profiles(profiles, plan.naming, plan.name),
    }
