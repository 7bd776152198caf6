"""KPIs by day, of everybody or told apart."""

from __future__ import annotations

from datetime import date

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
from sparkperso.services.dashboard.pages.filters import chosen, days_of
from sparkperso.services.dashboard.plots.lines import lines
from sparkperso.services.dashboard.plots.svg import SHADES
from sparkperso.services.dashboard.queries.kpis import (
    KPIS,
    Breakdown,
    breakdowns,
    kpi_days,
    kpi_latest,
    kpi_names,
)
from sparkperso.services.dashboard.queries.lake import Row
from sparkperso.services.dashboard.service import View

LEAD = "What conf/metrics measures, day by day, from events alone."


def page(view: View, query: Query) -> Page:
    """Returns the page; `kpi`, `by` and `days` say what is shown."""
    if not view.lake.has(KPIS):
        absent = f"{how_to_make(KPIS)}, after each run; it takes the metrics of conf/metrics"
        return Page("kpis", "KPIs", LEAD, [Section("KPIs", absent=absent)])
    names = kpi_names(view.lake)
    if not names:
        return Page("kpis", "KPIs", LEAD, [Section("KPIs", "There is no KPI of any day yet.")])
    kpi, of_kpi = chosen(query, "kpi", "KPI", names)
    offered = {one.name: one for one in breakdowns(view.lake)}
    by = offered[query.choice("by", list(offered), "")]
    of_by = Filter("by", "By", by.name, [Option(n, _words(one)) for n, one in offered.items()])
    days, of_days = days_of(view, query)
    sections = [_latest(view), _days(view, kpi, by, days)]
    return Page("kpis", "KPIs", LEAD, sections, [of_kpi, of_by, of_days])


def _words(by: Breakdown) -> str:
    return f"{by.column} of {by.within}" if by.within else by.column or "everybody together"


def _latest(view: View) -> Section:
    columns = [
        Column("kpi", "KPI"),
        Column("day", "Day", "date"),
        Column("value", "Value", "number"),
        Column("before", "Mean of 7 days before", "number"),
        Column("change", "Change", "percent"),
        Column("denominator", "Taken by", "number"),
    ]
    rows = []
    for row in kpi_latest(view.lake):
        is_few = _is_few(view, row["people"])
        value, by = (FEW if is_few else row[name] for name in ("value", "denominator"))
        before = FEW if _is_few(view, row["people_before"]) else row["before"]
        grown = share(value, before)
        change = grown - 1 if isinstance(grown, float) else grown
        rows.append((row["kpi"], row["day"], value, before, change, by))
    return Section("Latest day", table=Table("latest", "Each KPI, of everybody", columns, rows))


def _days(view: View, kpi: str, by: Breakdown, days: int) -> Section:
    found = kpi_days(view.lake, kpi, by, days)
    heading = f"{kpi} by day"
    if not found:
        return Section(heading, "There is no such day.")
    columns = [
        Column("day", "Day", "date"),
        Column("series", "Of"),
        Column("numerator", "Numerator", "number"),
        Column("denominator", "Denominator", "number"),
        Column("value", "Value", "number"),
    ]
    series: dict[str, list[tuple[date, float | None]]] = {}
    rows = []
    for row in found:
        is_few = _is_few(view, row["people"])
        series.setdefault(row["series"], []).append((row["day"], None if is_few else row["value"]))
        told = [FEW if is_few else row[name] for name in ("numerator", "denominator", "value")]
        rows.append((row["day"], row["series"], *told))
    shown = dict(sorted(series.items(), key=lambda pair: -_weight(found, pair[0]))[:SHADES])
    more = len(series) - len(shown)
    notes = [f"The plot has the {SHADES} largest; the table has {more} more."] if more else []
    table = Table("days", f"{kpi}, the latest day first", columns, rows[::-1])
    return Section(heading, plot=lines(heading, shown), table=table, notes=notes)


def _is_few(view: View, people: float | None) -> bool:
    return isinstance(shown_few(people, view.least), Few)


def _weight(rows: list[Row], series: str) -> float:
    return sum(row["denominator"] or 0.0 for row in rows if row["series"] == series)
