"""What a page says in place of a table that nobody has written yet."""

from __future__ import annotations

from collections.abc import Callable

from sparkperso.schemas import TABLES
from sparkperso.services.dashboard.page import Section
from sparkperso.services.dashboard.queries.lake import AbsentTable

WRITERS = {"ops/alerts": "monitor"}
"""Tables of commands that an installation may lack."""


def shown_or_absent(heading: str, make: Callable[[], Section]) -> Section:
    """Returns a section, or one that says which table is missing and how it is made."""
    try:
        return make()
    except AbsentTable as absent:
        return Section(heading, absent=how_to_make(absent.table))


def how_to_make(table: str) -> str:
    """Returns what to run, so that there is a table.

    >>> how_to_make("gold/segments")
    'There is no gold/segments yet. It is written by: sparkperso build-segments'
    """
    spec = TABLES.get(table)
    writer = (spec.writer if spec else WRITERS.get(table, "run")).split(",")[0]
    told = "Any job writes it" if "every" in writer else f"It is written by: sparkperso {writer}"
    return f"There is no {table} yet. {told}"
