"""Users as points of the scaled feature space, and the nearest of a few centres."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import USER_ID
from sparkperso.evaluate.clustering import squared_distance
from sparkperso.segments.lookup import looked_up

POINT = "point"
SEGMENT_ID = "segment_id"
DISTANCE = "distance"
DECIMALS = 6

Centre = tuple[float, ...]


@contextmanager
def cached_points(
    scaled: DataFrame, features: Sequence[str], partitions: int
) -> Iterator[DataFrame]:
    """Gives (user_id, point), held in memory inside the block.

    Sums of floats depend on their order: so the users are spread by their identifiers and sorted
    within each partition. `partitions` should follow from the data, not from the cluster.
    """
    spread = scaled.repartition(partitions, USER_ID).sortWithinPartitions(USER_ID)
    points = as_points(spread, features).persist()
    try:
        yield points
    finally:
        points.unpersist()


def as_points(scaled: DataFrame, features: Sequence[str]) -> DataFrame:
    """Returns (user_id, point) of scaled features."""
    assembler = VectorAssembler(inputCols=list(features), outputCol=POINT)
    return assembler.transform(scaled).select(USER_ID, POINT)


def order_centres(centres: Sequence[Centre], sizes: Sequence[int]) -> tuple[Centre, ...]:
    """Returns the centres, rounded, the largest segment first; equals by their coordinates.

    K-means numbers its centres as its random start has it; this order depends on the result only.
    """
    return tuple(_rounded(centres[place]) for place in order_of(centres, sizes))


def order_of(centres: Sequence[Centre], sizes: Sequence[int]) -> list[int]:
    """Returns the places of the centres in that order."""
    centres = [_rounded(centre) for centre in centres]
    return sorted(range(len(centres)), key=lambda place: (-sizes[place], centres[place]))


def _rounded(centre: Centre) -> Centre:
    return tuple(round(float(x), DECIMALS) for x in centre)


def assign_labelled(
    points: DataFrame, label: str, centres: Mapping[int, Centre], ids: Mapping[int, str]
) -> DataFrame:
    """Returns the same of points that a fit has labelled with the number of their centre."""
    own = looked_up({number: list(centre) for number, centre in centres.items()}, F.col(label))
    name = looked_up(ids, F.col(label))
    distance = distance_to(vector_to_array(F.col(POINT)), own)
    return points.select(USER_ID, name.alias(SEGMENT_ID), distance.alias(DISTANCE))


def assign_nearest(points: DataFrame, centres: Sequence[Centre], ids: Sequence[str]) -> DataFrame:
    """Returns (user_id, segment_id, distance): Euclidean; of equally near centres, the first."""
    point = vector_to_array(F.col(POINT))
    nearest = F.array_min(
        F.array(*[_candidate(point, centre, rank) for rank, centre in enumerate(centres)])
    )
    names = F.array(*[F.lit(name) for name in ids])
    found = points.select(USER_ID, nearest.alias("nearest"))
    return found.select(
        USER_ID,
        F.get(names, F.col("nearest.rank")).alias(SEGMENT_ID),
        F.col("nearest.distance").alias(DISTANCE),
    )


def _candidate(point: Column, centre: Centre, rank: int) -> Column:
    distance = distance_to(point, F.lit(list(centre))).alias("distance")
    return F.struct(distance, F.lit(rank).alias("rank"))


def distance_to(point: Column, centre: Column) -> Column:
    """Returns the Euclidean distance of two arrays, rounded."""
    return F.round(F.sqrt(squared_distance(point, centre)), DECIMALS)
