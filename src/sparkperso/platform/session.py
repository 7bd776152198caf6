"""The only place that builds a SparkSession."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.java_gateway import JavaPackage
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from sparkperso.config import Settings
from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.logs import CONTEXT_LOGGERS, ToRoot
from sparkperso.platform.class_archive import java_options
from sparkperso.platform.jars import DELTA_JAR, minor_of, resolve
from sparkperso.platform.java import require_java

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # delta-rs and other readers must be able to read every table.
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
}

PLUGINS = ("spark.sql.extensions", "spark.sql.catalog.spark_catalog")
"""Properties that a session has from its start, or never."""
DELTA_NAME = re.compile(r"(delta-spark_(?:(\d+\.\d+)_)?(\d+\.\d+)-\d[^/,]*\.jar)")
"""A jar of Delta's: its name, the minor versions of Spark (since Delta 4.1) and Scala."""
JAVA_OPTIONS = "spark.driver.extraJavaOptions"
TIME_ZONE = "spark.sql.session.timeZone"
RESULTS = ("spark.sql.ansi.enabled", "spark.sql.legacy.parquet.nanosAsLong")
"""Properties, beside the time zone, that decide what a job finds."""


def build_session(settings: Settings, debug: bool = False) -> SparkSession:
    """Returns the session that `settings.spark` describes, or the platform's where one runs.

    Unless `debug` is set, what the JVM prints goes to a log file in the temporary folder. The
    process is in UTC from then on, and PySpark's own lines go where all go. Raises UsageError when
    Java or the jars are missing, JobError when Spark does not start.
    """
    _set_zone("UTC")
    builder = SparkSession.builder.appName(settings.spark.app_name)
    for key, value in properties(settings).items():
        builder = builder.config(key, value)
    # Unless one is named, workers run this interpreter, not whatever `python3` on the PATH is.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if settings.spark.manage_jars and "PYSPARK_GATEWAY_PORT" not in os.environ:
        require_java()
    _collect_lines()
    with _jvm_output(debug):
        session = _start(builder, debug)
    session.sparkContext.setLogLevel("WARN" if debug else "ERROR")
    require_delta(session)
    return session


def _start(builder: SparkSession.Builder, debug: bool) -> SparkSession:
    try:
        return builder.getOrCreate()
    except PySparkException as error:
        if error.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        where = "above" if debug else f"at the end of {log_file()}"
        raise JobError(
            "Java should start Spark", f"It ended at once; what it said is {where}"
        ) from None


def _collect_lines() -> None:
    """Gives PySpark's own loggers the handlers of all in the place of standard error."""
    for name in CONTEXT_LOGGERS:
        # Assigned: `addHandler` of this class puts its own format into a handler.
        PySparkLogger.getLogger(name).handlers = [ToRoot()]


def require_delta(session: SparkSession) -> None:
    """Raises UsageError when a session has no Delta Lake, or one that does not fit its Spark.

    Spark itself only warns of a missing jar, and of a wrong one says what no user can read.
    Databricks has a Delta of its own.
    """
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        return
    context = session.sparkContext
    jvm: Any = context._jvm
    jars = context.getConf().get("spark.jars", "") or ""
    if found := misfit(jars, session.version, jvm.scala.util.Properties.versionNumberString()):
        raise UsageError(*found, DELTA_JAR)
    try:
        table = jvm.io.delta.tables.DeltaTable
    except Py4JError as error:  # found, but it needs other classes than this Spark has
        raise UsageError(
            f"Spark {session.version} needs the jar of Delta Lake that is built for it",
            f"One is on its class path, but cannot be loaded: {error}",
            DELTA_JAR,
        ) from None
    # py4j takes a name that it cannot load for a package, without an error.
    if isinstance(table, JavaPackage):
        raise UsageError(
            "Spark needs the jar of Delta Lake",
            "The session cannot load io.delta.tables.DeltaTable: no such jar is on its class path",
            DELTA_JAR,
        )
    absent = [name for name in PLUGINS if DELTA[name] not in (session.conf.get(name, "") or "")]
    if absent:
        raise UsageError(
            "A session has to be started with Delta's extension and catalog",
            f"In this one {' and '.join(absent)} lack them",
            "Start it with " + ", ".join(f"{name}={DELTA[name]}" for name in PLUGINS),
        )


def misfit(jars: str, spark: str, scala: str) -> tuple[str, str] | None:
    """Returns what was expected and found, where one of `jars` is a Delta for another Spark.

    Its name says for which Spark and Scala a jar is built; one of Delta 4.0 or older, which knew
    one Spark only, says Scala alone.

    >>> misfit("file:/j/io.delta_delta-spark_4.1_2.13-4.1.0.jar", "4.2.0", "2.13.18")[1]
    'Found delta-spark_4.1_2.13-4.1.0.jar, built for Spark 4.1 and Scala 2.13'
    """
    wanted = (minor_of(spark), minor_of(scala))
    for name, for_spark, for_scala in DELTA_NAME.findall(jars):
        if (for_spark, for_scala) != wanted:
            built_for = f"Spark {for_spark}" if for_spark else "an older Spark"
            return (
                f"Delta's jar should be built for Spark {wanted[0]} and Scala {wanted[1]}",
                f"Found {name}, built for {built_for} and Scala {for_scala}",
            )
    return None


@contextmanager
def settled(spark: SparkSession, settings: Settings) -> Iterator[None]:
    """Holds what results depend on inside the block, and gives it back as it was.

    The session of a notebook is somebody's own: it may be in another time zone, or answer an
    overflow with null. Session and process are in UTC inside the block, and the session has the
    properties RESULTS as they are configured.
    """
    configured = settings.spark.conf
    values = {name: _text(configured[name]) for name in RESULTS if name in configured}
    values |= {TIME_ZONE: "UTC"}
    former = {name: spark.conf.get(name, None) for name in values}
    zone = os.environ.get("TZ")
    _set_zone("UTC")
    try:
        for name, value in values.items():
            spark.conf.set(name, value)
        yield
    finally:
        _set_zone(zone)
        for name, before in former.items():
            if before is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, before)


def _set_zone(zone: str | None) -> None:
    """PySpark reads and gives naive times in the process's zone, whatever the session's is."""
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    time.tzset()


def properties(settings: Settings) -> dict[str, str]:
    """Returns the Spark properties that the settings amount to.

    Those of `spark.conf` go before Delta's, the named settings before both. Jars that are to be
    managed and are not there yet are fetched; raises JobError when they cannot be.
    """
    spark = settings.spark
    conf = {**DELTA, **{key: _text(value) for key, value in spark.conf.items()}}
    if spark.master:
        conf["spark.master"] = spark.master
    if spark.driver_memory:
        conf["spark.driver.memory"] = spark.driver_memory
    if spark.shuffle_partitions:
        conf["spark.sql.shuffle.partitions"] = str(spark.shuffle_partitions)
    if spark.manage_jars:
        conf["spark.jars"] = ",".join(str(jar) for jar in resolve())
        conf[JAVA_OPTIONS] = " ".join([conf.get(JAVA_OPTIONS, ""), *java_options()]).strip()
    return conf


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
