"""What all routes of the dashboard share: who looks, the lake, how pages are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import anyio
from anyio import CapacityLimiter

from sparkperso.config import Settings
from sparkperso.core.times import now
from sparkperso.privacy.identifiers import Identifiers
from sparkperso.services.access.audit import Audit
from sparkperso.services.access.caller import Caller
from sparkperso.services.dashboard.metrics import DashboardMetrics
from sparkperso.services.dashboard.queries.lake import AbsentTable, LakeTables, UnreadableLake
from sparkperso.services.dashboard.render import Renderer
from sparkperso.services.dashboard.session import Sessions
from sparkperso.services.http.problems import Problem

Result = TypeVar("Result")


@dataclass
class Dashboard:
    """The parts of one process."""

    settings: Settings
    sessions: Sessions
    audit: Audit
    lake: LakeTables
    renderer: Renderer
    identifiers: Identifiers
    metrics: DashboardMetrics
    clock: Callable[[], datetime] = now
    limiter: CapacityLimiter = field(init=False)

    def start(self) -> None:
        """Begins, within the loop that answers."""
        self.limiter = CapacityLimiter(self.settings.dashboard.threads)

    async def work(self, make: Callable[[], Result]) -> Result:
        """Returns what `make` gives, by a thread; raises a 503 Problem for tables in trouble."""
        try:
            return await anyio.to_thread.run_sync(make, limiter=self.limiter)
        except (UnreadableLake, AbsentTable):
            # Of tables that are not there yet pages tell by themselves: this one went meanwhile.
            detail = (
                "Tables of the lake could not be read; the log says why. Try again in a moment."
            )
            raise Problem(503, "lake", detail, {"Retry-After": "5"}) from None


@dataclass(frozen=True)
class View:
    """What a page is made from: the lake, the configuration, who asks, and when."""

    lake: LakeTables
    settings: Settings
    caller: Caller
    now: datetime
    known_as: Callable[[str], str]
    """User id as sent → as the lake has it."""

    @property
    def least(self) -> int:
        """Returns the smallest number of people that is told of."""
        return self.settings.dashboard.min_group_size

    def may(self, scope: str) -> bool:
        """Says whether who asks has a scope."""
        return scope in self.caller.scopes
