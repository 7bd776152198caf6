"""What the collector asks of a sink: to keep lines, and to say so only when they are safe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Line = tuple[str, bytes]
"""The key that orders an event among others (its user), and the event as one line of JSON."""


class Sink(Protocol):
    """Keeps lines durably; one event loop uses it."""

    async def start(self) -> None:
        """Opens the sink, and puts in order what an earlier process left."""

    async def put(self, lines: Sequence[Line]) -> None:
        """Returns when all lines are durable.

        Raises a 503 Problem with Retry-After when they may not be: the client sends them again.
        """

    async def check(self) -> str | None:
        """Returns what keeps the sink from taking lines now, or None."""

    async def close(self) -> None:
        """Makes all that was put durable and hands it over."""
