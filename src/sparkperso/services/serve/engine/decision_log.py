"""What was decided, kept for silver/decisions by the collector's sink, after the answer."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from sparkperso.core.times import iso
from sparkperso.services.sinks.backlog import Backlog
from sparkperso.services.sinks.base import Line, Sink

BATCH = 2_000
"""Decisions that are handed over at a time."""
# Runs of plain characters are taken whole: it is looked for in every line.
ITEM_IDS = re.compile(rb'"item_id":("[^"\\]*(?:\\.[^"\\]*)*")')
RANDOM_BYTES = 16 * 256
log = logging.getLogger("sparkperso.serve")


@dataclass(slots=True)
class Decided:
    """One list or one slot as it was answered; not frozen, which takes three times as long."""

    decision_id: str
    at: datetime
    kind: str
    """Of list: new, again, …; `slot` for content."""
    head: bytes
    """Members of an object: strategy and model_version."""
    items: bytes = b""
    """The inside of an array of items."""
    user_id: str | None = None
    anonymous_id: str | None = None
    """Both None without consent to personalisation."""
    slot: str | None = None
    content_id: str | None = None
    rule: str | None = None
    variant: str | None = None
    fallback: str | None = None
    store_version: str | None = None
    propensity: float = 1.0
    """Probability that this was decided, given what was known; 1 where nothing is drawn."""
    experiments: Mapping[str, str] = field(default_factory=dict)
    """Experiment → variant, of those that count it."""
    item_propensities: Sequence[float] = ()
    """Per item, the probability that it stands there, where other variants may show it too."""

    def line(self) -> Line:
        """Returns what orders it among others, and it as one line of JSON."""
        rest: dict[str, Any] = {
            "decision_id": self.decision_id,
            "timestamp": iso(self.at),
            "user_id": self.user_id,
            "anonymous_id": self.anonymous_id,
            "kind": self.kind,
            "slot": self.slot,
            "content_id": self.content_id,
            "rule": self.rule,
            "variant": self.variant,
            "propensity": self.propensity,
            "experiments": self.experiments,
            "fallback": self.fallback,
            "store_version": self.store_version,
        }
        if self.item_propensities:
            rest["item_propensities"] = self.item_propensities
        ids = b",".join(ITEM_IDS.findall(self.items))
        text = b'%b,%b,"item_ids":[%b]}' % (orjson.dumps(rest)[:-1], self.head, ids)
        return self.user_id or self.anonymous_id or self.decision_id, text


class DecisionIds:
    """Random ids of 128 bits, as 32 hexadecimal digits."""

    def __init__(self) -> None:
        self._random, self._place = b"", 0

    def new(self) -> str:
        """Returns an id that nobody can guess."""
        if self._place >= len(self._random):
            # One call of the system for many: it costs as much as a read of the store.
            self._random, self._place = os.urandom(RANDOM_BYTES), 0
        begin = self._place
        self._place += 16
        return self._random[begin : self._place].hex()


class DecisionLog:
    """Decisions on their way to the sink; they never keep an answer waiting."""

    def __init__(self, sink: Sink | None, most: int, count_dropped: Callable[[int], None]) -> None:
        self._count_dropped = count_dropped
        self._backlog: Backlog[Decided] = Backlog(
            sink, Decided.line, most=most, lines=BATCH, name="the log of decisions", log=log
        )

    def add(self, decided: Decided) -> None:
        """Keeps a decision; one too many is dropped, and counted."""
        if not self._backlog.add(decided):
            self._count_dropped(1)

    async def check(self) -> str | None:
        """Returns why decisions cannot be kept now, or None."""
        return await self._backlog.check()

    async def start(self) -> None:
        """Begins to hand decisions over."""
        await self._backlog.start()

    async def close(self) -> None:
        """Hands over what waits, and closes the sink."""
        await self._backlog.close()
