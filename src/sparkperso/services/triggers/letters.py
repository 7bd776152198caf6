"""Dead letters as ops/dead_letters has them, and their way back into the queue."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sparkperso.core.times import iso
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.services.triggers.message import Message
from sparkperso.services.triggers.queue import Queue

DEAD_LETTERS = "ops/dead_letters"
BLOCK = 1_000
MOST = 1_000_000
"""Dead letters that are read at once."""


@dataclass(frozen=True)
class Letter:
    """A message that was given up."""

    row: dict[str, Any]
    state: str
    """`dead`, `waiting` (it was replayed, and is tried again) or `replayed`."""

    @property
    def key(self) -> tuple[str, str]:
        """Returns its id, and when it was given up."""
        return self.row["delivery_id"], iso(self.row["last_at"])


def read_letters(
    lake: LakeReader, queue: Queue | None, trigger: str | None = None, most: int = MOST
) -> list[Letter]:
    """Returns the latest dead letters of all triggers, or one, the latest first."""
    if lake.open(DEAD_LETTERS) is None:
        return []
    where = "trigger = '" + trigger.replace("'", "''") + "'" if trigger else None
    rows = lake.select(DEAD_LETTERS, where, most, "last_at DESC, delivery_id")
    replayed = queue.replayed() if queue else set()
    waiting = queue.waiting_ids() if queue else set()
    letters = []
    for row in rows:
        key = row["delivery_id"], iso(row["last_at"])
        state = "dead" if key not in replayed else "replayed"
        letters.append(Letter(row, "waiting" if row["delivery_id"] in waiting else state))
    return letters


def replay(queue: Queue, letters: Sequence[Letter]) -> int:
    """Puts dead letters into the queue, each once, the oldest first; returns how many."""
    names = ("delivery_id", "trigger", "host", "user_id", "segment", "change", "body")
    ordered = sorted(letters, key=lambda one: one.row["first_at"])
    found = [
        (Message(**{name: one.row[name] for name in names}), one.key[1])
        for one in ordered
        if one.state == "dead"
    ]
    return sum(queue.replay(block, time.time()) for block in _blocks(found))


def _blocks(found: Sequence[tuple[Message, str]]) -> Iterator[Sequence[tuple[Message, str]]]:
    for start in range(0, len(found), BLOCK):
        yield found[start : start + BLOCK]
