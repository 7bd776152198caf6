"""A few points of many, for what only works on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import USER_ID
from sparkperso.segments.points import POINT


def chosen(rows: DataFrame, size: int) -> DataFrame:
    """Returns at most `size` rows, one per user, chosen by a hash: the same ones every time."""
    return rows.orderBy(F.xxhash64(USER_ID), USER_ID).limit(size)


def mini_batch(points: DataFrame, count: int, size: int) -> DataFrame | None:
    """Returns about `size` of `count` users, those whose hash falls into it; None: all are few."""
    parts = ceil(count / size)
    is_in = F.pmod(F.xxhash64(USER_ID), F.lit(parts)) == 0
    return points.where(is_in) if parts > 1 else None


def sample_points(points: DataFrame, size: int) -> tuple[Sequence[str], NDArray[np.float64]]:
    """Returns at most `size` users, see `chosen`, and their points (users × features)."""
    rows = chosen(points, size).select(USER_ID, vector_to_array(F.col(POINT))).collect()
    return [row[0] for row in rows], np.array([row[1] for row in rows], dtype=np.float64)
