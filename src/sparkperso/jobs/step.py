"""A job as a step of a pipeline: carried out, timed, and recorded in ops/runs and ops/lineage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pyspark.sql import functions as F

from sparkperso.config import Settings, config_hash
from sparkperso.errors import QualityGateError
from sparkperso.jobs.context import Job, Summary
from sparkperso.schemas import TABLES
from sparkperso.tables import TableWriter


@dataclass(frozen=True)
class Step:
    """One job: its command, the tables that it reads and writes, and the function that does it."""

    name: str
    action: Callable[[Job], Summary]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    conf: tuple[str, ...] = ()
    """Folders of conf/ whose files count beside the settings."""
    check: Callable[[Settings], object] | None = None
    """Raises ConfigError for settings that the step cannot work with: before any work."""


@dataclass(frozen=True)
class Outcome:
    """What came of a step."""

    status: str
    seconds: float
    summary: Summary
    error: Exception | None = None


def carry_out(step: Step, job: Job) -> Outcome:
    """Runs the step and records it; a failure is recorded, then raised again.

    A run with the option `dry_run` leaves no record. Raises ConfigError, before any work, for
    settings that the step cannot work with.
    """
    if step.check:
        step.check(job.settings)
    fingerprint = fingerprint_of(step, job)
    started = datetime.now(timezone.utc)
    status = "done"
    summary: Summary = {}
    error: Exception | None = None
    try:
        summary = dict(step.action(job))
    except QualityGateError as gate:
        status, error = "gate", gate
        raise
    except Exception as failure:
        status, error = "failed", failure
        raise
    finally:
        seconds = (datetime.now(timezone.utc) - started).total_seconds()
        outcome = Outcome(status, seconds, summary, error)
        if not job.options.get("dry_run"):
            _record(step, job, outcome, fingerprint, started)
    return outcome


def fingerprint_of(step: Step, job: Job) -> str:
    """Returns a hash of all that the step's result depends on: configuration and input versions."""
    options = {key: str(value) for key, value in sorted(job.options.items())}
    versions = {table: job.lake.ref(table).version() for table in step.inputs}
    parts = [step.name, config_hash(job.settings), options, versions, str(job.requested_as_of)]
    parts += [path.read_text() for name in step.conf for path in _yaml_files(job.conf_dir / name)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml"))


def is_up_to_date(step: Step, job: Job) -> bool:
    """Says whether the step's last run was done with the same inputs and configuration."""
    if not step.inputs or not all(job.lake.ref(table).exists() for table in step.outputs):
        return False
    runs = job.lake.ref("ops/runs").read().where(F.col("job") == step.name)
    last = runs.orderBy(F.desc("started_at"), "run_id").select("status", "fingerprint").first()
    return last is not None and tuple(last) == ("done", fingerprint_of(step, job))


def _record(step: Step, job: Job, outcome: Outcome, fingerprint: str, started: datetime) -> None:
    row = {
        "run_id": job.run_id,
        "job": step.name,
        "status": outcome.status,
        "started_at": started,
        "finished_at": datetime.now(timezone.utc),
        "duration_seconds": outcome.seconds,
        "as_of": job.__dict__.get("as_of"),
        "fingerprint": fingerprint,
        "config_hash": config_hash(job.settings),
        "summary": {key: str(value) for key, value in outcome.summary.items()},
        "error": str(outcome.error) if outcome.error else None,
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
        if not t.startswith("ops/runs")
    ]
    if lineage:
        _append(job, "ops/lineage", lineage)


def _append(job: Job, table: str, rows: list[dict[str, Any]]) -> None:
    columns = TABLES[table].column_names
    frame = job.spark.createDataFrame(
        [tuple(row[name] for name in columns) for row in rows], TABLES[table].struct()
    )
    TableWriter(job.lake.ref(table)).append(frame.coalesce(1))
