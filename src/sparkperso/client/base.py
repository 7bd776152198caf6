"""What both clients are made of: a queue, its delivery, and how events get in."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

import httpx

from sparkperso.client.delivery import Batch, Delivery
from sparkperso.client.events import new_event
from sparkperso.client.options import Options, Stats
from sparkperso.client.queue import Queue

log = logging.getLogger("sparkperso.client")
PATH = "/v1/events"
SENT_AGAIN = (httpx.HTTPError, sqlite3.OperationalError)
"""No answer; or one that could not be noted on a full disk: sent again, it is a duplicate."""


class Base:
    """The parts that neither wait nor send; both clients are made of them.

    Without `queue`, a file, events wait in memory and end with the process.
    """

    def __init__(
        self,
        url: str,
        write_key: str,
        *,
        queue: Path | str | None = None,
        options: Options | None = None,
    ) -> None:
        self.options, self.stats = options or Options(), Stats()
        self._queue = Queue(queue, self.options.max_queued)
        self._delivery = Delivery(self._queue, self.options, self.stats)
        self._is_kept = queue is not None
        self._http: dict[str, Any] = {
            "base_url": url,
            "auth": (write_key, ""),
            "timeout": self.options.timeout,
            "headers": {"User-Agent": "sparkperso-python"},
        }

    @property
    def queued(self) -> int:
        """Returns how many events wait, those of the request under way too."""
        return len(self._queue)

    def track(self, event_type: str, **fields: Any) -> str:
        """Queues an event, and returns its id at once; `fields` are those of an event.

        Raises UsageError for an event that cannot be one, and once the client is closed. A full
        queue drops the event, which is counted in `stats.dropped` and logged.
        """
        event_id, line = new_event(event_type, fields)
        if not self._queue.put(line):
            # No exception: a shop must not fail because its events cannot be sent.
            self.stats.dropped += 1
            log.error("The queue is full at %d events: %s is dropped", self.queued, event_id)
        if self.queued >= self.options.batch_events:
            self._wake()
        return event_id

    def _wake(self) -> None:
        raise NotImplementedError

    def _note(self, batch: Batch, response: httpx.Response) -> None:
        self._delivery.answered(batch, response.status_code, response.headers, response.content)

    def _end(self) -> None:
        if self.queued and not self._is_kept:
            log.error("%d events were never sent, and there is no queue file", self.queued)
        self._queue.close()
