"""What a dispatcher counts, for Prometheus. Labels are names of triggers, and our own words."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from sparkperso.services.triggers.queue import Backlog

PREFIX = "sparkperso_triggers"


class TriggerMetrics:
    """Counters of one dispatcher, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._deliveries = Counter(
            f"{PREFIX}_deliveries",
            "Messages by what became of them: queued, no_consent, delivered, failed (an attempt, "
            "which is repeated), withdrawn, dead.",
            ["trigger", "outcome"],
            registry=self.registry,
        )
        self._waiting = self._gauge("waiting", "Messages that wait.", ["trigger"])
        self._oldest = self._gauge(
            "oldest_seconds", "Age of the oldest message that waits; 0: none does.", ["trigger"]
        )
        self._active = self._gauge("active", "1 where this process delivers.", [])

    def count(self, trigger: str, outcome: str, n: int = 1) -> None:
        """Counts messages by what became of them."""
        if n:
            self._deliveries.labels(trigger, outcome).inc(n)

    def show(self, triggers: Iterable[str], backlog: Mapping[str, Backlog]) -> None:
        """Shows what waits now."""
        for name in {*triggers, *backlog}:
            one = backlog.get(name)
            self._waiting.labels(name).set(one.n if one else 0)
            self._oldest.labels(name).set(max(time.time() - one.oldest, 0.0) if one else 0.0)

    def set_active(self, is_active: bool) -> None:
        """Shows whether this process delivers."""
        self._active.set(int(is_active))

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(
            f"{PREFIX}_{name}",
            text,
            labels,
            registry=self.registry,
            multiprocess_mode="livemax",
        )
