"""Bars: one number of each of several things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sparkperso.services.dashboard.plots.svg import clipped, element, figure, percent

ROW, BAR = 40, 14
"""Pixels of a row, and of the bar in it: its label stands above it."""


@dataclass(frozen=True)
class Bar:
    """One bar: its length, and what is written beside it."""

    label: str
    value: float
    shown: str
    shade: int = 0


def bars(title: str, rows: Sequence[Bar]) -> Markup | None:
    """Returns bars from zero, the longest as wide as the page; None without any.

    A negative value is drawn from zero to the left.
    """
    if not rows:
        return None
    low, high = min(0.0, *(row.value for row in rows)), max(0.0, *(row.value for row in rows))
    width = (high - low) or 1.0
    zero = -low / width * 100
    parts = []
    for place, row in enumerate(rows):
        y = place * ROW
        long = abs(row.value) / width * 100
        left = zero if row.value >= 0 else zero - long
        parts += [
            element("text", clipped(row.label, 34), x=0, y=y + 14, class_="label"),
            element("text", row.shown, x="100%", y=y + 14, class_="value end"),
            element("rect", x=0, y=y + 19, width="100%", height=BAR, class_="ground"),
            element(
                "rect",
                x=percent(left),
                y=y + 19,
                width=percent(long),
                height=BAR,
                class_=f"c{row.shade}",
            ),
        ]
    told = "; ".join(f"{row.label}: {row.shown}" for row in rows[:12])
    return figure(title, f"Bars. {told}.", len(rows) * ROW, parts)
