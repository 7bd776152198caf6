"""How a client sends, and what became of what it was given."""

from __future__ import annotations

from dataclasses import dataclass

from sparkperso.core.errors import UsageError


@dataclass(frozen=True)
class Options:
    """How a client sends. Times are seconds. Raises UsageError for sizes that no batch can have."""

    batch_events: int = 100
    """Events per request; the collector takes 500."""
    batch_bytes: int = 500_000
    """Bytes per request, before it is packed."""
    flush_seconds: float = 2.0
    """An event waits this long for others."""
    max_queued: int = 100_000
    """Events that may wait; further ones are dropped, counted and logged."""
    timeout: float = 15.0
    """How long a request may take."""
    first_pause: float = 0.5
    """Pause after a failure; every further one doubles it."""
    longest_pause: float = 60.0
    """Where doubling ends. What `Retry-After` asks for is waited for however long, to an hour."""

    def __post_init__(self) -> None:
        if not (1 <= self.batch_events <= 500 and self.max_queued >= 1 and self.batch_bytes >= 1):
            raise UsageError("A batch should have 1 to 500 events, and a queue room for one")


@dataclass
class Stats:
    """What became of the events of one client; they add up to those it was given."""

    accepted: int = 0
    """Durable at the collector."""
    refused: int = 0
    """Not taken, since their person did not agree."""
    invalid: int = 0
    """Not taken, since something is wrong with them; the log says what."""
    dropped: int = 0
    """Never sent, since the queue was full."""
    failures: int = 0
    """Requests that failed and were, or will be, sent again."""
