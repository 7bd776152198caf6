"""Known faults put among good events: what ingest must find is counted beforehand."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True)
class Expected:
    """The counts that an ingest run must come to; `reasons` is records per reason code."""

    received: int
    valid: int
    duplicates: int
    quarantined: int
    reasons: dict[str, int]
    late: int


@dataclass(frozen=True)
class Faulty:
    """Lines to write, and what is to be found in them."""

    lines: list[str]
    expected: Expected


@dataclass(frozen=True)
class Fault:
    """One way in which a record is bad: its reason code, and what turns a good event into it."""

    code: str
    spoil: Callable[[Event], str]


def inject_faults(events: Sequence[Event], each: int = 2, seed: int = 7) -> Faulty:
    """Returns the events as lines with `each` bad records of every kind among them.

    Beside bad records there are as many duplicates (the same line again) and late events (good
    ones that come last); both are valid data. Times that lie ahead are in 2150 and old ones in
    1990, so that they are so whenever the lines are read.
    """
    chance = random.Random(seed)
    good = [json.dumps(event) for event in events]
    late = [good.pop(chance.randrange(len(good))) for _ in range(each)]
    again = [chance.choice(good) for _ in range(each)]
    bad = [fault.spoil(_victim(n)) for n, fault in enumerate(FAULTS * each)]
    lines = [*good, *bad, *again]
    chance.shuffle(lines)
    expected = Expected(
        received=len(lines) + len(late),
        valid=len(events),
        duplicates=len(again),
        quarantined=len(bad),
        reasons=dict(Counter(fault.code for fault in FAULTS * each)),
        late=len(late),
    )
    return Faulty([*lines, *late], expected)


def _victim(number: int) -> Event:
    """A good event of a user of its own; the same number gives the same one."""
    when = f"2026-06-01T{number // 60 % 24:02}:{number % 60:02}:00Z"
    user = f"faulty-{number:04}"
    return {"user_id": user, "timestamp": when, "event_type": "page_view", "metadata": {}}


def _with(**fields: Any) -> Callable[[Event], str]:
    return lambda event: json.dumps({**event, **fields})


def _without(name: str) -> Callable[[Event], str]:
    return lambda event: json.dumps({key: value for key, value in event.items() if key != name})


FAULTS = [
    Fault("malformed", lambda event: json.dumps(event)[:-9]),
    Fault("malformed", lambda event: f"{event['user_id']} was here"),
    Fault("malformed", _with(timestamp="yesterday")),
    Fault("missing", _without("user_id")),
    Fault("missing", _without("timestamp")),
    Fault("missing", _without("event_type")),
    Fault("missing", _with(event_type="item_view")),
    Fault("missing", _with(event_type="purchase", item_id="item-001")),
    Fault("wrong_type", _with(metadata="none")),
    Fault("wrong_type", _with(event_type="purchase", value="a lot")),
    Fault("wrong_type", _with(event_type="scroll", metadata={"depth": "deep"})),
    Fault("out_of_range", _with(event_type="scroll", metadata={"depth": 250})),
    Fault("out_of_range", _with(event_type="purchase", value=-5)),
    Fault("future", _with(timestamp="2150-01-01T00:00:00Z")),
    Fault("too_old", _with(timestamp="1990-01-01T00:00:00Z")),
    Fault("unknown_type", _with(event_type="teleport")),
    Fault("too_large", lambda event: json.dumps({**event, "metadata": {"text": "x" * 70_000}})),
]
