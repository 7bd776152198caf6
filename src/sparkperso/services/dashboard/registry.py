"""All pages: their paths, their names, and which scope opens each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sparkperso.services.access.caller import Caller
from sparkperso.services.dashboard.page import Page, Query
from sparkperso.services.dashboard.pages import freshness, overview, quality, runs
from sparkperso.services.dashboard.service import View
from sparkperso.services.dashboard.session import OPERATE, VIEW

Maker = Callable[[View, Query], Page]


@dataclass(frozen=True)
class Entry:
    """A page in the navigation."""

    path: str
    title: str
    scopes: tuple[str, ...]
    make: Maker
    audited: str | None = None
    """The parameter that names a person: asking for one is noted."""

    @property
    def name(self) -> str:
        """Returns its name in files and counters."""
        return self.path.strip("/") or "overview"

    def is_open_to(self, caller: Caller) -> bool:
        """Says whether a caller may see it."""
        return caller.scopes.issuperset(self.scopes)


PAGES = (
    Entry("/", "Overview", (VIEW,), overview.page),
    Entry("/quality", "Data quality", (OPERATE,), quality.page),
    Entry("/freshness", "Freshness", (OPERATE,), freshness.page),
    Entry("/runs", "Runs", (OPERATE,), runs.page),
)
