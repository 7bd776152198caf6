"""Lines: numbers over days."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from markupsafe import Markup

from sparkperso.services.dashboard.plots.svg import SHADES, clipped, element, figure, percent

TOP, HEIGHT, FOOT, LEGEND = 20, 180, 24, 20
"""Pixels above the plot, of it, of the days below it, of a line of the legend."""
Points = Sequence[tuple[date, float | None]]


def lines(
    title: str, series: Mapping[str, Points], written: Callable[[float], str] = "{:,.4g}".format
) -> Markup | None:
    """Returns a line for each series of up to `SHADES`; None where there is no number.

    A day without a number is a gap. The height is from zero, or from the smallest below it, to the
    largest.
    """
    shown = {name: sorted(points) for name, points in list(series.items())[:SHADES]}
    days = [day for points in shown.values() for day, _ in points]
    values = [v for points in shown.values() for _, v in points if v is not None and isfinite(v)]
    if not values:
        return None
    first, last = min(days), max(days)
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1
    span = max((last - first).days, 1)

    def x(day: date) -> float:
        return (day - first).days / span * 100 if last > first else 50.0

    def y(value: float) -> float:
        return (high - value) / (high - low) * 100

    parts = [*_axis(low, high, written), *_days(first, last)]
    plot: list[Markup] = []
    for place, points in enumerate(shown.values()):
        for run in _runs(points):
            if len(run) == 1:
                day, value = run[0]
                at = TOP + y(value) * HEIGHT / 100
                parts.append(
                    element("circle", cx=percent(x(day)), cy=round(at, 1), r=3, class_=f"c{place}")
                )
                continue
            told = " ".join(f"{x(day):.2f},{y(value):.2f}" for day, value in run)
            plot.append(element("polyline", points=told, class_=f"line s{place}"))
    parts.append(
        element(
            "svg",
            Markup("").join(plot),
            x=0,
            y=TOP,
            width="100%",
            height=HEIGHT,
            viewBox="0 0 100 100",
            preserveAspectRatio="none",
        )
    )
    legend = list(shown) if len(shown) > 1 else []
    for place, name in enumerate(legend):
        at = TOP + HEIGHT + FOOT + place * LEGEND
        parts.append(element("line", x1=0, x2=24, y1=at + 8, y2=at + 8, class_=f"line s{place}"))
        parts.append(element("text", clipped(name, 40), x=30, y=at + 12, class_="label"))
    told = "; ".join(_told(name, points, written) for name, points in shown.items())
    height = TOP + HEIGHT + FOOT + len(legend) * LEGEND
    return figure(title, f"Lines from {first} to {last}. {told}.", height, parts)


def isfinite(value: float) -> bool:
    """Says whether a number can be drawn."""
    return math.isfinite(value)


def _axis(low: float, high: float, written: Callable[[float], str]) -> list[Markup]:
    parts = []
    for value in dict.fromkeys((low, (low + high) / 2, high)):
        at = TOP + (high - value) / (high - low) * HEIGHT
        parts.append(element("line", x1=0, x2="100%", y1=round(at), y2=round(at), class_="grid"))
        parts.append(element("text", written(value), x=0, y=round(at) - 4, class_="tick"))
    return parts


def _days(first: date, last: date) -> list[Markup]:
    at = TOP + HEIGHT + 16
    if first == last:
        return [element("text", str(first), x="50%", y=at, class_="tick middle")]
    return [
        element("text", str(first), x=0, y=at, class_="tick"),
        element("text", str(last), x="100%", y=at, class_="tick end"),
    ]


def _runs(points: Points) -> list[list[tuple[date, float]]]:
    """Returns the stretches without a gap."""
    runs: list[list[tuple[date, float]]] = [[]]
    for day, value in points:
        if value is None or not isfinite(value):
            runs.append([])
        else:
            runs[-1].append((day, value))
    return [run for run in runs if run]


def _told(name: str, points: Points, written: Callable[[float], str]) -> str:
    known = [value for _, value in points if value is not None and isfinite(value)]
    if not known:
        return f"{name}: no number"
    return f"{name}: {written(known[0])} at first, {written(known[-1])} at last"
