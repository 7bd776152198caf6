"""Spark's own log lines, of the JVM, in the file of a command's log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession

from sparkperso.core.causes import cause_of
from sparkperso.core.logs import LOG, RunLog

APPENDER = "sparkperso"
RUN_ID = "sparkperso.run_id"
"""The JVM's system property that every line shows."""
TIME = "%d{yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'}{UTC}"
TEXT = f"{TIME} %-7level{{WARN=WARNING}} ${{sys:{RUN_ID}}} %c: %m%n%throwable"
JSON = (
    f'{{"time": "{TIME}", "level": "%level{{WARN=warning, ERROR=error, FATAL=critical}}", '
    f'"logger": "%c", "message": "%enc{{%m}}{{JSON}}", "run_id": "${{sys:{RUN_ID}}}", '
    '"exception": "%enc{%throwable}{JSON}"}%n'
)
"""As `core.logs` writes its lines, in log4j's words."""


@contextmanager
def spark_lines(spark: SparkSession, log: RunLog, debug: bool = False) -> Iterator[None]:
    """Lets warnings and errors of the JVM go into the log's file inside the block.

    Where they went before, there are errors alone meanwhile, unless `debug` is set.
    """
    if log.file is None:
        yield
        return
    appender = None
    try:
        appender = _Appender(spark, log, debug)
    except Exception as error:  # another logging library: no reason for a job to fail
        LOG.info("Spark's own lines are not in this file: %s", cause_of(error))
    try:
        yield
    finally:
        if appender:
            appender.remove()


class _Appender:
    """A file appender of log4j at the root of the JVM's loggers."""

    def __init__(self, spark: SparkSession, log: RunLog, debug: bool) -> None:
        jvm: Any = spark.sparkContext._jvm
        self._log4j = jvm.org.apache.logging.log4j
        self._context = self._log4j.LogManager.getContext(False)
        configuration = self._context.getConfiguration()
        self._root = configuration.getRootLogger()
        self._level = self._root.getLevel()
        self._others = [] if debug else list(self._root.getAppenders().values())
        self._system = jvm.java.lang.System
        self._show(log.run_id)
        core = self._log4j.core
        layout = core.layout.PatternLayout.newBuilder().withConfiguration(configuration)
        layout = layout.withPattern(JSON if log.is_json else TEXT)
        layout = layout.withAlwaysWriteExceptions(False)
        builder = core.appender.FileAppender.newBuilder().withFileName(str(log.file))
        builder = builder.setName(APPENDER).setLayout(layout.build())
        self._own = builder.setConfiguration(configuration).build()
        self._own.start()
        self._put(self._others, self._log4j.Level.ERROR)
        self._root.addAppender(self._own, None, None)
        self._root.setLevel(self._log4j.Level.WARN)
        self._context.updateLoggers()
        log.followers.append(self._show)

    def remove(self) -> None:
        """Leaves the JVM's loggers as they were; Spark may have ended before."""
        try:
            self._root.removeAppender(APPENDER)
            self._put(self._others, None)
            self._root.setLevel(self._level)
            self._context.updateLoggers()
            self._own.stop()
        except Exception as error:
            LOG.info("Spark ended before its log was closed: %s", cause_of(error))

    def _show(self, run_id: str) -> None:
        self._system.setProperty(RUN_ID, run_id)

    def _put(self, appenders: list[Any], level: Any) -> None:
        """Lets appenders take what is at a level or above; None: everything."""
        for appender in appenders:
            self._root.removeAppender(appender.getName())
            self._root.addAppender(appender, level, None)
