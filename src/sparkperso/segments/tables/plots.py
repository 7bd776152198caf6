"""Pictures of segments from run to run: their sizes over time, and who went where."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sparkperso.segments.describe.plots import COLOURS, DPI, GREY

GAP = 0.02
"""Space between two segments, as a part of all users."""
BAR = 0.06
NARROW = 0.004
"""Flows of a smaller part of the users are not drawn."""


def draw_sizes(
    trends: Mapping[str, Mapping[datetime, int]], labels: Mapping[str, str], name: str
) -> Figure:
    """Returns the sizes of segments (id → time → users) as lines over time.

    `labels` name the segments, those without one by their id.
    """
    figure = Figure(figsize=(9.5, 5.2), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    for number, (segment, trend) in enumerate(sorted(trends.items())):
        sizes = [trend[time] for time in sorted(trend)]
        colour = COLOURS[number % len(COLOURS)]
        label = f"{labels.get(segment, segment)} ({sizes[-1]:,})"
        axes.plot(_dates(trend), sizes, marker="o", markersize=4, color=colour, label=label)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("people")
    axes.set_title(f"Sizes of the segments of '{name}'", loc="left", fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=GREY)
    times = _dates({time: 0 for trend in trends.values() for time in trend})
    axes.set_xticks(times, [str(time)[:10] for time in times], rotation=30, ha="right")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _dates(trend: Mapping[datetime, int]) -> NDArray[np.datetime64]:
    return np.array(sorted(trend), dtype="datetime64[us]")


def draw_flows(
    flows: Mapping[tuple[str, str], int], labels: Mapping[str, str], name: str
) -> Figure:
    """Returns (before, now) → users as bands from the segments before to those now.

    Heights are shares of the users known both times; flows of less than NARROW are not drawn.
    """
    figure = Figure(figsize=(9.5, 6.2), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    total = sum(flows.values())
    ids = sorted({segment for pair in flows for segment in pair})
    colours = {segment: COLOURS[number % len(COLOURS)] for number, segment in enumerate(ids)}
    bottoms = [_stack(flows, ids, side) for side in (0, 1)]
    for side, bottom in enumerate(bottoms):
        for segment, at in bottom.items():
            size = _size(flows, segment, side)
            axes.bar(
                side, size / total, (2 * side - 1) * BAR, at, align="edge", color=colours[segment]
            )
            text = f"{labels.get(segment, segment)} ({size:,})"
            x, align = (side + (2 * side - 1) * (BAR + 0.02)), ("right", "left")[side]
            axes.text(x, at + size / total / 2, text, ha=align, va="center", fontsize=9)
    offsets = [dict(bottom) for bottom in bottoms]
    for pair, size in sorted(flows.items()):
        share = size / total
        start, end = offsets[0][pair[0]], offsets[1][pair[1]]
        offsets[0][pair[0]] += share
        offsets[1][pair[1]] += share
        if share >= NARROW:
            _band(axes, (start, end, share), colours[pair[0]])
    axes.set_xlim(-0.75, 1.75)
    axes.axis("off")
    title = f"'{name}': from the run before (left) to this one, {total:,} people known both times"
    axes.set_title(title, loc="left", fontweight="bold", fontsize=10)
    return figure


def _stack(flows: Mapping[tuple[str, str], int], ids: list[str], side: int) -> dict[str, float]:
    """Returns where each segment of a side begins, from the bottom up."""
    total, at = sum(flows.values()), 0.0
    bottoms: dict[str, float] = {}
    for segment in reversed(ids):
        size = _size(flows, segment, side)
        if size:
            bottoms[segment] = at
            at += size / total + GAP
    return bottoms


def _size(flows: Mapping[tuple[str, str], int], segment: str, side: int) -> int:
    return sum(size for pair, size in flows.items() if pair[side] == segment)


def _band(axes: Axes, shape: tuple[float, float, float], colour: str) -> None:
    start, end, height = shape
    x = np.linspace(0, 1, 60)
    # Smoothstep: the band leaves and arrives level.
    curve = start + (end - start) * (3 * x**2 - 2 * x**3)
    axes.fill_between(x, curve, curve + height, color=colour, alpha=0.4, linewidth=0)
