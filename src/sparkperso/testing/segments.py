"""Small populations with groups that are known: what segmentations are tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.segments.base.population import Population
from sparkperso.segments.base.result import SegmentationResult

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
    made = [tuple(float(x) for x in c + n) for c, n in zip(centres, noise, strict=True)]
    return [(f"u{number:03}", *values) for number, values in enumerate(made)]


def population(
    spark: SparkSession, rows: Rows, partitions: int = 1, driver_users: int = 10_000, **more: Any
) -> Population:
    """Returns the users of `rows`; the scaled features are a tenth, but for basket_size.

    Up to `driver_users` they are in memory, else Spark adds them up.
    """
    columns = "user_id string, frequency double, monetary double, basket_size double"
    raw: DataFrame = spark.createDataFrame(rows, columns).repartition(partitions)
    likes = "CASE WHEN basket_size > 2 THEN map('lamps', 1D) WHEN frequency > 5 THEN {} END"
    raw = raw.withColumn("category_mix", F.expr(likes.format("map('lamps', 0.1D, 'books', 0.9D)")))
    scaled = raw.selectExpr(
        "user_id", "frequency / 10 AS frequency", "monetary / 10 AS monetary", "basket_size"
    )
    made = Population(raw, scaled, AS_OF, len(rows), "v1", **more)
    return made.collected(driver_users)


def require_same(one: SegmentationResult, other: SegmentationResult) -> None:
    """Raises AssertionError unless two results agree in all that is written and recorded of them.

    Sums are of other orders: texts and counts are the same, figures to 6 decimals.
    """
    rows = [
        {(r.user_id, r.segment_id): r.distance for r in result.members.collect()}
        for result in (one, other)
    ]
    require_close(*rows)
    require_close([asdict(p) for p in one.profiles], [asdict(p) for p in other.profiles])
    require_close(dict(one.figures), dict(other.figures))
    require_close(dict(one.document), dict(other.document))
    require_close(one.lineage and asdict(one.lineage), other.lineage and asdict(other.lineage))
    assert one.notes == other.notes
    assert set(one.pictures) == set(other.pictures)


def require_close(one: Any, other: Any) -> None:
    """Raises AssertionError unless two nested values agree, numbers to 6 decimals."""
    if isinstance(one, float) and isinstance(other, float):
        assert abs(one - other) <= 2e-6, f"{one} is not {other}"
    elif isinstance(one, Mapping):
        assert one.keys() == other.keys()
        for name, value in one.items():
            require_close(value, other[name])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            require_close(*pair)
    else:
        assert one == other, f"{one} is not {other}"
