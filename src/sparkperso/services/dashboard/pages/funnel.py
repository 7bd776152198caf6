"""The funnel: who did one thing, and then the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkperso.config.dashboard import MOST_STEPS
from sparkperso.services.dashboard.page import (
    FEW,
    Column,
    Few,
    Filter,
    Option,
    Page,
    Query,
    Section,
    Table,
    share,
    shown_few,
)
from sparkperso.services.dashboard.pages.absent import how_to_make
from sparkperso.services.dashboard.pages.filters import chosen, days_of, or_all
from sparkperso.services.dashboard.plots.bars import Bar, bars
from sparkperso.services.dashboard.queries.events import (
    EVENTS,
    Window,
    channels,
    event_types,
    events_by_type,
    window_of,
)
from sparkperso.services.dashboard.queries.funnel import UNITS, funnel
from sparkperso.services.dashboard.queries.lake import literal
from sparkperso.services.dashboard.service import View

LEAD = "Who did one thing, and then the next; and how many did what at all."


def page(view: View, query: Query) -> Page:
    """Returns the page; `unit`, `days`, `channel` and `step1` to `step6` say what is counted."""
    if not view.lake.has(EVENTS):
        return Page("funnel", "Funnel", LEAD, [Section("Steps", absent=how_to_make(EVENTS))])
    types = event_types(view.lake)
    days, of_days = days_of(view, query)
    unit, of_unit = chosen(query, "unit", "Count", list(UNITS))
    channel, of_channel = or_all(query, "channel", "Channel", channels(view.lake))
    steps = _steps(view, query, types)
    filters = [of_unit, of_days, of_channel, *_step_filters(steps, types)]
    window = window_of(view.lake, days, view.settings.dashboard.max_events)
    if window is None:
        return Page("funnel", "Funnel", LEAD, [Section("Steps", "There is no event yet.")], filters)
    where = f"channel = {literal(channel)}" if channel else ""
    sections = [_funnel(view, window, unit, steps, where), _types(view, window, where)]
    return Page("funnel", "Funnel", LEAD, sections, filters)


def _steps(view: View, query: Query, types: Sequence[str]) -> list[str]:
    """The steps that are asked for; else those of the configuration that anybody did."""
    asked = [query.choice(f"step{place}", types, "") for place in range(1, MOST_STEPS + 1)]
    steps = [step for step in asked if step]
    usual = [step for step in view.settings.dashboard.funnel_steps if step in types]
    return steps or usual or list(types[:3])


def _step_filters(steps: Sequence[str], types: Sequence[str]) -> list[Filter]:
    options = [Option("", "–"), *(Option(kind, kind) for kind in types)]
    padded = [*steps, *("" for _ in range(MOST_STEPS - len(steps)))]
    return [
        Filter(f"step{place}", f"Step {place}", step, options)
        for place, step in enumerate(padded, start=1)
    ]


def _funnel(view: View, window: Window, unit: str, steps: Sequence[str], where: str) -> Section:
    counts = funnel(view.lake, window, unit, steps, where)
    shown: list[Any] = [
        FEW if _is_few(view, one.people) else shown_few(one.units, view.least) for one in counts
    ]
    rows = [
        (place + 1, step, count, share(count, shown[0]), share(count, shown[max(place - 1, 0)]))
        for place, (step, count) in enumerate(zip(steps, shown, strict=True))
    ]
    columns = [
        Column("step", "Step", "integer"),
        Column("event_type", "Event"),
        Column("units", unit.capitalize(), "integer"),
        Column("of_first", "Of the first", "percent"),
        Column("of_previous", "Of the one before", "percent"),
    ]
    plot = bars(
        f"{unit.capitalize()} per step",
        [
            Bar(f"{number}. {step}", count, _told(count, part))
            for number, step, count, part, _ in rows
            if not isinstance(count, Few)
        ],
    )
    table = Table("steps", f"{unit.capitalize()} that reached each step", columns, rows)
    text = (
        f"{unit.capitalize()} that did each step not before the one above it, from {window.first} "
        f"to {window.last} ({window.n_days} days)."
    )
    return Section("Steps", text, plot=plot, table=table, notes=_notes(view, window))


def _is_few(view: View, people: int) -> bool:
    return isinstance(shown_few(people, view.least), Few)


def _told(count: int, part: Any) -> str:
    return f"{count:,} · {part:.1%}" if isinstance(part, float) else f"{count:,}"


def _notes(view: View, window: Window) -> list[str]:
    if not window.is_cut:
        return []
    most = view.settings.dashboard.max_events
    return [f"More days hold over {most:,} events (dashboard.max_events): the latest are counted."]


def _types(view: View, window: Window, where: str) -> Section:
    columns = [
        Column("event_type", "Event"),
        Column("events", "Events", "integer"),
        Column("users", "With a name", "integer"),
        Column("visitors", "People", "integer"),
        Column("sessions", "Sessions", "integer"),
    ]
    rows = [
        (
            row["event_type"],
            FEW if _is_few(view, row["visitors"]) else row["n"],
            *(shown_few(row[name], view.least) for name in ("users", "visitors")),
            FEW if _is_few(view, row["visitors"]) else row["sessions"],
        )
        for row in events_by_type(view.lake, window, where)
    ]
    text = "Different people and sessions. Sessions are those that came as such with the events."
    table = Table("types", "Events by type", columns, rows)
    return Section("Events by type", text, table=table)
