"""The session of a benchmark, its settings and its progress display."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession

from sparkperso.config import Settings, load_settings
from sparkperso.pipeline.progress import Progress, spark_activity
from sparkperso.pipeline.runner import logged_session
from sparkperso.platform.session import settled


@contextmanager
def benchmark_session(
    arguments: Mapping[str, Any],
) -> Iterator[tuple[SparkSession, Settings, Progress]]:
    """Gives what a benchmark works with; its log is where logging.folder says."""
    settings = load_settings(*(arguments[name] for name in ("env", "conf_dir", "assignments")))
    # There is no lake whose folder would have the log.
    folder, debug = settings.logging.folder, arguments["debug"]
    with logged_session(settings, "benchmark", folder, debug) as (spark, log):
        progress = Progress(1, activity=spark_activity(spark), is_json=log.is_json)
        with settled(spark, settings), progress.step(1, "benchmark"):
            yield spark, settings, progress
