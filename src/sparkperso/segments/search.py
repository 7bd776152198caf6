"""The search for k: every (k, seed) is fitted, measured and recorded; the best silhouette wins."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from pyspark.ml.clustering import KMeans, KMeansModel
from pyspark.sql import DataFrame

from sparkperso.config.segments import KMeansSegmentation, SegmentsConfig
from sparkperso.errors import QualityGateError
from sparkperso.evaluate.clustering import ClusteringMetrics, clustering_metrics
from sparkperso.recorder import RunRecorder
from sparkperso.segments.points import (
    DECIMALS,
    POINT,
    Centre,
    assign_labelled,
    order_centres,
    order_of,
)

LABEL = "cluster"


@dataclass(frozen=True)
class Candidate:
    """One fit; `centres` are those that have members, which may be fewer than k."""

    k: int
    seed: int
    centres: tuple[Centre, ...]
    metrics: ClusteringMetrics
    seconds: float = 0.0
    labels: tuple[int, ...] = ()
    """What the fit calls each of the centres."""
    model: KMeansModel | None = None
    """The fit itself."""

    @property
    def name(self) -> str:
        """Returns what its run is called."""
        return f"k={self.k} seed={self.seed}"

    @property
    def smallest_share(self) -> float:
        """Returns the share of users in the smallest segment."""
        return min(self.metrics.sizes) / sum(self.metrics.sizes)

    def figures(self) -> dict[str, float]:
        """Returns what is recorded of it."""
        return {
            "silhouette": self.metrics.silhouette,
            "davies_bouldin": self.metrics.davies_bouldin,
            "cost": self.metrics.cost,
            "num_segments": len(self.centres),
            "smallest_share": self.smallest_share,
            "fit_seconds": self.seconds,
        }


def search_k(
    points: DataFrame, plan: KMeansSegmentation, settings: SegmentsConfig, recorder: RunRecorder
) -> list[Candidate]:
    """Returns every candidate, by k and seed; each is a child run of `recorder`."""
    grid = [
        (k, settings.seed + start)
        for k in range(plan.k_min, plan.k_max + 1)
        for start in range(settings.num_seeds)
    ]
    with ThreadPoolExecutor(settings.parallelism) as pool:
        jobs = [pool.submit(fit_recorded, points, plan, k, seed, recorder) for k, seed in grid]
        candidates = [job.result() for job in jobs]
    _record_curve(candidates, recorder)
    return candidates


def choose_candidate(candidates: Sequence[Candidate], min_share: float) -> Candidate:
    """Returns the highest silhouette; of equal ones the smaller k, then the smaller seed.

    Raises QualityGateError when no candidate has two segments or more, each large enough.
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
    return min(able, key=lambda c: (-round(c.metrics.silhouette, DECIMALS), c.k, c.seed))


def fit_candidate(points: DataFrame, plan: KMeansSegmentation, k: int, seed: int) -> Candidate:
    """Returns the k-means fit of one k and one random start."""
    started = time.monotonic()
    model = fit_centres(points, plan, k, seed)
    return replace(measured(points, model, k, seed), seconds=time.monotonic() - started)


def measured(points: DataFrame, model: KMeansModel, k: int, seed: int) -> Candidate:
    """Returns a fit with its measures."""
    metrics = clustering_metrics(model.transform(points), POINT, LABEL)
    centres = model.clusterCenters()
    labels = tuple(cluster.label for cluster in metrics.clusters)
    used = tuple(tuple(map(float, centres[label])) for label in labels)
    return Candidate(k, seed, used, metrics, labels=labels, model=model)


def assign(points: DataFrame, candidate: Candidate) -> tuple[tuple[Centre, ...], DataFrame]:
    """Returns a candidate's centres in their order, and (user_id, segment_id, distance) of all.

    The segment_id is the place of the centre, as text. Raises AssertionError without a fit.
    """
    if candidate.model is None:
        raise AssertionError("only a candidate that was fitted can assign")
    places = order_of(candidate.centres, candidate.metrics.sizes)
    centres = order_centres(candidate.centres, candidate.metrics.sizes)
    labels = [candidate.labels[place] for place in places]
    ids = {label: str(number) for number, label in enumerate(labels)}
    labelled = candidate.model.transform(points)
    return centres, assign_labelled(labelled, LABEL, dict(zip(labels, centres, strict=True)), ids)


def fit_centres(points: DataFrame, plan: KMeansSegmentation, k: int, seed: int) -> KMeansModel:
    """Returns one fit."""
    return KMeans(
        featuresCol=POINT,
        predictionCol=LABEL,
        k=k,
        seed=seed,
        initSteps=plan.init_steps,
        maxIter=plan.max_iter,
        tol=plan.tol,
    ).fit(points)


def _record_curve(candidates: Sequence[Candidate], recorder: RunRecorder) -> None:
    """Keeps the best start of each k as steps of one run, which MLflow draws as a line."""
    for k in sorted({candidate.k for candidate in candidates}):
        here = [candidate.metrics for candidate in candidates if candidate.k == k]
        recorder.log_metrics(
            {
                "silhouette_by_k": max(metrics.silhouette for metrics in here),
                "davies_bouldin_by_k": min(metrics.davies_bouldin for metrics in here),
                "cost_by_k": min(metrics.cost for metrics in here),
            },
            step=k,
        )


def fit_recorded(
    points: DataFrame, plan: KMeansSegmentation, k: int, seed: int, recorder: RunRecorder
) -> Candidate:
    """Returns the fit of one k and one random start, a child run of `recorder`."""
    with recorder.child(f"k={k} seed={seed}") as run:
        run.log_params({"k": k, "seed": seed, "max_iter": plan.max_iter, "tol": plan.tol})
        candidate = fit_candidate(points, plan, k, seed)
        run.log_metrics(candidate.figures())
        return candidate
