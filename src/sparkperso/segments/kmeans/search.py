"""The search for k: of each k's starts the least cost stays, of all k the best silhouette wins."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from pyspark.sql import DataFrame

from sparkperso.config.segments import KMeansSegmentation, SegmentsConfig
from sparkperso.core.errors import QualityGateError
from sparkperso.core.threads import one_thread
from sparkperso.evaluate.clustering import ClusteringMetrics, array_metrics, clustering_metrics
from sparkperso.platform.run_recorder import RunRecorder
from sparkperso.segments.base.arrays import (
    DECIMALS,
    Members,
    UserPoints,
    nearest_centres,
    rounded_roots,
)
from sparkperso.segments.base.points import (
    NEAREST,
    POINT,
    Centre,
    assign_nearest,
    order_centres,
    with_nearest,
)
from sparkperso.segments.base.sample import Points
from sparkperso.segments.kmeans.centres import best_centres, refine_centres


@dataclass(frozen=True)
class Candidate:
    """The best start of one k; `centres` are those that have members, maybe fewer than k."""

    k: int
    seed: int
    """What its starts are drawn by."""
    centres: tuple[Centre, ...]
    metrics: ClusteringMetrics
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """Returns what its run is called."""
        return f"k={self.k}"

    @property
    def smallest_share(self) -> float:
        """Returns the share of users in the smallest segment, 0 to 1."""
        return min(self.metrics.sizes) / sum(self.metrics.sizes)

    def figures(self) -> dict[str, float]:
        """Returns what is recorded of it; the time of its fit is in seconds."""
        return {
            "silhouette": self.metrics.silhouette,
            "davies_bouldin": self.metrics.davies_bouldin,
            "cost": self.metrics.cost,
            "num_segments": len(self.centres),
            "smallest_share": self.smallest_share,
            "fit_seconds": self.seconds,
        }


def search_k(
    points: Points, plan: KMeansSegmentation, settings: SegmentsConfig, recorder: RunRecorder
) -> list[Candidate]:
    """Returns a candidate for each k, in order; each is a child run of `recorder`.

    `points` is (users, features). Raises QualityGateError without users, as when all are outliers
    that the plan excludes.
    """
    if not len(points):
        raise QualityGateError(
            f"The segmentation '{plan.name}' needs users to find centres by",
            f"All have a feature beyond {plan.outliers_beyond:g} (outliers_beyond)",
            "Raise outliers_beyond, or choose 'clip' for outliers",
        )

    def fitted(k: int) -> Candidate:
        with recorder.child(f"k={k}") as run:
            starts = {"starts": settings.num_seeds, "seed": settings.seed}
            run.log_params({"k": k, **starts, "max_iter": plan.max_iter, "tol": plan.tol})
            candidate = fit_candidate(points, plan, k, settings)
            run.log_metrics(candidate.figures())
            return candidate

    # Around all threads: BLAS's limit is the process's, and would be lifted by the first to end.
    with one_thread(), ThreadPoolExecutor(settings.parallelism) as pool:
        candidates = list(pool.map(fitted, range(plan.k_min, plan.k_max + 1)))
    _record_curve(candidates, recorder)
    return candidates


def choose_candidate(candidates: Sequence[Candidate], min_share: float) -> Candidate:
    """Returns the candidate of the highest silhouette (Rousseeuw 1987); of equals the smaller k.

    Raises QualityGateError when no candidate has two segments or more, each of at least `min_share`
    of the users.
    """
    able = [c for c in candidates if len(c.centres) > 1 and c.smallest_share >= min_share]
    able = [c for c in able if math.isfinite(c.metrics.silhouette)]
    if not able:
        best = max(candidates, key=lambda c: (len(c.centres) > 1, c.smallest_share))
        raise QualityGateError(
            f"Segments should hold at least {min_share:.1%} of the users each",
            f"Of {len(candidates)} candidates none does; the nearest has {len(best.centres)} "
            f"segments, the smallest with {best.smallest_share:.1%}",
            "Lower k_max or min_segment_share in conf/segments/, or choose other features",
        )
    return min(able, key=lambda c: (-round(c.metrics.silhouette, DECIMALS), c.k))


def fit_candidate(
    points: Points, plan: KMeansSegmentation, k: int, settings: SegmentsConfig
) -> Candidate:
    """Returns the least cost of `settings.num_seeds` starts of one k, with its measures.

    They are those of `evaluate.clustering`, over the points (users, features) that it was fitted
    on.
    """
    started = time.monotonic()
    centres = best_centres(points, plan, k, settings.seed, settings.num_seeds)
    metrics = array_metrics(points, nearest_centres(points, np.array(centres))[0])
    candidate = _candidate(k, settings.seed, centres, metrics)
    return replace(candidate, seconds=time.monotonic() - started)


def fit_all(points: DataFrame, plan: KMeansSegmentation, candidate: Candidate) -> Candidate:
    """Returns what a candidate that was fitted on some users becomes on all of them.

    `points` is (user_id, point), one row per user. Centres are refined and measured anew.
    """
    started = time.monotonic()
    centres = refine_centres(points, candidate.centres, plan)
    whole = measured(points, centres, candidate.k, candidate.seed)
    return replace(whole, seconds=time.monotonic() - started)


def measured(points: DataFrame, centres: Sequence[Centre], k: int, seed: int) -> Candidate:
    """Returns centres, those that have members, with their measures on (user_id, point)."""
    metrics = clustering_metrics(with_nearest(points, centres), POINT, NEAREST)
    return _candidate(k, seed, centres, metrics)


def _candidate(
    k: int, seed: int, centres: Sequence[Centre], metrics: ClusteringMetrics
) -> Candidate:
    # Only centres with members have a cluster among the metrics.
    used = tuple(centres[cluster.label] for cluster in metrics.clusters)
    return Candidate(k, seed, used, metrics)


@overload
def assign(points: UserPoints, candidate: Candidate) -> tuple[tuple[Centre, ...], Members]: ...


@overload
def assign(points: DataFrame, candidate: Candidate) -> tuple[tuple[Centre, ...], DataFrame]: ...


def assign(
    points: DataFrame | UserPoints, candidate: Candidate
) -> tuple[tuple[Centre, ...], DataFrame | Members]:
    """Returns a candidate's centres in their order, and (user_id, segment_id, distance) of all.

    One row per user. The segment_id is the place of the centre, as text; 0 is the largest segment.
    """
    centres = order_centres(candidate.centres, candidate.metrics.sizes)
    names = [str(n) for n in range(len(centres))]
    if isinstance(points, DataFrame):
        return centres, assign_nearest(points, centres, names)
    places, squared = nearest_centres(points.values, np.array(centres))
    members = Members(points.users, np.arange(len(places)), places, names, rounded_roots(squared))
    return centres, members


def _record_curve(candidates: Sequence[Candidate], recorder: RunRecorder) -> None:
    """Keeps the measures of each k as steps of one run, which MLflow draws as a line."""
    for candidate in candidates:
        recorder.log_metrics(
            {
                "silhouette_by_k": candidate.metrics.silhouette,
                "davies_bouldin_by_k": candidate.metrics.davies_bouldin,
                "cost_by_k": candidate.metrics.cost,
            },
            step=candidate.k,
        )
