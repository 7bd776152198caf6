"""A seeded click stream whose truth is known: events in the four-field form, and what is so.

Sessions are planned first, events are then put into them, and every tally is kept on the way; so
the truth does not come from reading the events again.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from sparkperso.testing.faults import Expected, Faulty, inject_faults
from sparkperso.testing.truth import DEVICES, SessionTruth, UserTruth

__all__ = [
    "ClickStream",
    "Expected",
    "Faulty",
    "Visitor",
    "inject_faults",
    "make_click_stream",
    "write_json_lines",
]

Event = dict[str, Any]
END = datetime(2026, 6, 30, 21, tzinfo=timezone.utc)
GAP = timedelta(minutes=30)
COUNTRIES = ("GB", "DE", "FR", "US")
CATEGORIES = ("garden", "home", "kitchen", "toys")
FEATURES = ("search_box", "size_guide", "wishlist")
KINDS = {
    "page_view": 20,
    "item_view": 30,
    "click": 15,
    "scroll": 12,
    "dwell": 10,
    "add_to_cart": 8,
    "purchase": 8,
    "refund": 2,
}


@dataclass(frozen=True)
class Visitor:
    """Who makes events. `device` is the usual one, null for one whose device is never told."""

    user_id: str
    country: str
    birth_year: int
    device: str | None
    sends_session_id: bool
    sends_order_id: bool


@dataclass(frozen=True)
class ClickStream:
    """Events in the order of their time, and the truth about each user as of `as_of`."""

    events: list[Event]
    visitors: list[Visitor]
    truth: dict[str, UserTruth]
    as_of: datetime

    def features(self) -> dict[str, dict[str, Any]]:
        """Returns the true features of every user, by user_id."""
        return {name: truth.features(self.as_of) for name, truth in self.truth.items()}

    def lines(self) -> list[str]:
        """Returns the events as lines of JSON."""
        return [json.dumps(event) for event in self.events]


def make_click_stream(
    n_users: int = 40, n_items: int = 30, days: int = 60, seed: int = 7, end: datetime = END
) -> ClickStream:
    """Returns a click stream of the `days` before `end`; the same seed gives the same one.

    The first user's last event is at `end` exactly. Three in four users send no session_id: their
    sessions are parted by more than 30 minutes and have no longer gap inside, but some of 30
    minutes exactly. The others' sessions follow what they send, whatever the gaps. Half of the
    users send no order_id: an order is then all that is bought in a session.
    """
    chance = random.Random(seed)
    makers = [_Maker(_visitor(n, chance), n_items, chance) for n in range(n_users)]
    for number, maker in enumerate(makers):
        maker.fill(end - timedelta(days=days), end, until_end=number == 0)
    events = [event for maker in makers for event in maker.events]
    events.sort(key=lambda event: (event["timestamp"], event["user_id"]))
    truth = {maker.truth.user_id: maker.truth for maker in makers}
    return ClickStream(events, [maker.visitor for maker in makers], truth, end)


def write_json_lines(
    records: Sequence[str | Mapping[str, Any]], folder: Path, files: int = 1, zipped: bool = False
) -> list[Path]:
    """Writes records as JSON lines into `files` files, gzipped or not; text is written as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    size = -(-len(lines) // files) or 1
    paths = []
    for number in range(files):
        path = folder / f"events-{number:03}.jsonl{'.gz' if zipped else ''}"
        part = lines[number * size : (number + 1) * size]
        content = "".join(f"{line}\n" for line in part).encode()
        path.write_bytes(gzip.compress(content, mtime=0) if zipped else content)
        paths.append(path)
    return paths


def _visitor(number: int, chance: random.Random) -> Visitor:
    return Visitor(
        user_id=f"user-{number:04}",
        country=chance.choice(COUNTRIES),
        birth_year=chance.randint(1940, 2008),
        device=chance.choice((*DEVICES, None)),
        sends_session_id=number % 4 == 3,
        sends_order_id=number % 2 == 0,
    )


@dataclass
class _Maker:
    """Makes the events of one visitor and tallies them."""

    visitor: Visitor
    n_items: int
    chance: random.Random
    events: list[Event] = field(default_factory=list)
    truth: UserTruth = field(init=False)
    bought: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.truth = UserTruth(self.visitor.user_id)

    def fill(self, start: datetime, end: datetime, until_end: bool) -> None:
        """Plans sessions from `start` on; the last one ends at `end` if `until_end`."""
        at = start + self._seconds(0, 5 * 86_400)
        while True:
            times = list(self._times(at))
            if times[-1] > end - timedelta(days=until_end):
                break
            self._session(times)
            at = times[-1] + self._pause()
        if until_end or not self.events:
            self._session([end - GAP, end])

    def _times(self, at: datetime) -> Iterator[datetime]:
        """The times of a session's events. Whoever sends session_id may rest within one."""
        yield at
        rests = [GAP, timedelta(hours=2)] if self.visitor.sends_session_id else [GAP]
        for _ in range(self.chance.randrange(12)):
            rest = self.chance.random() < 0.1
            at += self.chance.choice(rests) if rest else self._seconds(1, 1_500)
            yield at

    def _pause(self) -> timedelta:
        """The time between sessions."""
        if self.visitor.sends_session_id and self.chance.random() < 0.3:
            return timedelta(minutes=5)
        if self.chance.random() < 0.2:
            return GAP + timedelta(milliseconds=1)
        return self._seconds(1_801, 9 * 86_400)

    def _session(self, times: list[datetime]) -> None:
        number = len(self.truth.sessions)
        device = self._device()
        for when in times:
            event = self._event(when, number, device)
            order = event["metadata"].get("order_id", f"session {number}")
            self.events.append(event)
            self.truth.note(event, when, order)
        self.truth.sessions.append(SessionTruth(times[0], times[-1], len(times)))

    def _event(self, when: datetime, session: int, device: str | None) -> Event:
        event: Event = {
            "user_id": self.visitor.user_id,
            "timestamp": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            **(self._introduction() if not self.events else self._content(session)),
        }
        if device:
            event["context"] = {"device_type": device, "country": self.visitor.country}
        if self.visitor.sends_session_id:
            event["session_id"] = f"{self.visitor.user_id}/{session}"
        return event

    def _introduction(self) -> Event:
        metadata = {"birth_year": self.visitor.birth_year, "country": self.visitor.country}
        return {"event_type": "identify", "metadata": metadata}

    def _content(self, session: int) -> Event:
        kind = self.chance.choices(list(KINDS), list(KINDS.values()))[0]
        if kind == "refund" and not self.bought:
            kind = "page_view"
        if kind == "refund":
            return {**self.chance.choice(self.bought), "event_type": "refund"}
        if kind in {"scroll", "dwell"}:
            name, most = ("depth", 1_000) if kind == "scroll" else ("seconds", 3_000)
            return {"event_type": kind, "metadata": {name: self.chance.randint(0, most) / 10}}
        if kind in {"page_view", "click"}:
            used = {"feature": self.chance.choice(FEATURES)} if self.chance.random() < 0.3 else {}
            return {"event_type": kind, "metadata": used}
        return self._about_item(kind, session)

    def _about_item(self, kind: str, session: int) -> Event:
        item = self.chance.randrange(self.n_items)
        category = {"category": CATEGORIES[item % len(CATEGORIES)]} if item % 5 else {}
        event: Event = {"event_type": kind, "item_id": f"item-{item:03}", "metadata": category}
        if kind == "purchase":
            event |= {"value": self.chance.randint(50, 20_000) / 100, "currency": "GBP"}
            if self.visitor.sends_order_id:
                # Two orders in one session, and one order over two sessions.
                event["metadata"]["order_id"] = (
                    f"{self.visitor.user_id}-{(session + item % 2) // 2}"
                )
            self.bought.append(event)
        return event

    def _device(self) -> str | None:
        usual = self.visitor.device
        return usual if usual is None or self.chance.random() < 0.7 else self.chance.choice(DEVICES)

    def _seconds(self, least: int, most: int) -> timedelta:
        return timedelta(milliseconds=self.chance.randint(1_000 * least, 1_000 * most))
