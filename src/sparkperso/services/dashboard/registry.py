"""All pages: their paths, their names, and which scope opens each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sparkperso.services.access.caller import Caller
from sparkperso.services.dashboard.page import Page, Query
from sparkperso.services.dashboard.pages import (
    experiments,
    freshness,
    funnel,
    kpis,
    overview,
    people,
    quality,
    recommendations,
    runs,
    segments,
)
from sparkperso.services.dashboard.service import View
from sparkperso.services.dashboard.session import ANALYSE, OPERATE, PEOPLE, VIEW

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
    Entry("/funnel", "Funnel", (VIEW,), funnel.page),
    Entry("/kpis", "KPIs", (VIEW,), kpis.page),
    Entry("/experiments", "Experiments", (VIEW, ANALYSE), experiments.page),
    Entry("/segments", "Segments", (VIEW,), segments.page),
    Entry("/recommendations", "Recommendations", (VIEW,), recommendations.page),
    Entry("/people", "People", (VIEW, PEOPLE), people.page, people.USER),
    Entry("/quality", "Data quality", (VIEW, OPERATE), quality.page),
    Entry("/freshness", "Freshness", (VIEW, OPERATE), freshness.page),
    Entry("/runs", "Runs", (VIEW, OPERATE), runs.page),
)
"""In the order of the navigation. Every page takes VIEW, beside what else it takes."""
