"""Experiments: what follows, what each variant did, how that grew over time, who was shown what."""

from __future__ import annotations

import re
from typing import Any

from sparkperso.services.dashboard.page import (
    FEW,
    Column,
    Few,
    Figure,
    Page,
    Query,
    Section,
    Table,
    share,
    shown_few,
)
from sparkperso.services.dashboard.pages.absent import how_to_make, shown_or_absent
from sparkperso.services.dashboard.pages.filters import chosen
from sparkperso.services.dashboard.plots.intervals import Interval, intervals
from sparkperso.services.dashboard.plots.svg import SHADES
from sparkperso.services.dashboard.queries import experiments as queries
from sparkperso.services.dashboard.queries.lake import AbsentTable, Row
from sparkperso.services.dashboard.queries.segments import NOWHERE
from sparkperso.services.dashboard.service import View

LEAD = "What was tried, what it did, and what follows."
ESTIMATES = ("effect", "lift")
MOST_TIMES = 30
"""Times that the plot of an estimate over time has; the table has all."""


def page(view: View, query: Query) -> Page:
    """Returns the page; `experiment`, `metric` and `method` say what is shown."""
    try:
        found = queries.verdicts(view.lake)
    except AbsentTable as absent:
        section = Section("Experiments", absent=how_to_make(absent.table))
        return Page("experiments", "Experiments", LEAD, [section])
    if not found:
        section = Section("Experiments", "None was analysed yet: sparkperso analyze-experiments.")
        return Page("experiments", "Experiments", LEAD, [section])
    name, of_name = chosen(query, "experiment", "Experiment", [row["experiment"] for row in found])
    verdict = next(row for row in found if row["experiment"] == name)
    sections = [_all(view, found), _verdict(view, verdict)]
    filters = [of_name]
    try:
        results = queries.results(view.lake, name)
    except AbsentTable as absent:
        sections.append(Section("Results", absent=how_to_make(absent.table)))
        results = []
    if results:
        metric, of_metric = chosen(query, "metric", "Metric", _distinct(results, "metric"))
        methods = _distinct([row for row in results if row["metric"] == metric], "method")
        default = "plain" if "plain" in methods else methods[0]
        method, of_method = chosen(query, "method", "Method", methods, default)
        filters += [of_metric, of_method]
        sections += [
            _metrics(view, results, verdict),
            _over_time(view, results, metric, method),
            _segments(view, results, metric, method),
        ]
    sections.append(shown_or_absent("Exposures", lambda: _exposures(view, name)))
    return Page("experiments", "Experiments", LEAD, sections, filters)


def _distinct(rows: list[Row], name: str) -> list[str]:
    return list(dict.fromkeys(str(row[name]) for row in rows))


def _all(view: View, found: list[Row]) -> Section:
    columns = [
        Column("experiment", "Experiment"),
        Column("phase", "Phase"),
        Column("verdict", "Verdict", "status"),
        Column("variant", "Variant"),
        Column("units", "Units", "integer"),
        Column("n_planned", "Planned", "integer"),
        Column("srm_p_value", "SRM p", "number"),
        Column("started_at", "Began", "time"),
        Column("ends_at", "Ends", "time"),
        Column("as_of", "As of", "time"),
    ]
    rows = [
        [_units(view, row) if c.name == "units" else row[c.name] for c in columns] for row in found
    ]
    return Section("Experiments", table=Table("experiments", "The latest verdicts", columns, rows))


def _units(view: View, row: Row) -> Any:
    return shown_few(sum((row["n_units"] or {}).values()), view.least)


def _verdict(view: View, row: Row) -> Section:
    verdict = str(row["verdict"]).replace("_", " ")
    figures = [Figure("Verdict", verdict, "text", row["variant"] or "")]
    figures += [
        Figure(variant, shown_few(n, view.least), detail="units")
        for variant, n in sorted((row["n_units"] or {}).items())
    ]
    figures.append(
        Figure("Saw several", shown_few(row["n_several"], view.least), detail="units, left out")
    )
    sentences = [*(row["sentences"] or ()), *(f"Warning: {text}" for text in row["warnings"] or ())]
    few = [
        v for v, n in (row["n_units"] or {}).items() if isinstance(shown_few(n, view.least), Few)
    ]
    shown = [text for text in sentences if not any(_names(text, variant) for variant in few)]
    if len(shown) < len(sentences):
        shown.append(f"What names a variant of fewer than {view.least} units is left out.")
    return Section(f"Verdict on {row['experiment']}", row["why"], figures=figures, notes=shown)


def _names(text: str, variant: str) -> bool:
    """Says whether a sentence has a variant's name as a word of its own; names have no blanks."""
    return re.search(rf"(?<![\w.-]){re.escape(variant)}(?![\w.-])", text) is not None


def _is_few(view: View, row: Row) -> bool:
    return any(0 <= (row[name] or 0) < view.least for name in ("n", "n_baseline"))


RESULT_COLUMNS = [
    Column("metric", "Metric"),
    Column("role", "Role"),
    Column("method", "Method"),
    Column("variant", "Variant"),
    Column("n", "Units", "integer"),
    Column("value", "Value", "number"),
    Column("value_baseline", "Baseline", "number"),
    Column("lift", "Lift", "percent"),
    Column("lift_low", "from", "percent"),
    Column("lift_high", "to", "percent"),
    Column("effect", "Effect", "number"),
    Column("effect_low", "from", "number"),
    Column("effect_high", "to", "number"),
    Column("p_value", "p", "number"),
    Column("p_adjusted", "p adjusted", "number"),
    Column("status", "Status"),
]
OPEN = frozenset(
    ("metric", "role", "method", "variant", "status", "segmentation", "segment", "as_of")
)
"""Columns that tell of no person, however few there are."""


