"""The leaves of a hierarchy: users themselves where they are few, else clusters of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.clustering import BisectingKMeans, KMeans
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import USER_ID
from sparkperso.config.segmentation import HierarchicalSegmentation
from sparkperso.segments.points import POINT
from sparkperso.segments.sample import sample_points

LEAF = "leaf"


@dataclass(frozen=True)
class Leaves:
    """What a tree is built over, and the leaf of every user."""

    points: NDArray[np.float64]
    """One row per leaf, scaled."""
    users: DataFrame
    """(user_id, point, leaf): the number of the user's leaf."""
    are_users: bool


def find_leaves(points: DataFrame, size: int, plan: HierarchicalSegmentation, seed: int) -> Leaves:
    """Returns a leaf per user when there are at most `max_exact`, else a leaf per cluster.

    At most `max_exact` users, or `n_leaves` centres, reach the driver.
    """
    if size <= plan.max_exact:
        return _of_users(points, size)
    method = KMeans if plan.leaves == "kmeans" else BisectingKMeans
    fit = method(featuresCol=POINT, predictionCol=LEAF, k=plan.n_leaves, seed=seed).fit(points)
    users = fit.transform(points)
    used = [row[0] for row in users.select(LEAF).distinct().orderBy(LEAF).collect()]
    centres = np.array([fit.clusterCenters()[number] for number in used])
    numbers = F.create_map(*[F.lit(part) for pair in _pairs(used) for part in pair])
    return Leaves(centres, users.withColumn(LEAF, numbers[F.col(LEAF)]), are_users=False)


def bisect(points: DataFrame, k: int, seed: int) -> DataFrame:
    """Returns (user_id, leaf) by Spark's bisecting k-means into k clusters."""
    fit = BisectingKMeans(featuresCol=POINT, predictionCol=LEAF, k=k, seed=seed).fit(points)
    return fit.transform(points).select(USER_ID, LEAF)


def _of_users(points: DataFrame, size: int) -> Leaves:
    names, array = sample_points(points, size)
    spark = points.sparkSession
    numbered = spark.createDataFrame(list(enumerate(names)), f"{LEAF} int, {USER_ID} string")
    return Leaves(array, points.join(numbered, on=USER_ID), are_users=True)


def _pairs(used: list[int]) -> list[tuple[int, int]]:
    return [(number, place) for place, number in enumerate(used)]


def means(users: DataFrame, cluster: str, width: int) -> dict[int, tuple[float, ...]]:
    """Returns the mean point of each cluster (a column of small integers)."""
    values = vector_to_array(F.col(POINT))
    each = users.select(cluster, *(values[n].alias(f"x{n}") for n in range(width)))
    rows = each.groupBy(cluster).agg(*(F.avg(f"x{n}") for n in range(width))).collect()
    return {row[0]: tuple(round(float(x), 6) for x in row[1:]) for row in rows}
