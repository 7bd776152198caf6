"""The segmentation of kind `kmeans`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segments import KMeansSegmentation, SegmentsConfig
from sparkperso.core.errors import QualityGateError
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.run_recorder import RunRecorder
from sparkperso.segments.base.arrays import Members, UserPoints, as_frame
from sparkperso.segments.base.lineage import Clusters, follow
from sparkperso.segments.base.map_column import map_column
from sparkperso.segments.base.outliers import fitted, fitted_of
from sparkperso.segments.base.points import SEGMENT_ID
from sparkperso.segments.base.population import Population
from sparkperso.segments.base.projection import project
from sparkperso.segments.base.result import SegmentationResult, SegmentProfile
from sparkperso.segments.base.sample import hash_sample, points_in_driver, sample_points
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

    1. The gap statistic of a sample says whether there are clusters at all.
    2. Each k is fitted on all users, or on a mini-batch of them where they are many.
    3. The highest silhouette whose segments are large enough wins; of a batch, it moves on to all.
    4. Everybody goes to the nearest centre; segments take the ids of those before that they follow.
    5. Segments are described, named and drawn.

    Raises ConfigError for features that are not there and QualityGateError when there are too few
    users, or no candidate whose segments are all large enough.
    """
    population.require(plan.profiled)
    require_users(population.size, plan.name, plan.k_max, settings)
    with population.points(plan, settings) as points:
        gaps = _gaps(points, plan, settings)
        batch = hash_sample(points, population.size, settings.driver_users)
        matrix = points_in_driver(points if batch is None else batch)
        candidates = search_k(fitted_of(matrix, plan), plan, settings, recorder)
        smallest = max(plan.min_segment_share, settings.min_members / population.size)
        chosen = choose_candidate(candidates, smallest)
        if batch is not None and isinstance(points, DataFrame):
            with recorder.child(f"{chosen.name} on all users") as run:
                chosen = fit_all(fitted(points, plan), plan, chosen)
                run.log_metrics(chosen.figures())
            chosen = choose_candidate([chosen], smallest)
        recorder.set_tags({"chosen": chosen.name})
        centres, assigned = assign(points, chosen)
        if isinstance(assigned, DataFrame):
            assigned = keep_cached(assigned)
        places = [str(number) for number in range(len(centres))]
        new = Clusters(plan.name, places, assigned, population.scaled, plan.features)
        lineage = follow(population.previous, new, settings.stability)
        members = named(assigned, lineage.ids)
        scaled = {
            name: dict(zip(plan.features, centre, strict=True))
            for name, centre in zip(lineage.ids, centres, strict=True)
        }
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
    )


def _gaps(
    points: DataFrame | UserPoints, plan: KMeansSegmentation, settings: SegmentsConfig
) -> list[Gap]:
    """The gaps of a sample of users, of at most one k more than is searched: the rule needs it."""
    if not plan.gap_references:
        return []
    _, sample = sample_points(points, plan.gap_users)
    # More clusters than different points have no cost, and no logarithm of it.
    k_max = min(plan.k_max + 1, len(np.unique(sample, axis=0)))
    return gap_statistic(sample, k_max, plan.gap_references, settings.seed)


def named(assigned: DataFrame | Members, ids: Sequence[str]) -> DataFrame | Members:
    """Returns the rows of `search.assign` with the ids of the centres in place of their numbers."""
    if isinstance(assigned, Members):
        return replace(assigned, names=ids)
    by_place = {str(place): name for place, name in enumerate(ids)}
    return assigned.withColumn(SEGMENT_ID, map_column(by_place, F.col(SEGMENT_ID)))


def require_users(count: int, name: str, most: int, settings: SegmentsConfig) -> None:
    """Raises QualityGateError with fewer than `min_users`, or not more users than segments."""
    needed = max(settings.min_users, most + 1)
    if count < needed:
        raise QualityGateError(
            f"The segmentation '{name}' needs {needed:,} users at least",
            f"There are {count:,}",
            "Ingest more events, or lower segments.min_users, or ask for fewer segments",
        )


def chosen_figures(chosen: Candidate) -> dict[str, float]:
    """Returns the measures of the winner, as they are printed.

    The silhouette is between -1 and 1, high is good; Davies-Bouldin 0 or more, low is good; the
    cost a sum of squared distances in scaled features.
    """
    metrics = chosen.metrics
    return {
        "k": len(chosen.centres),
        "silhouette": round(metrics.silhouette, 6),
        "davies_bouldin": round(metrics.davies_bouldin, 6),
        "cost": round(metrics.cost, 3),
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
