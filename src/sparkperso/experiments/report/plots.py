"""Plots of an experiment: lifts, how they came to be over time, and by segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparkperso.experiments.results.rows import ResultRow

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7B6FB5", "#8C8C8C")
"""Okabe and Ito's, told apart by colour-blind readers too."""
GREY, LINE = "#555555", "#bbbbbb"
WIDTH = 7.2
"""Inches."""


def plot_lifts(rows: Sequence[ResultRow], label: Mapping[int, str]) -> Figure:
    """Returns lifts with their intervals, a line each from top to bottom; `label` by place.

    Those without a lift are told, and have no mark.
    """
    figure = Figure(figsize=(WIDTH, 0.9 + 0.42 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        found = row.estimate
        if found.lift is None:
            axes.text(0, place, f"  {found.status}", va="center", fontsize=8, color=GREY)
            continue
        low, high = (
            100 * x if x is not None else np.nan for x in (found.lift_low, found.lift_high)
        )
        colour = _colour_of(found.lift_low, found.lift_high)
        axes.plot([low, high], [place, place], color=colour, linewidth=2.2)
        axes.plot([100 * found.lift], [place], "o", color=colour, markersize=5)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [label[place] for place in range(len(rows))], fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("lift over the baseline, % (with interval)", fontsize=9)
    _plain(axes)
    return figure


def plot_over_time(rows: Sequence[ResultRow], metric: str, baseline: str) -> Figure:
    """Returns the effect with its always-valid interval as it stood at each time, by variant."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for number, variant in enumerate(sorted({row.variant for row in rows})):
        points = sorted(
            (row for row in rows if row.variant == variant and row.estimate.is_usable),
            key=lambda row: row.as_of,
        )
        times = _times([row.as_of for row in points])
        colour = COLOURS[number % len(COLOURS)]
        lows, highs = (
            np.array([getattr(row.estimate, name) for row in points], dtype=float)
            for name in ("effect_low", "effect_high")
        )
        effects = np.array([row.estimate.effect for row in points], dtype=float)
        axes.fill_between(times, lows, highs, color=colour, alpha=0.18, linewidth=0)
        axes.plot(times, effects, marker="o", markersize=3, color=colour, label=variant)
        _zoom(axes, lows, highs)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_ylabel(f"{metric}: difference to {baseline}", fontsize=9)
    _dated(axes)
    return figure


def plot_values(rows: Sequence[ResultRow], metric: str, baseline: str) -> Figure:
    """Returns the metric of each variant, the baseline's too, as it stood at each time."""
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    axes = figure.add_subplot()
    series: dict[str, dict[datetime, float]] = {baseline: {}}
    for row in rows:
        if row.estimate.value is not None:
            series.setdefault(row.variant, {})[row.as_of] = row.estimate.value
        if row.estimate.value_baseline is not None:
            series[baseline][row.as_of] = row.estimate.value_baseline
    for number, (variant, points) in enumerate(series.items()):
        # The baseline is grey, and variants have the colours of the plot above.
        colour = GREY if variant == baseline else COLOURS[(number - 1) % len(COLOURS)]
        times = sorted(points)
        axes.plot(_times(times), [points[t] for t in times], color=colour, label=variant)
    axes.set_ylabel(metric, fontsize=9)
    _dated(axes)
    return figure


def _zoom(axes: Axes, lows: np.ndarray, highs: np.ndarray) -> None:
    """The first days' intervals are so wide that nothing else would be seen."""
    if len(lows) > 3:
        later = slice(len(lows) // 3, None)
        bottom, top = float(lows[later].min()), float(highs[later].max())
        before = axes.get_ylim() if axes.get_autoscaley_on() is False else (bottom, top)
        axes.set_ylim(min(bottom, before[0]), max(top, before[1]))


def _dated(axes: Axes) -> None:
    axes.tick_params(axis="x", labelrotation=30)
    axes.legend(frameon=False, fontsize=8, loc="best")
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=LINE, linewidth=0.4, alpha=0.6)
    axes.tick_params(labelsize=8, colors=GREY)


def _colour_of(low: float | None, high: float | None) -> str:
    """Grey where the interval holds 0, else a colour for above and one for below."""
    if low is not None and low > 0:
        return COLOURS[0]
    return COLOURS[1] if high is not None and high < 0 else GREY


def _times(times: Sequence[datetime]) -> np.ndarray:
    return np.array(times, dtype="datetime64[us]")
