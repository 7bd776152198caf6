"""What ran: rows of ops/runs."""

from __future__ import annotations

from collections.abc import Sequence

from sparkperso.services.dashboard.queries.lake import LakeTables, Row, literal

RUNS = "ops/runs"
COLUMNS = (
    *("run_id", "job", "status", "started_at", "finished_at", "duration_seconds", "as_of"),
    *("summary", "error", "log_file"),
)
STATUSES = ("done", "gate", "failed")


def latest_runs(lake: LakeTables) -> list[Row]:
    """Returns the last run of each job, the latest first; raises AbsentTable."""
    text = (
        "SELECT run_id, job, status, started_at, finished_at, duration_seconds FROM (SELECT *, "
        "row_number() OVER (PARTITION BY job ORDER BY started_at DESC, run_id) AS place FROM t) "
        "WHERE place = 1 ORDER BY started_at DESC, job"
    )
    return lake.rows(text, t=RUNS)


def runs(lake: LakeTables, job: str, statuses: Sequence[str], limit: int) -> list[Row]:
    """Returns runs, the latest first, of one job where it is not empty; raises AbsentTable."""
    conditions = [f"job = {literal(job)}"] if job else []
    if statuses:
        told = ", ".join(literal(status) for status in statuses)
        conditions.append(f"status IN ({told})")
    order = "started_at DESC, run_id"
    return lake.select(RUNS, COLUMNS, " AND ".join(conditions), order, limit)


def jobs(lake: LakeTables) -> list[str]:
    """Returns the names of jobs that ran; raises AbsentTable."""
    return [row["job"] for row in lake.rows("SELECT DISTINCT job FROM t ORDER BY job", t=RUNS)]


def run_counts(lake: LakeTables) -> list[Row]:
    """Returns for each job how often it ran and ended how, and its median and longest time."""
    text = (
        "SELECT job, count(*) AS n, count(*) FILTER (WHERE status = 'done') AS done, "
        "count(*) FILTER (WHERE status = 'gate') AS gate, "
        "count(*) FILTER (WHERE status = 'failed') AS failed, "
        "median(duration_seconds) AS median_seconds, max(duration_seconds) AS longest_seconds "
        "FROM t GROUP BY job ORDER BY job"
    )
    return lake.rows(text, t=RUNS)
