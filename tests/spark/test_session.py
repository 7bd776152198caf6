"""A session reads and gives times in UTC, wherever the process runs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sparkperso.platform.jars import cached_jars
from sparkperso.platform.session import misfit

SCRIPT = textwrap.dedent(
    """
    from datetime import datetime
    from pyspark.sql import functions as F
    from sparkperso.config import load_settings
    from sparkperso.platform.session import build_session

    spark = build_session(load_settings(assignments=["spark.driver_memory=600m"]))
    noon = datetime(2026, 7, 1, 12)
    row = spark.range(1).select(F.lit(noon).alias("t"), F.lit(noon).cast("string").alias("s"))
    print(row.first())
    """
)


def test_naive_times_are_utc_in_any_zone():
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TZ": "America/New_York"},
    )
    assert "datetime.datetime(2026, 7, 1, 12, 0)" in answer.stdout
    assert "2026-07-01 12:00:00" in answer.stdout


BARE = """
import sys
from pyspark.sql import SparkSession
from sparkperso.config import load_settings
from sparkperso.core.errors import UsageError
from sparkperso.notebook import Suite
from sparkperso.platform.session import build_session

kind = sys.argv[1]
try:
    if kind == "submitted":
        build_session(load_settings("cluster", assignments=["spark.master=local[1]"]))
    else:
        builder = SparkSession.builder.master("local[1]")
        if kind != "bare":
            builder = builder.config("spark.jars", sys.argv[2])
        Suite(builder.getOrCreate(), "local", "lake")
except UsageError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("submitted", "Spark needs the jar of Delta Lake"),
        ("wrong", "Found delta-spark_4.1_2.13-4.4.0.jar, built for Spark 4.1 and Scala 2.13"),
        ("plain", "spark.sql.extensions and spark.sql.catalog.spark_catalog lack them"),
    ],
)
def test_a_session_without_a_delta_that_fits_is_refused_by_its_name(kind, said, tmp_path):
    """--env cluster leaves the jars to spark-submit, a notebook brings a session of its own."""
    jars = cached_jars()
    (delta,) = (jar for jar in jars if jar.name.startswith("delta-spark"))
    if kind == "wrong":
        other = tmp_path / delta.name.replace("_4.2_", "_4.1_")
        other.symlink_to(delta)
        jars = [other]
    answer = subprocess.run(
        [sys.executable, "-c", BARE, kind, ",".join(map(str, jars))],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert said in answer.stdout, answer.stderr[-2000:]
    if kind != "plain":
        assert "--packages io.delta:delta-spark_4.2_2.13:4.4.0" in answer.stdout


@pytest.mark.parametrize(
    ("jar", "fits"),
    [
        ("delta-spark_4.2_2.13-4.4.0.jar", True),
        ("io.delta_delta-spark_4.2_2.13-4.5.1-SNAPSHOT.jar", True),
        ("io.delta_delta-spark_4.1_2.13-4.1.0.jar", False),
        ("delta-spark_2.13-4.0.0.jar", False),
        ("delta-spark_2.12-3.3.0.jar", False),
        ("delta-storage-4.1.0.jar", True),
    ],
)
def test_the_name_of_a_jar_says_for_which_spark_it_is(jar, fits):
    assert (misfit(f"/j/a.jar,file:/j/{jar},/j/b.jar", "4.2.0", "2.13.18") is None) == fits


def test_the_jvm_maps_the_archive_of_classes(spark):
    jvm = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()
    assert ".jsa" in Path(f"/proc/{jvm}/maps").read_text(), "run 'make setup', which writes it"
