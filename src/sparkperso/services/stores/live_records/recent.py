"""What somebody did a moment ago, as the overlay has it: a JSON array, the latest last.

Each element is an object of `item_id`, `event_type` and `at` (ISO 8601). An empty array stands for
a person whose events were removed: what was collected before that is not added any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from sparkperso.core.times import iso, now
from sparkperso.services.stores.overlay import Change, LiveRecord

NOTHING = b"[]"


class RecentEvent(NamedTuple):
    """One event with an item; both times in UTC."""

    item_id: str
    event_type: str
    at: datetime
    received_at: datetime

    def document(self) -> dict[str, Any]:
        """Returns it as the record has it."""
        return {"item_id": self.item_id, "event_type": self.event_type, "at": iso(self.at)}


def with_events(events: Sequence[RecentEvent], most: int, reach: timedelta) -> Change:
    """Returns a change that adds events to a record, of which the latest `most` stay.

    Those of longer ago than `reach` leave it; one that comes twice stands once.
    """

    def change(record: LiveRecord | None) -> LiveRecord | None:
        new = events
        if record is not None and record.value == NOTHING:
            new = [event for event in events if event.received_at > record.at]
        moment = now()
        since = iso(moment - reach)
        every = [] if record is None else orjson.loads(record.value)
        n_before = len(every)
        for document in (event.document() for event in new):
            if document not in every:
                every.append(document)
        kept = [one for one in sorted(every, key=_time) if one["at"] > since][-most:]
        if len(every) == n_before or not kept:
            return None
        return LiveRecord(orjson.dumps(kept), moment, moment + reach)

    return change


def removal(reach: timedelta) -> Change:
    """Returns a change that removes all events, and keeps out those that were collected before."""

    def change(_: LiveRecord | None) -> LiveRecord:
        moment = now()
        return LiveRecord(NOTHING, moment, moment + reach)

    return change


def _time(document: dict[str, Any]) -> str:
    return str(document["at"])
