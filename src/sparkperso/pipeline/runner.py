"""Carries out a step as a command line asks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyspark.sql import SparkSession

from sparkperso import __version__
from sparkperso.config import Settings, load_settings
from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.logs import LOG, RunLog, open_log
from sparkperso.core.places import local_path
from sparkperso.core.processes import interrupted_by_sigterm
from sparkperso.core.times import now, read_time
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.progress import Progress, say_in, spark_activity
from sparkperso.pipeline.step import Step, carry_out
from sparkperso.platform.session import build_session
from sparkperso.platform.spark_log import spark_lines


def run_step(step: Step, arguments: dict[str, Any]) -> None:
    """Carries out a step as its command line asks, shows how far it is, and prints its figures.

    `arguments` are the command's options by name. Raises what `carry_out` does, and UsageError or
    ConfigError for options and settings that do not fit.
    """
    with open_job(step.name, arguments) as job:
        if is_endless(job):  # a stream says itself what each micro-batch brought
            job.say(describe(step.name, carry_out(step, job).summary))
            return
        progress = Progress(1, activity=spark_activity(job.spark), is_json=job.log.is_json)
        job.say, job.count = progress.say, progress.count
        with progress.step(1, step.name):
            outcome = carry_out(step, job)
        progress.say(describe(step.name, outcome.summary))


def is_endless(job: Job) -> bool:
    """Says whether a job follows a stream until it is stopped."""
    follows = job.name == "stream-segments" or bool(job.options.get("stream"))
    return follows and not job.options.get("available_now")


@contextmanager
def open_job(name: str, arguments: dict[str, Any]) -> Iterator[Job]:
    """Gives the job that the command line asks for, with a running Spark and an open log.

    The options that all commands share are taken out of `arguments`; the others are the job's own.
    SIGTERM ends it as Ctrl-C does, so that ops/runs and the log say what became of it.
    Raises UsageError, ConfigError, and JobError for a lake or a log that cannot be written.
    """
    env, conf_dir = arguments.pop("env"), arguments.pop("conf_dir")
    assignments, lake = arguments.pop("assignments"), arguments.pop("lake")
    as_of, debug = parse_as_of(arguments.pop("as_of")), arguments.pop("debug")
    settings = load_settings(env, conf_dir, assignments, lake)
    require_writable(settings)
    with (
        interrupted_by_sigterm(),
        logged_session(settings, name, settings.log_folder, debug) as (spark, log),
    ):
        job = Job(name, settings, spark, arguments, conf_dir, as_of, run_id=log.run_id, log=log)
        job.say = say_in(log)
        yield job


@contextmanager
def logged_session(
    settings: Settings, name: str, folder: str | None, debug: bool
) -> Iterator[tuple[SparkSession, RunLog]]:
    """Opens the log of a command, in a folder if there is one, and Spark in it.

    The file is called by its start in UTC, the command and the first digits of the run's id.
    Raises JobError for a folder that cannot be written.
    """
    run_id, file = uuid4().hex, None
    if folder:
        _require_writable(folder, "The folder of log files", "logging.folder")
        file = Path(folder).resolve() / f"{now():%Y%m%dT%H%M%SZ}-{name}-{run_id[:8]}.log"
    with open_log(file, settings.logging.format == "json", debug) as log:
        log.begin(run_id)
        LOG.info("%s of sparkperso %s", name, __version__)
        spark = build_session(settings, debug)
        with spark_lines(spark, log, debug):
            yield spark, log


def parse_as_of(text: str | None) -> datetime | None:
    """Returns a time of docs/times.md as naive UTC; without offset it is UTC. Raises UsageError.

    >>> parse_as_of("2026-03-01T12:00:00+01:00")
    datetime.datetime(2026, 3, 1, 11, 0)
    """
    if text is None:
        return None
    try:
        return read_time(text, timezone.utc).replace(tzinfo=None)
    except ValueError as error:
        raise UsageError(
            "--as-of takes an ISO 8601 time", f"Found '{text}': {error}", "See docs/times.md"
        ) from None


def require_writable(settings: Settings) -> None:
    """Raises JobError when the lake is a local folder that cannot be written.

    Raises UsageError when a cluster's machines would each look for it in a folder of their own.
    """
    root = local_path(settings.lake.root)
    if settings.lake.catalog or root is None:
        return
    settings.require_shared_lake()
    _require_writable(root, "The lake's folder", "--lake")


def _require_writable(folder: str, words: str, option: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".write-test-"):
            pass
    except OSError as error:
        raise JobError(
            f"{words} should be writable",
            f"{os.path.abspath(folder)}: {error.strerror}",
            f"Choose another with {option}, or fix what is named",
        ) from None


def describe(name: str, summary: Summary) -> str:
    """Returns a job's closing line: its figures in the order that it gave them."""
    return f"{name}: {figures(summary) or 'done'}"


def figures(summary: Summary) -> str:
    """Returns the figures of a summary as text, in the order that the job gave them.

    >>> figures({"users": 1200, "loss": 0.123456, "champion": True})
    'users 1,200, loss 0.1235, champion yes'
    """
    return ", ".join(f"{key} {_figure(value)}" for key, value in summary.items())


def _figure(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
