"""The only place that builds a SparkSession."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

from sparkperso.config import Settings
from sparkperso.jars import require_jars
from sparkperso.java import require_java

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # delta-rs and other readers must be able to read every table.
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
}


def build_session(settings: Settings, debug: bool = False) -> SparkSession:
    """Returns the session that `settings.spark` describes, or the platform's where one runs.

    Unless `debug` is set, what the JVM prints goes to a log file in the temporary folder.
    Raises UsageError when Java or the jars are missing.
    """
    _use_utc()
    builder = SparkSession.builder.appName(settings.spark.app_name)
    for key, value in properties(settings).items():
        builder = builder.config(key, value)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if settings.spark.manage_jars and "PYSPARK_GATEWAY_PORT" not in os.environ:
        require_java()
    with _jvm_output(debug):
        session = builder.getOrCreate()
    session.sparkContext.setLogLevel("WARN" if debug else "ERROR")
    return session


def _use_utc() -> None:
    """PySpark reads and gives naive times in the process's zone, whatever the session's is."""
    os.environ["TZ"] = "UTC"
    time.tzset()


def properties(settings: Settings) -> dict[str, str]:
    """Returns the Spark properties that the settings amount to."""
    spark = settings.spark
    found = {**DELTA, **{key: _text(value) for key, value in spark.conf.items()}}
    if spark.master:
        found["spark.master"] = spark.master
    if spark.driver_memory:
        found["spark.driver.memory"] = spark.driver_memory
    if spark.shuffle_partitions:
        found["spark.sql.shuffle.partitions"] = str(spark.shuffle_partitions)
    if spark.manage_jars:
        found["spark.jars"] = ",".join(str(jar) for jar in require_jars())
    return found


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def log_file() -> Path:
    """Returns where this user's JVM output goes when it is not shown."""
    return Path(tempfile.gettempdir()) / f"sparkperso-spark-{os.getuid()}.log"


@contextmanager
def _jvm_output(debug: bool) -> Iterator[None]:
    """Lets a JVM that starts inside the block inherit a log file as its standard error."""
    if debug:
        yield
        return
    sys.stderr.flush()
    ours = os.dup(2)
    with log_file().open("a") as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(ours, 2)
            os.close(ours)
