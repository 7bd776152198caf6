"""Assignments as Columns say what Python says, of every id."""

from __future__ import annotations

import random

from pyspark.sql import functions as F
from tests.experiments import UNITS, experiment

from sparkperso.core.hashing import fnv32a, layer_share, share_of
from sparkperso.experiments.assignment.assign import place_of
from sparkperso.experiments.columns import (
    fnv32a_column,
    layer_share_column,
    share_column,
    variant_column,
)

EXPERIMENTS = [
    experiment("hero", variants={"a": 1, "b": 2, "c": 1}),
    experiment("hero", version=2, coverage=0.37, seed="søeed 😀"),
    experiment("lists", layer={"name": "home", "range": [0.25, 0.8]}, coverage=0.5),
    experiment("cells", factors={"x": ["a", "b"], "y": {"c": 1, "d": 3}}),
]


def ids():
    chance = random.Random(7)
    alphabet = "abcXYZ0123456789-_@.äß漢字😀🎁\u2028\t"
    drawn = ["".join(chance.choices(alphabet, k=chance.randrange(1, 30))) for _ in range(1_500)]
    return [*UNITS, *(f"u{number}" for number in range(1_500)), *drawn]


def test_columns_are_what_python_says(spark):
    units = ids()
    frame = spark.createDataFrame([(unit,) for unit in units], "unit string")
    rows = frame.select(
        "unit",
        fnv32a_column(F.col("unit")),
        share_column("seed", F.col("unit")),
        layer_share_column("home", F.col("unit")),
        *(variant_column(one, F.col("unit")) for one in EXPERIMENTS),
    ).collect()
    for unit, *found in rows:
        places = [place_of(one, unit) for one in EXPERIMENTS]
        variants = [
            None if place is None else list(one.arms)[place]
            for one, place in zip(EXPERIMENTS, places, strict=True)
        ]
        expected = [fnv32a(unit), share_of("seed", unit), layer_share("home", unit), *variants]
        assert found == expected, unit
    assert len(rows) == len(units)


def test_no_id_has_no_variant(spark):
    frame = spark.createDataFrame([(None,)], "unit string")
    assert frame.select(variant_column(EXPERIMENTS[0], F.col("unit"))).first()[0] is None
