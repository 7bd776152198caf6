"""Users as points of the scaled feature space, and the nearest of a few centres."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce

from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import USER_ID
from sparkperso.evaluate.clustering import squared_distance
from sparkperso.platform.frames import cached
from sparkperso.segments.base.arrays import DECIMALS

POINT = "point"
SEGMENT_ID = "segment_id"
DISTANCE = "distance"
NEAREST = "nearest"
SQUARED = "squared"

Centre = tuple[float, ...]


@contextmanager
def cached_points(
    scaled: DataFrame, features: Sequence[str], partitions: int
) -> Iterator[DataFrame]:
    """Gives (user_id, point), one row per user, held in memory inside the block.

    Sums of floats depend on their order: so the users are spread by their identifiers and sorted
    within each partition. `partitions` should follow from the data, not from the cluster.
    """
    spread = scaled.repartition(partitions, USER_ID).sortWithinPartitions(USER_ID)
    with cached(as_points(spread, features)) as points:
        yield points


def as_points(scaled: DataFrame, features: Sequence[str]) -> DataFrame:
    """Returns (user_id, point), one row per user, by Spark ML's VectorAssembler."""
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


def assign_nearest(points: DataFrame, centres: Sequence[Centre], ids: Sequence[str]) -> DataFrame:
    """Returns (user_id, segment_id, distance), one row per user, `ids` being those of the centres.

    The distance is Euclidean, in scaled features; of equally near centres the first is taken.
    """
    names = F.array(*[F.lit(name) for name in ids])
    placed = with_nearest(points, centres)
    return placed.select(
        USER_ID,
        F.get(names, F.col(NEAREST)).alias(SEGMENT_ID),
        F.round(F.sqrt(SQUARED), DECIMALS).alias(DISTANCE),
    )


def with_nearest(points: DataFrame, centres: Sequence[Centre]) -> DataFrame:
    """Returns (user_id, point, squared, nearest): the nearest centre's place, and how far it is.

    `squared` is the squared Euclidean distance; of equally near centres the first is taken.
    """
    # Plain sums of columns are compiled; functions of arrays would be interpreted, for each centre.
    array = points.select(USER_ID, POINT, vector_to_array(F.col(POINT)).alias("array"))
    distances = [_squared(F.col("array"), centre) for centre in centres]
    # Structs compare by distance and then by place: the first of equals is the least.
    ranked = [F.struct(d.alias(SQUARED), F.lit(n).alias(NEAREST)) for n, d in enumerate(distances)]
    ranked_first = array.select(USER_ID, POINT, F.array_min(F.array(*ranked)).alias("best"))
    return ranked_first.select(USER_ID, POINT, f"best.{SQUARED}", f"best.{NEAREST}")


def _squared(point: Column, centre: Centre) -> Column:
    parts = [F.pow(point[place] - F.lit(x), F.lit(2.0)) for place, x in enumerate(centre)]
    return reduce(Column.__add__, parts)


def distance_to(point: Column, centre: Column) -> Column:
    """Returns the Euclidean distance of two arrays of equal length, rounded to DECIMALS."""
    return F.round(F.sqrt(squared_distance(point, centre)), DECIMALS)
