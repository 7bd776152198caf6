"""How well labelled points fall into clusters: silhouette, Davies–Bouldin, within-cluster cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.ml.functions import vector_to_array
from pyspark.ml.stat import Summarizer
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

Array = npt.NDArray[np.float64]
MAX_CLUSTERS = 10_000
"""Means that come to the driver at most: more labels than that are no clustering."""


@dataclass(frozen=True)
class Cluster:
    """What the metrics need of one cluster: its size, mean and spread."""

    label: int
    size: int
    mean: tuple[float, ...]
    mean_distance: float
    """Mean Euclidean distance of the members to the mean."""
    squared_distance: float
    """Sum of the members' squared distances to the mean."""


@dataclass(frozen=True)
class ClusteringMetrics:
    """Figures of one labelling; NaN where fewer than two clusters leave nothing to compare."""

    silhouette: float
    davies_bouldin: float
    cost: float
    clusters: tuple[Cluster, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Returns the size of each cluster, by label."""
        return tuple(cluster.size for cluster in self.clusters)


def clustering_metrics(points: DataFrame, features: str, label: str) -> ClusteringMetrics:
    """Returns the figures of `points`, one row per point: a vector and an integer label.

    `points` is read several times: cache it. With fewer than two clusters the first two are NaN.

    - silhouette, -1 to 1, high is good: mean over points of (b - a) / max(a, b), with a and b the
      mean squared Euclidean distance to the own and the nearest other cluster (Rousseeuw 1987, as
      Spark's ClusteringEvaluator computes it).
    - davies_bouldin, 0 up, low is good: see `davies_bouldin`.
    - cost: sum of squared distances to the mean of the own cluster, k-means' own objective.
    """
    clusters = summarise_clusters(points, features, label)
    evaluator = ClusteringEvaluator(
        featuresCol=features, predictionCol=label, distanceMeasure="squaredEuclidean"
    )
    return ClusteringMetrics(
        silhouette=float(evaluator.evaluate(points)) if len(clusters) > 1 else math.nan,
        davies_bouldin=davies_bouldin(clusters),
        cost=sum(cluster.squared_distance for cluster in clusters),
        clusters=clusters,
    )


def array_metrics(points: Array, labels: npt.ArrayLike) -> ClusteringMetrics:
    """Returns the figures of `clustering_metrics` of points (rows) in memory and their labels."""
    names, at, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    means = group_means(points, at, len(names))
    squares = ((points - means[at]) ** 2).sum(axis=1)
    spread = np.bincount(at, np.sqrt(squares)) / sizes
    columns = (names.tolist(), sizes.tolist(), map(tuple, means.tolist()), spread.tolist())
    clusters = tuple(map(Cluster, *columns, np.bincount(at, squares).tolist()))
    return ClusteringMetrics(
        silhouette=_array_silhouette(points, at, means, sizes) if len(names) > 1 else math.nan,
        davies_bouldin=davies_bouldin(clusters),
        cost=sum(cluster.squared_distance for cluster in clusters),
        clusters=clusters,
    )


def _array_silhouette(
    points: Array, at: npt.NDArray[np.int64], means: Array, sizes: npt.NDArray[np.int64]
) -> float:
    # A point's mean squared distance to a cluster's members is that to their mean, and the
    # members' own to it. Of its own cluster it is no neighbour of itself.
    rows, size = np.arange(len(points)), sizes[at]
    apart = squared_distances(points, means)
    apart += np.bincount(at, apart[rows, at]) / sizes
    own = apart[rows, at] * size / np.maximum(size - 1, 1)
    apart[rows, at] = np.inf
    nearest = apart.min(axis=1)
    larger = np.maximum(own, nearest)
    each = np.divide(nearest - own, larger, out=np.zeros(len(points)), where=larger > 0)
    return float(np.where(size > 1, each, 0.0).mean())


def squared_distances(points: Array, centres: Array) -> Array:
    """Returns the squared distances of points (rows) and centres (columns)."""
    total = np.zeros((len(points), len(centres)))
    for own, other in zip(points.T, centres.T, strict=True):
        total += (own[:, None] - other[None, :]) ** 2
    return total


def group_means(values: Array, groups: npt.NDArray[np.int64], n_groups: int) -> Array:
    """Returns groups × columns: the means of each group's rows; NaN is left out.

    A group without any value has NaN.
    """
    means = np.full((n_groups, values.shape[1]), np.nan)
    for column, own in enumerate(values.T):
        known = ~np.isnan(own)
        counts = np.bincount(groups[known], minlength=n_groups)
        sums = np.bincount(groups[known], own[known], minlength=n_groups)
        np.divide(sums, counts, out=means[:, column], where=counts > 0)
    return means


def summarise_clusters(points: DataFrame, features: str, label: str) -> tuple[Cluster, ...]:
    """Returns one record per label, in the order of the labels: two aggregations."""
    means = cluster_means(points, features, label)
    rows = means.orderBy(label).limit(MAX_CLUSTERS).collect()
    distance = F.sqrt(squared_distance(vector_to_array(F.col(features)), F.col("mean")))
    # As a frame of literal rows: joining `means` itself would work them out again.
    own_mean = F.broadcast(points.sparkSession.createDataFrame(rows, means.schema))
    spread = (
        points.join(own_mean, on=label, how="inner")
        .select(label, distance.alias("distance"))
        .groupBy(label)
        .agg(F.avg("distance").alias("mean"), F.sum(F.pow("distance", F.lit(2))).alias("squared"))
    )
    spreads = {row[label]: row for row in spread.collect()}
    return tuple(
        Cluster(int(r[label]), int(r["size"]), tuple(r["mean"]), *spreads[r[label]][1:])
        for r in rows
    )


def cluster_means(points: DataFrame, features: str, label: str) -> DataFrame:
    """Returns (label, size, mean) of the clusters: `mean` is an array, one row per label."""
    return points.groupBy(label).agg(
        F.count(F.lit(1)).alias("size"),
        vector_to_array(Summarizer.mean(F.col(features))).alias("mean"),
    )


def davies_bouldin(clusters: Sequence[Cluster]) -> float:
    """Returns the Davies–Bouldin index (Davies & Bouldin 1979), NaN below two clusters.

    The mean over clusters i of the largest (s_i + s_j) / d_ij over the others j: s is the mean
    distance to the cluster's mean, d the distance of two means. Coinciding means count as 0, as
    in scikit-learn.
    """
    if len(clusters) < 2:
        return math.nan
    means = np.array([cluster.mean for cluster in clusters])
    spread = np.array([cluster.mean_distance for cluster in clusters])
    between = np.linalg.norm(means[:, None, :] - means[None, :, :], axis=2)
    between[between == 0] = np.inf
    return float(((spread[:, None] + spread[None, :]) / between).max(axis=1).mean())


def squared_distance(left: Column, right: Column) -> Column:
    """Returns the squared Euclidean distance of two arrays of numbers."""
    squares = F.zip_with(left, right, lambda a, b: (a - b) * (a - b))
    return F.aggregate(squares, F.lit(0.0), lambda total, square: total + square)
