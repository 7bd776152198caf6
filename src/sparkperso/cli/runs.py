"""`sparkperso runs`: what ran, how long it took, and why what failed failed; without Spark."""

from __future__ import annotations

import json
from textwrap import indent
from typing import Any

import click

from sparkperso.cli.options import with_settings
from sparkperso.config import Settings
from sparkperso.core.errors import UsageError
from sparkperso.core.suggest import did_you_mean
from sparkperso.core.terminal import visible
from sparkperso.core.times import iso
from sparkperso.platform.lake_reader import LakeReader

RUNS = "ops/runs"
MARKS = {"done": "✓", "gate": "!", "failed": "✗"}
"""Status of a run → its mark, as `run` shows it."""


@click.command("runs", help="Lists what ran, newest first, and why what failed failed.")
@click.option("--job", metavar="NAME", help="Only runs of one command.")
@click.option("--failed", is_flag=True, help="Only runs that failed, or whose quality gate did.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@with_settings
def command(
    settings: Settings, *, job: str | None, failed: bool, limit: int, as_json: bool
) -> None:
    """Shows the newest runs that are asked for."""
    conditions = []
    if job is not None:
        require_command(job)
        conditions.append(f"job = '{job}'")
    if failed:
        conditions.append("status <> 'done'")
    order = "started_at DESC, run_id"
    where = " AND ".join(conditions) or None
    rows = LakeReader(settings.lake).select(RUNS, where, limit, order)
    for row in rows:
        if as_json:
            click.echo(json.dumps({**row, **_times(row)}, default=str, ensure_ascii=False))
        else:
            click.echo(visible(line_of(row)))
    if not as_json:
        click.echo(f"{len(rows)} runs")


def require_command(job: str) -> None:
    """Raises UsageError for a job that no command carries out."""
    from sparkperso.cli.job_commands import JOB_COMMANDS

    if job not in JOB_COMMANDS:
        names = ", ".join(JOB_COMMANDS)
        hint = did_you_mean(job, JOB_COMMANDS, "Name one of them")
        raise UsageError(f"--job names a command: {names}", f"There is no '{job}'", hint)


def line_of(row: dict[str, Any]) -> str:
    """Returns a run as a line: its mark, start (UTC), job, seconds, id; then its error, if any.

    The error follows on a line of its own, so that the columns stay.
    """
    mark = MARKS.get(row["status"], row["status"])
    columns = f"{mark} {iso(row['started_at'])[:19]}Z  {row['job']:<22} "
    columns += f"{row['duration_seconds']:8.1f} s  {row['run_id']}"
    return f"{columns}\n{indent(row['error'], ' ' * 4)}" if row["error"] else columns


def _times(row: dict[str, Any]) -> dict[str, str | None]:
    names = ("started_at", "finished_at", "as_of")
    return {name: iso(row[name]) if row[name] else None for name in names}
