"""Runs of jobs: how each ended, why what failed failed."""

from __future__ import annotations

from sparkperso.services.dashboard.page import Column, Filter, Option, Page, Query, Section, Table
from sparkperso.services.dashboard.pages.absent import shown_or_absent
from sparkperso.services.dashboard.plots.bars import Bar, bars
from sparkperso.services.dashboard.queries import runs as queries
from sparkperso.services.dashboard.queries.lake import AbsentTable, Row
from sparkperso.services.dashboard.render import duration
from sparkperso.services.dashboard.service import View

ALL = ""
ENDS = {ALL: "all", "done": "done", "gate": "a quality gate failed", "failed": "failed"}


def page(view: View, query: Query) -> Page:
    """Returns the page; `job` and `status` say which runs."""
    try:
        names = queries.jobs(view.lake)
    except AbsentTable:
        names = []
    job = query.choice("job", names, ALL)
    status = query.choice("status", list(ENDS), ALL)
    options = [Option(ALL, "all"), *(Option(name, name) for name in names)]
    return Page(
        "runs",
        "Runs",
        "Each finished run of a job, and why what failed failed.",
        [
            shown_or_absent("Failures", lambda: _failures(view, job)),
            shown_or_absent("Jobs", lambda: _jobs(view)),
            shown_or_absent("Runs", lambda: _runs(view, job, status)),
        ],
        [
            Filter("job", "Job", job, options),
            Filter("status", "Ended", status, [Option(*pair) for pair in ENDS.items()]),
        ],
    )


def _failures(view: View, job: str) -> Section:
    found = queries.runs(view.lake, job, ("failed", "gate"), 100)
    if not found:
        return Section("Failures", "No run failed.")
    columns = [
        Column("job", "Job"),
        Column("status", "Ended", "status"),
        Column("started_at", "Began", "time"),
        Column("error", "Why"),
        Column("run_id", "Run", "id"),
        Column("log_file", "Log"),
    ]
    rows = [[row[column.name] for column in columns] for row in found]
    return Section("Failures", table=Table("failures", "Runs that failed", columns, rows))


def _jobs(view: View) -> Section:
    found = queries.run_counts(view.lake)
    columns = [
        Column("job", "Job"),
        Column("n", "Runs", "integer"),
        Column("done", "Done", "integer"),
        Column("gate", "Gate failed", "integer"),
        Column("failed", "Failed", "integer"),
        Column("median_seconds", "Median time", "seconds"),
        Column("longest_seconds", "Longest", "seconds"),
    ]
    rows = [[row[column.name] for column in columns] for row in found]
    slowest = sorted(found, key=lambda row: -row["median_seconds"])[:12]
    plot = bars(
        "Median time of each job",
        [Bar(r["job"], r["median_seconds"], duration(r["median_seconds"])) for r in slowest],
    )
    return Section("Jobs", plot=plot, table=Table("jobs", "Runs by job", columns, rows))


def _runs(view: View, job: str, status: str) -> Section:
    statuses = (status,) if status else ()
    found = queries.runs(view.lake, job, statuses, view.settings.dashboard.max_export_rows)
    columns = [
        Column("job", "Job"),
        Column("status", "Ended", "status"),
        Column("started_at", "Began", "time"),
        Column("duration_seconds", "Took", "seconds"),
        Column("as_of", "As of", "time"),
        Column("summary", "Figures"),
        Column("run_id", "Run", "id"),
    ]
    rows = [
        [_summary(row) if c.name == "summary" else row[c.name] for c in columns] for row in found
    ]
    return Section("Runs", table=Table("runs", "Runs, the latest first", columns, rows))


def _summary(row: Row) -> str:
    """The figures of a run in one text, in the order of their names."""
    return "; ".join(f"{name}: {value}" for name, value in sorted((row["summary"] or {}).items()))
