"""The report of an experiment as one HTML file: verdict, plots, tables."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from importlib.resources import files

import matplotlib as mpl
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup
from matplotlib.figure import Figure

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.experiments.section import ExperimentsConfig
from sparkperso.config.metrics import Metric
from sparkperso.experiments.report.plots import plot_lifts, plot_over_time, plot_values
from sparkperso.experiments.results.judge import Judgement
from sparkperso.experiments.results.measured import Measured
from sparkperso.experiments.results.methods import decisive_method
from sparkperso.experiments.results.rows import ResultRow

METADATA = ("Creator", "Date", "Format", "Type")
"""What matplotlib would write into a picture of its own accord."""
MOST_SEGMENTS = 60
"""Lines of the plot of segments; the table has all."""


@dataclass(frozen=True)
class Report:
    """Everything that a report is made of."""

    experiment: Experiment
    metrics: Mapping[str, Metric]
    measured: Measured
    rows: Sequence[ResultRow]
    judgement: Judgement
    config: ExperimentsConfig
    as_of: datetime

    @property
    def decisive(self) -> list[ResultRow]:
        """Returns everybody's rows that the verdict was read from, in the order of the metrics."""
        return [
            row
            for row in self.rows
            if row.segmentation is None
            and row.as_of == self.as_of
            and row.method == self._method(row.metric)
        ]

    def _method(self, metric: str) -> str:
        return decisive_method(self.metrics[metric], is_final=self.judgement.is_final)


@dataclass(frozen=True)
class _Plot:
    title: str
    svg: Markup


@dataclass(frozen=True)
class _Table:
    title: str
    caption: str
    rows: Sequence[ResultRow]
    of_segments: bool = False


def render(report: Report) -> str:
    """Returns the report as HTML; the same for the same results, to the byte."""
    experiment, measured = report.experiment, report.measured
    total = sum(measured.n_units.values())
    sizes = [
        (name, experiment.share(name), n, n / total if total else None)
        for name in experiment.arms
        for n in (measured.n_units.get(name, 0),)
    ]
    now = [row for row in report.rows if row.as_of == report.as_of]
    tables = [
        _Table("All comparisons", "Everybody", [row for row in now if row.segmentation is None]),
        *(
            _Table(f"Segments of {name}", f"In the segment when exposed: {name}", of, True)
            for name in sorted({row.segmentation for row in now if row.segmentation})
            for of in ([row for row in now if row.segmentation == name],)
        ),
    ]
    return _template().render(
        title=f"Experiment {experiment.key}",
        experiment=experiment,
        verdict=report.judgement,
        planned=report.judgement.n_planned,
        n_several=measured.n_several,
        level=report.config.significance_level,
        as_of=report.as_of,
        sizes=sizes,
        figures=_figures(report),
        tables=tables,
    )


def figures_of(report: Report) -> dict[str, Figure]:
    """Returns the report's plots by title; those that have nothing to show are left out."""
    experiment, rows = report.experiment, report.decisive
    plots = {}
    if rows:
        labels = {place: f"{row.metric}, {row.variant}" for place, row in enumerate(rows)}
        plots["Lifts"] = plot_lifts(rows, labels)
    for goal in experiment.goals:
        days = _by_day(report, goal)
        if len({row.as_of for row in days}) > 1:
            title = f"{goal} over time"
            plots[f"{title}: difference"] = plot_over_time(days, goal, experiment.control)
            plots[f"{title}: values"] = plot_values(days, goal, experiment.control)
    of_segments = [
        row
        for row in report.rows
        if row.segmentation and row.metric in experiment.goals[:1] and row.method == "plain"
    ][:MOST_SEGMENTS]
    if of_segments:
        labels = {
            place: f"{row.segment or f'no {row.segmentation}'}, {row.variant}"
            for place, row in enumerate(of_segments)
        }
        plots[f"{experiment.goals[0]} by segment"] = plot_lifts(of_segments, labels)
    return plots


def _by_day(report: Report, metric: str) -> list[ResultRow]:
    return [
        row
        for row in report.rows
        if row.metric == metric and row.method == "sequential" and row.segmentation is None
    ]


def _figures(report: Report) -> list[_Plot]:
    return [_Plot(title, _svg(figure, title)) for title, figure in figures_of(report).items()]


def _svg(figure: Figure, title: str) -> Markup:
    # The same ids in each run, no date: the file is the same to the byte.
    with mpl.rc_context({"svg.hashsalt": title, "svg.fonttype": "none"}):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(METADATA))
    svg = buffer.getvalue()
    start = svg.index("<svg") + len("<svg")
    name = escape(title, quote=True)
    # Numbers stand in the tables below: the picture needs a name alone.
    return Markup(f'<svg role="img" aria-label="{name}"{svg[start:]}')


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters.update(
        words=lambda text: str(text).replace("_", " ").capitalize(),
        moment=lambda at: "–" if at is None else f"{at:%Y-%m-%d %H:%M}",
        number=lambda n: f"{n:,}",
        percent=lambda x: "–" if x is None else f"{100 * x:.2f} %",
        figure=lambda x: "–" if x is None else f"{x:,.5g}",
        p=lambda x: "–" if x is None else (f"{x:.4f}" if x >= 0.0001 else "< 0.0001"),
    )
    text = files("sparkperso.experiments.report").joinpath("report.html").read_text("utf-8")
    return environment.from_string(text)
