"""A session reads and gives times in UTC, wherever the process runs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

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
from sparkperso.config import load_settings
from sparkperso.core.errors import UsageError
from sparkperso.platform.session import build_session

settings = load_settings("cluster", assignments=["spark.master=local[1]"])
try:
    build_session(settings)
except UsageError as error:
    print(error)
"""


def test_a_session_without_deltas_jar_is_refused_by_its_name():
    """--env cluster leaves the jars to spark-submit; the settings name Delta's classes anyway."""
    answer = subprocess.run(
        [sys.executable, "-c", BARE], capture_output=True, text=True, check=True
    )
    assert "Spark needs the jar of Delta Lake" in answer.stdout
    assert "--packages io.delta:delta-spark_4.2_2.13:4.4.0" in answer.stdout


def test_the_jvm_maps_the_archive_of_classes(spark):
    jvm = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()
    assert ".jsa" in Path(f"/proc/{jvm}/maps").read_text(), "run 'make setup', which writes it"
