"""Sums over groups of users, for `bootstrap`: no user reaches the driver."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import USER_ID
from sparkperso.evaluate.bootstrap import Floats


def bucket_sums(
    per_user: DataFrame, columns: Sequence[str], n_buckets: int
) -> tuple[Floats, Floats]:
    """Returns users per bucket, and sums per bucket and column (shape buckets × columns).

    `per_user` has one row per user_id. A user's bucket is xxhash64(user_id) mod `n_buckets`, so at
    most `n_buckets` rows reach the driver, however many users there are.
    """
    bucket = F.pmod(F.xxhash64(USER_ID), F.lit(n_buckets)).alias("bucket")
    sums = [F.round(F.sum(name), 9).alias(name) for name in columns]
    rows = per_user.groupBy(bucket).agg(F.count(F.lit(1)).alias("n"), *sums).orderBy("bucket")
    found = rows.collect()
    counts = np.array([row["n"] for row in found], dtype=np.float64)
    values = np.array([[row[name] for name in columns] for row in found], dtype=np.float64)
    return counts, values.reshape(len(found), len(columns))
