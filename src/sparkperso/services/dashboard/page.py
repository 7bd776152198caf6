"""What a page is made of: sections of text, figures, a plot, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from markupsafe import Markup

Kind = Literal[
    "text", "id", "integer", "number", "percent", "time", "date", "seconds", "bytes", "status"
]
NUMERIC: Final = frozenset({"integer", "number", "percent", "seconds", "bytes"})


class Few:
    """Stands where a figure of fewer people than may be shown would stand."""

    def __repr__(self) -> str:
        return "FEW"


FEW: Final = Few()


@dataclass(frozen=True)
class Column:
    """One column of a table: `name` in exports, `heading` on the page."""

    name: str
    heading: str
    kind: Kind = "text"


@dataclass(frozen=True)
class Table:
    """Rows with the same columns; `name` is how an export asks for it."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    """A cell is None where there is no value, FEW where it may not be shown."""


@dataclass(frozen=True)
class Figure:
    """A number in large type, and what it is."""

    label: str
    value: Any
    kind: Kind = "integer"
    detail: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading of its own."""

    heading: str
    text: str = ""
    figures: Sequence[Figure] = ()
    plot: Markup | None = None
    table: Table | None = None
    notes: Sequence[str] = ()
    absent: str | None = None
    """What is not there, and how it is made."""


@dataclass(frozen=True)
class Option:
    """One choice of a filter."""

    value: str
    label: str


@dataclass(frozen=True)
class Filter:
    """A field of the form above a page; without options it is a text."""

    name: str
    label: str
    chosen: str
    options: Sequence[Option] = ()


@dataclass(frozen=True)
class Page:
    """A page before it is drawn."""

    name: str
    title: str
    lead: str
    sections: Sequence[Section]
    filters: Sequence[Filter] = ()
    button: str = "Show"

    @property
    def tables(self) -> dict[str, Table]:
        """Returns its tables by name."""
        return {one.table.name: one.table for one in self.sections if one.table is not None}


@dataclass(frozen=True)
class Query:
    """The parameters of a request: texts from outside; a page takes those that it knows."""

    values: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """Returns a parameter, shortened and without what cannot be shown."""
        return "".join(c for c in self.values.get(name, default)[:256] if c.isprintable()).strip()

    def choice(self, name: str, options: Sequence[str], default: str) -> str:
        """Returns a parameter that is one of the options; the default for any other."""
        found = self.values.get(name, default)
        return found if found in options else default

    def identifier(self, name: str) -> str:
        """Returns an id to the letter, but for blanks around it, which the collector takes away.

        Shortened, or without what cannot be shown, it would be somebody else's.
        """
        return self.values.get(name, "").strip(" ")


def shown_few(count: int | float | None, least: int) -> Any:
    """Returns a number of people, FEW where they are too few to be told of."""
    return FEW if count is not None and 0 < count < least else count


def share(part: Any, whole: Any) -> Any:
    """Returns part ÷ whole; None where one is missing, FEW where one may not be shown."""
    if isinstance(part, Few) or isinstance(whole, Few):
        return FEW
    return part / whole if whole and part is not None else None