def _cells(view: View, row: Row, columns: list[Column]) -> list[Any]:
    is_few = _is_few(view, row)
    return [FEW if is_few and c.name not in OPEN else row[c.name] for c in columns]


def _metrics(view: View, results: list[Row], verdict: Row) -> Section:
    """All metrics of everybody, as of the latest time."""
    last = results[0]["as_of"]
    rows = [row for row in results if row["as_of"] == last and row["segment"] is None]
    plotted = [row for row in rows if row["role"] in ("goal", "guardrail")] or rows
    first = {(row["metric"], row["variant"]): row for row in reversed(plotted)}
    chosen_rows = sorted(first.values(), key=plotted.index)
    plain = [row for row in plotted if row["method"] == "plain"]
    shown = (plain or chosen_rows)[:20]
    variants = _distinct(results, "variant")
    plot = _interval_plot(
        view,
        "Lift of each metric",
        [(f"{row['metric']} · {row['variant']}", row) for row in shown],
        variants,
    )
    heading = f"Metrics as of {last:%Y-%m-%d %H:%M}"
    baseline = rows[0]["baseline"] if rows else ""
    text = f"Compared with {baseline}; the interval is of the method that the table names."
    table = Table(
        "metrics",
        f"Results of {verdict['experiment']}, of everybody",
        RESULT_COLUMNS,
        [_cells(view, row, RESULT_COLUMNS) for row in rows],
    )
    return Section(heading, text, plot=plot, table=table)


def _over_time(view: View, results: list[Row], metric: str, method: str) -> Section:
    rows = [
        row
        for row in results
        if (row["metric"], row["method"]) == (metric, method) and row["segment"] is None
    ]
    columns = [Column("as_of", "As of", "time"), *RESULT_COLUMNS[3:]]
    variants = _distinct(results, "variant")
    times = sorted({row["as_of"] for row in rows})[-MOST_TIMES:]
    plot = _interval_plot(
        view,
        f"{metric} over time, by {method}",
        [
            (f"{row['as_of']:%m-%d %H:%M} · {row['variant']}", row)
            for row in sorted(rows, key=lambda one: (one["variant"], one["as_of"]))
            if row["as_of"] in times
        ],
        variants,
    )
    table = Table(
        "over_time",
        f"{metric} by {method}, the latest first",
        columns,
        [_cells(view, row, columns) for row in rows],
    )
    text = "Each row counts everything up to its time: intervals grow narrower as units come."
    return Section(f"{metric} over time", text, plot=plot, table=table)


def _segments(view: View, results: list[Row], metric: str, method: str) -> Section:
    last = results[0]["as_of"]
    rows = [
        {**row, "segment": row["segment"] or NOWHERE}
        for row in results
        if row["segment"] is not None and row["metric"] == metric and row["as_of"] == last
    ]
    of_method = [row for row in rows if row["method"] == method] or rows
    heading = f"{metric} by segment"
    if not of_method:
        return Section(heading, "It was not told apart by segment.")
    columns = [
        Column("segment", "Segment"),
        Column("segmentation", "Segmentation"),
        *RESULT_COLUMNS[2:],
    ]
    plot = _interval_plot(
        view,
        heading,
        [(f"{row['segment']} · {row['variant']}", row) for row in of_method[:30]],
        _distinct(results, "variant"),
    )
    table = Table(
        "segments",
        f"{metric} by segment",
        columns,
        [_cells(view, row, columns) for row in of_method],
    )
    return Section(heading, plot=plot, table=table)


def _interval_plot(view: View, title: str, rows: list[tuple[str, Row]], variants: list[str]) -> Any:
    """Lifts where all rows have one, else effects in the metric's own unit."""
    shown = [(label, row) for label, row in rows if not _is_few(view, row)]
    has_lift = all(row["lift"] is not None for _, row in shown)
    name = "lift" if has_lift else "effect"
    drawn = [
        Interval(
            label,
            row[name],
            row[f"{name}_low"],
            row[f"{name}_high"],
            variants.index(str(row["variant"])) % SHADES,
        )
        for label, row in shown
    ]
    return intervals(title, drawn, "{:+.1%}".format if has_lift else "{:+.4g}".format)


def _exposures(view: View, name: str) -> Section:
    found = queries.exposures(view.lake, name)
    if not found:
        return Section("Exposures", "Nobody was shown it yet.")
    total = sum(row["units"] for row in found)
    columns = [
        Column("variant", "Variant"),
        Column("units", "Units", "integer"),
        Column("share", "Share", "percent"),
        Column("several", "Saw several", "integer"),
        Column("first_at", "First", "time"),
        Column("last_at", "Last", "time"),
    ]
    rows = []
    for row in found:
        units = shown_few(row["units"], view.least)
        several = shown_few(row["several"], view.least)
        part = share(units, total)
        times = [FEW if isinstance(units, Few) else row[name] for name in ("first_at", "last_at")]
        rows.append((row["variant"], units, part, several, *times))
    return Section("Exposures", table=Table("exposures", "Units by variant", columns, rows))
