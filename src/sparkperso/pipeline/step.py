"""A job as a step of a pipeline: carried out, timed, and recorded in ops/runs and ops/lineage."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import functions as F

from sparkperso.config import Settings, config_hash
from sparkperso.config.layers import conf_files
from sparkperso.config.platform import SparkConfig
from sparkperso.config.recommend.own_models import versions_of_own_models
from sparkperso.core.causes import cause_of, message_of
from sparkperso.core.errors import JobError, QualityGateError
from sparkperso.core.hashing import short_hash
from sparkperso.pipeline.code import code_version
from sparkperso.pipeline.job import Job, Summary
from sparkperso.platform.frames import Keeper
from sparkperso.platform.lake import TableWriter
from sparkperso.platform.literals import aware
from sparkperso.platform.session import RESULTS, settled
from sparkperso.schemas import TABLES

WHERE_SETTINGS = ("env", "lake", "logging", "spark")
"""Parts of the settings that say where tables and logs are and how Spark starts, not what is in
tables."""
SERVICE_SETTINGS = (
    "collect",
    "dashboard",
    "links",
    "monitoring",
    "publish",
    "refresh",
    "simulation",
    "store",
)
"""Parts that only services, links, publishing, monitoring and refresh read: they change no table
that a fingerprint stands for."""

RUN_TABLES = ("ops/runs", "ops/lineage")
"""What every step reads and writes about itself: no lineage of its data."""


@dataclass(frozen=True)
class Step:
    """One job: its command, the tables that it reads and writes, and the function that does it.

    Inputs are what its fingerprint depends on; a step without any is never left out by `run`.
    """

    name: str
    action: Callable[[Job], Summary]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    conf: tuple[str, ...] = ()
    """Folders of conf/ whose files count beside the settings."""
    check: Callable[[Settings], object] | None = None
    """Raises ConfigError for settings that the step cannot work with: before any work."""
    side_options: tuple[str, ...] = ()
    """Options that change nothing in the tables: what is drawn, or let through."""


@dataclass(frozen=True)
class Outcome:
    """What came of a step: its status (done, gate, failed, up to date), seconds and figures."""

    status: str
    seconds: float
    summary: Summary
    error: BaseException | None = None


def carry_out(step: Step, job: Job) -> Outcome:
    """Runs the step and records it; a failure is recorded, then raised again.

    What it keeps in memory is let go of at its end. A run with the option `dry_run` leaves no
    record. Raises ConfigError, before any work, for settings that the step cannot work with, and
    whatever the step raises.
    """
    if step.check:
        step.check(job.settings)
    with settled(job.spark, job.settings):
        return _carry_out(step, job)


def _carry_out(step: Step, job: Job) -> Outcome:
    job.log.begin(job.run_id)
    fingerprint = fingerprint_of(step, job)
    started = datetime.now(timezone.utc)
    status = "done"
    summary: Summary = {}
    error: BaseException | None = None
    try:
        with Keeper():
            summary = dict(step.action(job))
    except QualityGateError as gate:
        status, error = "gate", gate
        raise
    except BaseException as failure:
        # An interrupt too: what was broken off is not done, and is to be done again.
        status, error = "failed", failure
        raise
    finally:
        seconds = (datetime.now(timezone.utc) - started).total_seconds()
        outcome = Outcome(status, seconds, summary, error)
        if not job.options.get("dry_run"):
            _keep_record(step, job, outcome, fingerprint, started)
    return outcome


def fingerprint_of(step: Step, job: Job) -> str:
    """Returns 16 hexadecimal digits, a hash of all that the step's result depends on.

    That is the code, the versions of other packages' models, the configuration, the versions of the
    input tables, as-of, and the options that were given. Where the lake is, how Spark is started
    and how the collector works is no part of it.
    """
    versions = {table: job.lake.ref(table).version() for table in step.inputs}
    parts = [step.name, code_version(), _settings_hash(job), _options(step, job), versions]
    parts += [str(_as_of(step, job)), versions_of_own_models()]
    files = [path for kind in step.conf for path in conf_files(kind, job.conf_dir).values()]
    parts += [(path.name, path.read_text(encoding="utf-8")) for path in files]
    return short_hash(json.dumps(parts, sort_keys=True))


def _settings_hash(job: Job) -> str:
    settings = job.settings
    names = [
        name
        for name in type(settings).model_fields
        if name not in WHERE_SETTINGS + SERVICE_SETTINGS
    ]
    sections = [getattr(settings, name) for name in names]
    properties = {n: value for n, value in settings.spark.conf.items() if n in RESULTS}
    return config_hash(*sections, SparkConfig(conf=properties))


def _options(step: Step, job: Job) -> dict[str, str]:
    """The options that are set: those of `run` and of the step's own command are the same."""
    counted = {name: value for name, value in job.options.items() if name not in step.side_options}
    unset = ("None", "False", "()")  # as text: 0 equals False, and is set
    return {n: str(value) for n, value in sorted(counted.items()) if str(value) not in unset}


def _as_of(step: Step, job: Job) -> datetime | None:
    """The time that a step with inputs looks back from; without inputs only one that was named."""
    if not step.inputs:
        return job.requested_as_of
    try:
        return job.as_of
    except JobError:
        return None


def is_up_to_date(step: Step, job: Job) -> bool:
    """Says whether the step's last run had the same fingerprint, and its tables are there.

    A step without inputs never is: what it reads from outside may have changed.
    """
    if not step.inputs or not all(job.lake.ref(table).exists() for table in step.outputs):
        return False
    runs = job.lake.ref("ops/runs").read().where(F.col("job") == step.name)
    last = runs.orderBy(F.desc("started_at"), "run_id").select("status", "fingerprint").first()
    return last is not None and tuple(last) == ("done", fingerprint_of(step, job))


def _keep_record(
    step: Step, job: Job, outcome: Outcome, fingerprint: str, started: datetime
) -> None:
    try:
        _record(step, job, outcome, fingerprint, started)
    except Exception as error:
        if outcome.error is None:
            raise
        # What went wrong first is what the user is to see: Spark may be gone with it.
        job.say(f"{RUN_TABLES[0]} could not be written: {cause_of(error)}")


def _record(step: Step, job: Job, outcome: Outcome, fingerprint: str, started: datetime) -> None:
    row = {
        "run_id": job.run_id,
        "job": step.name,
        "status": outcome.status,
        "started_at": started,
        "finished_at": datetime.now(timezone.utc),
        "duration_seconds": outcome.seconds,
        "as_of": aware(job.as_of) if "as_of" in job.__dict__ else None,
        "fingerprint": fingerprint,
        "config_hash": config_hash(job.settings),
        "summary": {key: str(value) for key, value in outcome.summary.items()},
        "error": outcome.error and message_of(outcome.error),
        "log_file": job.log.file and str(job.log.file),
    }
    _append(job, "ops/runs", [row])
    edges = [("input", t, v) for t, v in job.lake.inputs.items()]
    edges += [("output", t, job.lake.ref(t).version()) for t in job.lake.outputs]
    lineage = [
        {
            "run_id": job.run_id,
            "job": step.name,
            "direction": d,
            "table_name": t,
            "delta_version": v,
        }
        for d, t, v in edges
        if t not in RUN_TABLES
    ]
    if lineage:
        _append(job, "ops/lineage", lineage)


def _append(job: Job, table: str, rows: list[dict[str, Any]]) -> None:
    columns = TABLES[table].column_names
    # No writer of the job's: what a job notes about itself is no output of its.
    TableWriter(job.lake.ref(table)).append_rows(tuple(row[n] for n in columns) for row in rows)
