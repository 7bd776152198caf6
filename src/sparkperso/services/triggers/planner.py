"""From the history of segments to messages: which change fires which trigger, and for whom."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping

from sparkperso.core.consent import Purpose
from sparkperso.core.errors import JobError
from sparkperso.platform.table_feed import FeedError, Place, Row, TableFeed
from sparkperso.services.triggers.consents import Consents
from sparkperso.services.triggers.definitions import ReadyTrigger
from sparkperso.services.triggers.message import Message, message_of
from sparkperso.services.triggers.metrics import TriggerMetrics
from sparkperso.services.triggers.queue import NO_TABLE, Queue

HISTORY = "gold/segment_history"
log = logging.getLogger("sparkperso.triggers")


class Planner:
    """Reads one version of the history after the other, and queues what it means."""

    def __init__(
        self, feed: TableFeed, queue: Queue, consents: Consents, metrics: TriggerMetrics
    ) -> None:
        self._feed, self._queue = feed, queue
        self._consents, self._metrics = consents, metrics

    def begin(self, settled: Place | None = None, *, from_end: bool = False) -> str:
        """Finds where to go on, and returns that in one sentence.

        `settled` is up to where another machine has settled everything. Without any bookmark, or
        with `from_end`, what the history says so far fires nothing.
        """
        latest, bookmark = self._feed.latest(), self._queue.bookmark()
        if settled and (bookmark is None or _is_later(settled, bookmark)):
            bookmark = settled
            self._queue.move_on(settled)
        if from_end or bookmark is None:
            self._queue.move_on(latest or NO_TABLE)
            why = "as was asked for" if from_end else "for there is no bookmark yet"
            if latest is None:
                return f"{HISTORY} is not there yet: its first rows will be the first that count"
            return (
                f"It begins at the end of {HISTORY} (version {latest.version}), {why}: "
                "what that says so far fires nothing"
            )
        return f"It goes on after version {bookmark.version} of {HISTORY}"

    def step(self, triggers: Mapping[str, ReadyTrigger]) -> bool:
        """Reads the next version, if there is one; returns whether there was.

        Raises StoreError or JobError where store or lake cannot be read: nothing is skipped then.
        """
        latest, bookmark = self._feed.latest(), self._queue.bookmark()
        if latest is None or bookmark is None:
            return False
        if bookmark == NO_TABLE:
            bookmark = Place(latest.table_id, -1)
        if bookmark.table_id != latest.table_id or bookmark.version > latest.version:
            # Another table, or one that was put back: what changed in between nobody can tell.
            log.warning("%s is another than was read before: it is followed from its end", HISTORY)
            self._queue.move_on(latest)
            return True
        if bookmark.version == latest.version:
            return False
        self._take(Place(latest.table_id, bookmark.version + 1), triggers)
        return True

    def _take(self, place: Place, triggers: Mapping[str, ReadyTrigger]) -> None:
        try:
            for rows in self._feed.added(place.version):
                self._queue.add(self._messages(rows, triggers), place.version, time.time())
        except FeedError as error:
            raise JobError(
                error.expected,
                error.found,
                "It is tried again. Where Delta's log has it no longer, 'sparkperso triggers run "
                "--from-end', once, goes on at the end",
            ) from None
        self._queue.move_on(place)

    def _messages(self, rows: Iterable[Row], triggers: Mapping[str, ReadyTrigger]) -> list[Message]:
        # Who moves from one segment to another leaves the one first.
        ordered = sorted(rows, key=lambda row: (row["assigned_at"], row["change"] == "entered"))
        fired = {
            name: [row for row in ordered if one.fires(row["segment_id"], row["change"])]
            for name, one in triggers.items()
        }
        people: dict[Purpose, dict[str, None]] = {}
        for name, found in fired.items():
            ids = dict.fromkeys(row["user_id"] for row in found)
            people.setdefault(triggers[name].config.consent, {}).update(ids)
        agreed = {
            purpose: self._consents.agreed(list(ids), purpose) if ids else set()
            for purpose, ids in people.items()
        }
        messages = []
        for name, found in fired.items():
            may = agreed[triggers[name].config.consent]
            told = [row for row in found if row["user_id"] in may]
            messages += [message_of(name, triggers[name].host, row) for row in told]
            self._metrics.count(name, "queued", len(told))
            self._metrics.count(name, "no_consent", len(found) - len(told))
        return messages


def _is_later(one: Place, other: Place) -> bool:
    return one.table_id != other.table_id or one.version > other.version
