"""A frame that is staged is worked out once, wherever it lies, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import functions as F

from sparkperso.config.platform import LakeConfig
from sparkperso.pipeline.staging import checkpointed, staged


def measures():
    half = F.percentile_approx("x", 0.5)
    return {"n": F.count("*"), "names": F.collect_set("name"), "half": half}


@pytest.fixture
def frame(spark):
    """Ten rows, of which a random number tells whether they are worked out again."""
    rows = spark.createDataFrame([(n, f"name {n % 3}") for n in range(10)], "x int, name string")
    return rows.withColumn("drawn", F.rand())


def persistent(spark):
    return spark.sparkContext._jsc.getPersistentRDDs().size()


@pytest.mark.parametrize("place", ["executors", "lake"])
def test_rows_stay_as_they_are_and_are_counted_on_the_way(make_job, spark, frame, place):
    before = persistent(spark)
    job = make_job("ingest-events", set=[f"lake.staging={place}"])
    scratch = Path(job.settings.lake.root, "_staging")
    with staged(job, frame, "batch", measures()) as kept:
        assert kept.measures["n"] == 10
        assert sorted(kept.measures["names"]) == ["name 0", "name 1", "name 2"]
        assert kept.measures["half"] == 4
        assert sorted(kept.frame.collect()) == sorted(kept.frame.where("x >= 0").collect())
        assert list(scratch.glob("*/*.parquet")) == [] if place == "executors" else True
    assert persistent(spark) == before
    assert not list(scratch.glob("*"))


def test_what_fails_inside_is_freed_too(spark, frame):
    before, during = persistent(spark), []

    def fail():
        with checkpointed(frame, {}) as kept:
            during.append((persistent(spark), kept.measures))
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    assert during == [(before + 1, {})]
    assert persistent(spark) == before


def test_a_catalog_has_no_folder_to_stage_in():
    with pytest.raises(ValueError, match="needs a folder"):
        LakeConfig(catalog="main", staging="lake")
