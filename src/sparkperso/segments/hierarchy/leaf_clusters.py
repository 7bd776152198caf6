"""The leaves of a hierarchy: users themselves where they are few, else clusters of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from sklearn.cluster import BisectingKMeans, KMeans
from sklearn.exceptions import ConvergenceWarning

from sparkperso.config.segmentation import HierarchicalSegmentation
from sparkperso.config.segments import SegmentsConfig
from sparkperso.core.columns import USER_ID
from sparkperso.core.threads import one_thread
from sparkperso.platform.frames import keep_broadcast
from sparkperso.segments.base.arrays import Ints, UserPoints, nearest_centres
from sparkperso.segments.base.map_column import map_column
from sparkperso.segments.base.points import POINT
from sparkperso.segments.base.sample import Points, hash_sample, points_in_driver, sample_points

LEAF = "leaf"
ARRAY = "array"


@dataclass(frozen=True)
class LeafClusters:
    """What a tree is built over, and the leaf of every user.

    Leaves are numbered from 0, without gaps; each has a user at least.
    """

    points: NDArray[np.float64]
    """One row per leaf, scaled."""
    users: DataFrame | Ints
    """(user_id, point, leaf): the number of the user's leaf; in memory the numbers alone."""
    sizes: NDArray[np.int64]
    """How many users each leaf has."""
    are_users: bool
    sample: Points
    """The users that are in memory, all or some, in the order of their ids."""
    leaf_of_sample: Ints
    """Their leaves."""


def find_leaves(
    points: DataFrame | UserPoints,
    size: int,
    plan: HierarchicalSegmentation,
    settings: SegmentsConfig,
) -> LeafClusters:
    """Returns a leaf per user when there are at most `max_exact`, else a leaf per cluster.

    Clusters come from k-means or bisecting k-means (`plan.leaves`, scikit-learn's) in the driver's
    memory, on about `driver_users` users; all others go to the nearest centre. Leaves without users
    are left out, and the rest are numbered anew. `size` is the number of users.
    """
    if size <= plan.max_exact:
        return _of_users(points, size)
    batch = hash_sample(points, size, settings.driver_users)
    sample = points_in_driver(points if batch is None else batch)
    centres = _fit(sample, plan.leaves, plan.n_leaves, settings.seed)[1]
    nearest = nearest_centres(sample, centres)[0]
    if isinstance(points, UserPoints):
        used, leaf, sizes = np.unique(nearest, return_inverse=True, return_counts=True)
        return LeafClusters(centres[used], leaf, sizes, False, sample, leaf)
    users = _with_leaf(points, centres)
    counts = [tuple(row) for row in users.groupBy(LEAF).count().orderBy(LEAF).collect()]
    places = {number: place for place, (number, _) in enumerate(counts)}
    return LeafClusters(
        centres[list(places)],
        users.withColumn(LEAF, map_column(places, F.col(LEAF))),
        np.array([size for _, size in counts]),
        False,
        sample,
        np.array([places[number] for number in nearest.tolist()]),
    )


def bisect(points: Points, k: int, seed: int) -> Ints:
    """Returns the cluster of each point (row) by bisecting k-means into k clusters.

    scikit-learn's BisectingKMeans, which splits the largest cluster each time; fewer than k
    clusters where fewer points differ.
    """
    return _fit(points, "bisecting", k, seed)[0]


@one_thread()
def _fit(points: Points, method: str, k: int, seed: int) -> tuple[Ints, Points]:
    """The cluster of each point, and the centres; fewer than k where fewer points differ."""
    k = min(k, len(np.unique(points, axis=0)))
    if method == "kmeans":
        fit = KMeans(k, n_init=1, random_state=seed)
    else:
        fit = BisectingKMeans(k, random_state=seed, bisecting_strategy="largest_cluster")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit.fit(points)
    return fit.labels_.astype(np.int64), fit.cluster_centers_.astype(np.float64)


def _with_leaf(points: DataFrame, centres: Points) -> DataFrame:
    """(user_id, point, leaf): the nearest centre's number, by the same code as in the driver."""
    shared = keep_broadcast(points.sparkSession, centres)

    def nearest(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            flat = batch.column(ARRAY).flatten().to_numpy(zero_copy_only=False)
            places = nearest_centres(flat.reshape(batch.num_rows, -1), shared.value)[0]
            columns = [*batch.columns, pa.array(places, pa.int32())]
            yield pa.RecordBatch.from_arrays(columns, names=[USER_ID, ARRAY, LEAF])

    arrays = points.select(USER_ID, vector_to_array(F.col(POINT)).alias(ARRAY))
    placed = arrays.mapInArrow(nearest, f"{USER_ID} string, {ARRAY} array<double>, {LEAF} int")
    return placed.select(USER_ID, array_to_vector(F.col(ARRAY)).alias(POINT), LEAF)


def _of_users(points: DataFrame | UserPoints, size: int) -> LeafClusters:
    # Leaves are numbered by the users' hashes, the sample lies by their ids: two orders of all.
    names, array = sample_points(points, size)
    sizes, by_id = np.ones(len(names), dtype=np.int64), np.argsort(np.array(names, dtype=object))
    if isinstance(points, UserPoints):
        return LeafClusters(array, by_id, sizes, True, points.values, by_id)
    spark = points.sparkSession
    numbered = spark.createDataFrame(list(enumerate(names)), f"{LEAF} int, {USER_ID} string")
    users = points.join(numbered, on=USER_ID)
    return LeafClusters(array, users, sizes, True, array[by_id], by_id)
