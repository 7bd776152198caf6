"""The leaves of a hierarchy: users themselves where they are few, else clusters of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.clustering import BisectingKMeans, KMeans
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segmentation import HierarchicalSegmentation
from sparkperso.core.columns import USER_ID
from sparkperso.segments.base.map_column import map_column
from sparkperso.segments.base.points import POINT
from sparkperso.segments.base.sample import sample_points

LEAF = "leaf"


@dataclass(frozen=True)
class LeafClusters:
    """What a tree is built over, and the leaf of every user."""

    points: NDArray[np.float64]
    """One row per leaf, scaled."""
    users: DataFrame
    """(user_id, point, leaf): the number of the user's leaf."""
    sizes: NDArray[np.int64]
    """How many users each leaf has."""
    are_users: bool


def find_leaves(
    points: DataFrame, size: int, plan: HierarchicalSegmentation, seed: int
) -> LeafClusters:
    """Returns a leaf per user when there are at most `max_exact`, else a leaf per cluster.

    At most `max_exact` users, or `n_leaves` centres, reach the driver.
    """
    if size <= plan.max_exact:
        return _of_users(points, size)
    method = KMeans if plan.leaves == "kmeans" else BisectingKMeans
    fit = method(featuresCol=POINT, predictionCol=LEAF, k=plan.n_leaves, seed=seed).fit(points)
    users = fit.transform(points)
    used = [tuple(row) for row in users.groupBy(LEAF).count().orderBy(LEAF).collect()]
    centres = np.array([fit.clusterCenters()[number] for number, _ in used])
    sizes = np.array([size for _, size in used])
    places = {number: place for place, (number, _) in enumerate(used)}
    numbered = users.withColumn(LEAF, map_column(places, F.col(LEAF)))
    return LeafClusters(centres, numbered, sizes, are_users=False)


def bisect(points: DataFrame, k: int, seed: int) -> DataFrame:
    """Returns (user_id, leaf) by Spark's bisecting k-means into k clusters."""
    fit = BisectingKMeans(featuresCol=POINT, predictionCol=LEAF, k=k, seed=seed).fit(points)
    return fit.transform(points).select(USER_ID, LEAF)


def _of_users(points: DataFrame, size: int) -> LeafClusters:
    names, array = sample_points(points, size)
    spark = points.sparkSession
    numbered = spark.createDataFrame(list(enumerate(names)), f"{LEAF} int, {USER_ID} string")
    users, sizes = points.join(numbered, on=USER_ID), np.ones(len(names), dtype=np.int64)
    return LeafClusters(array, users, sizes, are_users=True)
