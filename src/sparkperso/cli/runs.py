"""`sparkperso runs`: what ran, how long it took, and why what failed failed; without Spark."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any

import click

from sparkperso.cli.options import with_settings
from sparkperso.config import Settings
from sparkperso.core.errors import UsageError
from sparkperso.core.suggest import did_you_mean
from sparkperso.core.terminal import visible
from sparkperso.core.times import iso
from sparkperso.pipeline.registry import JOBS
from sparkperso.platform.lake_reader import LakeReader

RUNS = "ops/runs"
MARKS = {"done": "✓", "gate": "!", "failed": "✗"}
"""Status of a run → its mark, as `run` shows it."""


@click.command("runs", help="Lists what ran, newest first, and why what failed failed; or one run.")
@click.argument("run_id", required=False)
@click.option("--job", metavar="NAME", help="Only runs of one command.")
@click.option("--failed", is_flag=True, help="Only runs that failed, or whose quality gate did.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@with_settings
def command(
    settings: Settings,
    *,
    run_id: str | None,
    job: str | None,
    failed: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Shows the newest runs that are asked for, or one run whole."""
    conditions = []
    if run_id is not None:
        text = run_id.replace("'", "''")
        conditions.append(f"starts_with(run_id, '{text}')")
    if job is not None:
        require_command(job)
        conditions.append(f"job = '{job}'")
    if failed:
        conditions.append("status <> 'done'")
    order = "started_at DESC, run_id"
    where = " AND ".join(conditions) or None
    rows = LakeReader(settings.lake).select(RUNS, where, limit, order)
    if run_id is not None:
        require_one(run_id, rows)
    for row in rows:
        if as_json:
            click.echo(json.dumps({**row, **_times(row)}, default=str, ensure_ascii=False))
        else:
            click.echo(visible(report_of(row) if run_id else line_of(row)))
    if not as_json and run_id is None:
        click.echo(f"{len(rows)} runs")


def require_command(job: str) -> None:
    """Raises UsageError for a command that leaves no row of its own."""
    steps = [name for name, entry in JOBS.items() if entry.is_step]
    if job in steps:
        return
    expected = f"--job names a command that leaves a run: {', '.join(steps)}"
    if job in JOBS:
        found = f"'{job}' leaves those of the steps that it carries out, and none of its own"
        if not JOBS[job].has_lake:
            found = f"'{job}' works without a lake, and leaves none"
        raise UsageError(expected, found, "Name a step, or leave --job out")
    hint = did_you_mean(job, steps, "Name one of them")
    raise UsageError(expected, f"There is no '{job}'", hint)


def require_one(run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raises UsageError unless an id, or its beginning, is that of one run."""
    if len(rows) != 1:
        found = f"'{run_id}' begins the ids of several" if rows else f"There is no '{run_id}'"
        raise UsageError(
            "RUN_ID is the id of a run, or its beginning", found, "'sparkperso runs' lists them"
        )


def line_of(row: Mapping[str, Any]) -> str:
    """Returns a run as a line: its mark, start (UTC), job, seconds, id.

    Below it stand its error, if any, and where its log is, on lines of their own, so that the
    columns stay.
    """
    mark = MARKS.get(row["status"], row["status"])
    line = f"{mark} {iso(row['started_at'])[:19]}Z  {row['job']:<22} "
    line += f"{row['duration_seconds']:8.1f} s  {row['run_id']}"
    if not row["error"]:
        return line
    # A table of an older version has no such column yet.
    log = row.get("log_file")
    return "\n".join([line, indent(row["error"], "    "), *([f"    log: {log}"] if log else [])])


def report_of(row: Mapping[str, Any]) -> str:
    """Returns all that is kept of a run, a line for each figure and field."""
    fields = {**row, **_times(row), "duration_seconds": f"{row['duration_seconds']:.1f}"}
    summary = fields.pop("summary") or {}
    lines = {name: value for name, value in fields.items() if value is not None}
    lines |= {f"  {name}": value for name, value in summary.items()}
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines.items())


def _times(row: Mapping[str, Any]) -> dict[str, str | None]:
    names = ("started_at", "finished_at", "as_of")
    return {name: iso(row[name]) if row[name] else None for name in names}
