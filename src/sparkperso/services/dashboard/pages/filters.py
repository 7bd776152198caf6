"""Filters that several pages have: how far to look back, and in which channel."""

from __future__ import annotations

from collections.abc import Sequence

from sparkperso.services.dashboard.page import Filter, Option, Query
from sparkperso.services.dashboard.service import View

DAYS = (1, 7, 28, 90, 365, 3660)
NAMES = {1: "1 day", 3660: "all days"}


def days_of(view: View, query: Query) -> tuple[int, Filter]:
    """Returns how many days are looked at, and the field that asks for them."""
    default = view.settings.dashboard.window_days
    offered = sorted({*DAYS, default})
    chosen = int(query.choice("days", [str(days) for days in offered], str(default)))
    options = [Option(str(days), NAMES.get(days, f"{days} days")) for days in offered]
    return chosen, Filter("days", "The latest", str(chosen), options)


def chosen(
    query: Query, name: str, label: str, values: Sequence[str], default: str = ""
) -> tuple[str, Filter]:
    """Returns which of several values is asked for, and the field that asks for it."""
    found = query.choice(name, values, default or (values[0] if values else ""))
    return found, Filter(name, label, found, [Option(value, value) for value in values])


def or_all(query: Query, name: str, label: str, values: Sequence[str]) -> tuple[str, Filter]:
    """Returns one of several values or an empty text, which stands for all of them."""
    found = query.choice(name, values, "")
    options = [Option("", "all"), *(Option(value, value) for value in values)]
    return found, Filter(name, label, found, options)
