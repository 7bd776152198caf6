"""How many jobs Spark has started: a small run pays for their number."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession


def jobs_started(spark: SparkSession) -> int:
    """Returns how many jobs the session's Spark has started so far."""
    context: Any = spark.sparkContext
    return int(context._jsc.sc().dagScheduler().numTotalJobs())
