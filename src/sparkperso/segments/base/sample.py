"""A few points of many, for what only works on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import USER_ID
from sparkperso.segments.base.arrays import UserPoints, user_hash
from sparkperso.segments.base.points import POINT

Points = NDArray[np.float64]
"""Users × features."""


def chosen(rows: DataFrame, size: int) -> DataFrame:
    """Returns at most `size` rows, one per user: those of the smallest hashes, every time."""
    return rows.orderBy(user_hash(), USER_ID).limit(size)


def hash_sample(points: DataFrame | UserPoints, count: int, size: int) -> DataFrame | None:
    """Returns about `size` of `count` users, those whose hash falls into it; None: take all.

    None where all fit, or are in memory anyway. Who is in it depends on the ids alone.
    """
    parts = ceil(count / size)
    if parts <= 1 or isinstance(points, UserPoints):
        return None
    return points.where(F.pmod(user_hash(), F.lit(parts)) == 0)


def points_in_driver(points: DataFrame | UserPoints) -> Points:
    """Returns all of (user_id, point) as (users, features), float64, in the order of their ids.

    Callers bound how many there are.
    """
    if isinstance(points, UserPoints):
        return points.values
    table = points.select(USER_ID, vector_to_array(F.col(POINT)).alias(POINT)).toArrow()
    ordered = table.sort_by(USER_ID).column(POINT).combine_chunks()
    # One flat buffer, not a list of arrays: a hundred thousand users come in as they lie.
    values = ordered.flatten().to_numpy(zero_copy_only=False)
    matrix: Points = values.reshape(len(ordered), -1 if len(ordered) else 0).astype(np.float64)
    return matrix


def sample_points(points: DataFrame | UserPoints, size: int) -> tuple[Sequence[str], Points]:
    """Returns the ids of at most `size` users, see `chosen`, and their points (users, features)."""
    if isinstance(points, UserPoints):
        at = points.users.chosen(size)
        return points.users.ids[at].tolist(), points.values[at]
    rows = chosen(points, size).select(USER_ID, vector_to_array(F.col(POINT))).collect()
    return [row[0] for row in rows], np.array([row[1] for row in rows], dtype=np.float64)
