"""Small populations with groups that are known: what segmentations are tested on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.segments.base.population import Population

AS_OF = datetime(2011, 1, 1)
WORDS = {
    "features": {
        "frequency": {"high": {"adjective": "frequent"}, "low": {"noun": "one-time buyers"}},
        "monetary": {"high": {"noun": "big spenders"}},
    }
}
GROUPS = (((0, 0, 1), 70), ((10, 0, 1), 50), ((10, 10, 3), 30))
"""Three groups far from each other: (frequency, monetary, basket_size) and size."""
Rows = Sequence[tuple[Any, ...]]


def group_rows(groups: Sequence[tuple[Sequence[float], int]] = GROUPS, seed: int = 3) -> Rows:
    """Returns (user_id, frequency, monetary, basket_size) of users near their group's centre."""
    centres = [centre for centre, size in groups for _ in range(size)]
    noise = np.random.default_rng(seed).normal(0, 0.3, (len(centres), 3))
    found = [tuple(float(x) for x in c + n) for c, n in zip(centres, noise, strict=True)]
    return [(f"u{number:03}", *values) for number, values in enumerate(found)]


def population(spark: SparkSession, rows: Rows, partitions: int = 1, **more: Any) -> Population:
    """Returns the users of `rows`; the scaled features are a tenth, but for basket_size."""
    columns = "user_id string, frequency double, monetary double, basket_size double"
    raw: DataFrame = spark.createDataFrame(rows, columns).repartition(partitions)
    raw = raw.withColumn("category_mix", F.lit(None).cast("map<string,double>"))
    scaled = raw.selectExpr(
        "user_id", "frequency / 10 AS frequency", "monetary / 10 AS monetary", "basket_size"
    )
    return Population(raw, scaled, AS_OF, len(rows), "v1", **more)
