"""The first page: key figures, what ran last, alerts, events by day."""

from __future__ import annotations

from datetime import timedelta

from sparkperso.services.dashboard.page import Column, Figure, Page, Query, Section, Table
from sparkperso.services.dashboard.pages.absent import shown_or_absent
from sparkperso.services.dashboard.plots.lines import lines
from sparkperso.services.dashboard.queries.events import EVENTS, events_by_day
from sparkperso.services.dashboard.queries.freshness import model_ages
from sparkperso.services.dashboard.queries.lake import AbsentTable
from sparkperso.services.dashboard.queries.runs import latest_runs
from sparkperso.services.dashboard.service import View

COUNTED = (
    ("Users with features", "gold/user_features"),
    ("Segments", "gold/segment_profiles"),
    ("Items", "silver/items"),
    ("Places in lists", "gold/recommendations"),
)

ALERTS = "ops/alerts"
ALERT_COLUMNS = [
    Column("subject", "About"),
    Column("check", "Check"),
    Column("severity", "Severity", "status"),
    Column("status", "Status", "status"),
    Column("message", "What was found"),
    Column("to_do", "What to do"),
    Column("first_seen", "First seen", "time"),
    Column("last_seen", "Last seen", "time"),
]
MOST_ALERTS = 100


def page(view: View, _: Query) -> Page:
    """Returns the page."""
    return Page(
        "overview",
        "Overview",
        "What there is, what ran last, and what needs a look.",
        [
            _figures(view),
            shown_or_absent("Alerts", lambda: _alerts(view)),
            shown_or_absent("What ran last", lambda: _runs(view)),
            shown_or_absent("Events by day", lambda: _events(view)),
        ],
    )


def _figures(view: View) -> Section:
    figures = []
    if view.lake.has(EVENTS):
        days = events_by_day(view.lake)
        figures.append(
            Figure("Events", sum(n for _, n in days), detail=f"up to {days[-1][0]}" if days else "")
        )
    for label, table in COUNTED:
        figures.append(Figure(label, _count(view, table)))
    models = [model for model in model_ages(view.lake) if "champion" in model.aliases]
    for model in models:
        figures.append(Figure("Champion", f"version {model.version}", "text", model.name))
    return Section("Key figures", figures=figures)


def _count(view: View, table: str) -> int | None:
    try:
        return view.lake.count(table)
    except AbsentTable:
        return None


def _alerts(view: View) -> Section:
    """Those that are open before those that are over, critical ones first."""
    names = [column.name for column in ALERT_COLUMNS]
    order = "status = 'open' DESC, severity = 'critical' DESC, last_seen DESC, alert_id"
    found = view.lake.select(ALERTS, names, order=order, limit=MOST_ALERTS)
    if not found:
        return Section("Alerts", "Nothing was ever out of the ordinary.")
    n_open = sum(1 for row in found if row["status"] == "open")
    rows = [[row[name] for name in names] for row in found]
    table = Table("alerts", "Alerts, the open ones first", ALERT_COLUMNS, rows)
    return Section("Alerts", f"{n_open} open." if n_open else "None is open.", table=table)


def _runs(view: View) -> Section:
    rows = [
        (row["job"], row["status"], row["started_at"], row["duration_seconds"])
        for row in latest_runs(view.lake)
    ]
    columns = [
        Column("job", "Job"),
        Column("status", "Ended", "status"),
        Column("started_at", "Began", "time"),
        Column("duration_seconds", "Took", "seconds"),
    ]
    return Section("What ran last", table=Table("runs", "The last run of each job", columns, rows))


def _events(view: View) -> Section:
    days = events_by_day(view.lake)
    if not days:
        return Section("Events by day", "There is no event yet.")
    last = days[-1][0]
    first = last - timedelta(days=view.settings.dashboard.window_days - 1)
    counted = dict(days)
    shown = [
        (day, counted.get(day, 0))
        for day in (first + timedelta(days=n) for n in range((last - first).days + 1))
    ]
    plot = lines("Events by day", {"events": shown}, "{:,.0f}".format)
    columns = [Column("day", "Day", "date"), Column("events", "Events", "integer")]
    table = Table("events", "Events by day, the latest first", columns, shown[::-1])
    text = f"The {len(shown)} days up to the latest event."
    return Section("Events by day", text, plot=plot, table=table)
