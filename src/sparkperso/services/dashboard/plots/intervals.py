"""Intervals: an estimate and how far it may be off, against a line of no difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sparkperso.services.dashboard.plots.svg import clipped, element, figure, percent

ROW, FOOT = 40, 22


@dataclass(frozen=True)
class Interval:
    """An estimate between its bounds, any of which may be unknown or without end."""

    label: str
    middle: float | None
    low: float | None
    high: float | None
    shade: int = 0


def intervals(
    title: str,
    rows: Sequence[Interval],
    written: Callable[[float], str] = "{:+.2%}".format,
    reference: float | None = 0.0,
) -> Markup | None:
    """Returns a row for each interval; None where none has a number.

    A bound without end is drawn to the edge. A row without an estimate has its label alone.
    """
    given = (value for row in rows for value in (row.middle, row.low, row.high))
    known = [value for value in given if value is not None and math.isfinite(value)]
    if not known:
        return None
    ends = [*known, *(() if reference is None else (reference,))]
    low, high = min(ends), max(ends)
    room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    low, high = low - room, high + room

    def x(value: float) -> str:
        return percent(min(max((value - low) / (high - low) * 100, 0.0), 100.0))

    height = len(rows) * ROW
    parts = [
        element("rect", x=0, y=n * ROW + 19, width="100%", height=14, class_="ground")
        for n in range(len(rows))
    ]
    if reference is not None:
        at = x(reference)
        # Across the bars alone: labels stay readable.
        parts += [
            element("line", x1=at, x2=at, y1=n * ROW + 18, y2=n * ROW + 34, class_="reference")
            for n in range(len(rows))
        ]
        words = "no difference" if reference == 0 else written(reference)
        share = (reference - low) / (high - low)
        side = "tick" if share < 0.2 else "tick end" if share > 0.8 else "tick middle"
        parts.append(element("text", words, x=at, y=height + 15, class_=side))
    for place, row in enumerate(rows):
        y = place * ROW
        parts.append(element("text", clipped(row.label, 30), x=0, y=y + 14, class_="label"))
        parts.append(element("text", _told(row, written), x="100%", y=y + 14, class_="value end"))
        if row.low is not None and row.high is not None and not math.isnan(row.low + row.high):
            parts.append(
                element(
                    "line",
                    x1=x(row.low),
                    x2=x(row.high),
                    y1=y + 26,
                    y2=y + 26,
                    class_=f"whisker s{row.shade}",
                )
            )
        if _is(row.middle):
            parts.append(
                element("circle", cx=x(row.middle or 0.0), cy=y + 26, r=5, class_=f"c{row.shade}")
            )
    told = "; ".join(f"{row.label}: {_told(row, written)}" for row in rows[:12])
    return figure(title, f"Estimates with intervals. {told}.", height + FOOT, parts)


def _is(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _told(row: Interval, written: Callable[[float], str]) -> str:
    if row.middle is None or math.isnan(row.middle):
        return "no estimate"
    if row.low is None or row.high is None:
        return written(row.middle)
    return f"{written(row.middle)} [{written(row.low)}, {written(row.high)}]"
