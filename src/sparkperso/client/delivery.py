"""What to send next, and what an answer means: all of a client but its input and output."""

from __future__ import annotations

import gzip
import json
import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from sparkperso.client.options import Options, Stats
from sparkperso.client.queue import Queue

log = logging.getLogger("sparkperso.client")
SPLIT = frozenset({400, 413, 415, 422})
"""The request itself is at fault: halves of it are sent until the event that is, is found."""
LONGEST_WAIT = 3600.0
"""Seconds that are waited at most, whatever `Retry-After` says."""
PACK_FROM = 1400
"""Bytes of a body from which it is packed: what is smaller goes in one packet anyway."""


@dataclass(frozen=True)
class Batch:
    """One request: its events' numbers in the queue, its body and headers."""

    numbers: Sequence[int]
    body: bytes
    headers: Mapping[str, str]


class Delivery:
    """Takes batches off a queue when the collector has them. One thread or task uses it.

    1. `batch` gives the oldest events as one request.
    2. `answered` takes those off that the collector accepted, refused or found invalid.
    3. A request that is at fault is halved until the event that is, is alone.
    4. Whatever else happens is a failure: the same events again, after a growing pause.
    """

    def __init__(self, queue: Queue, options: Options, stats: Stats) -> None:
        self._queue, self._options, self._stats = queue, options, stats
        # Halved while a request is refused as a whole, and doubled again with each that is not.
        self._most = options.batch_events
        self._failures, self._not_before = 0, 0.0

    def batch(self) -> Batch:
        """Returns what to send now, while something waits: the oldest events, as one JSON object.

        At most `batch_events` of them, or half of those that were last refused together, and about
        `batch_bytes`; packed by gzip from PACK_FROM bytes.
        """
        rows = self._queue.head(self._most, self._options.batch_bytes)
        # The collector takes the error of this machine's clock from it.
        sent_at = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z").encode()
        events = b",".join(line for _, line in rows)
        body = b'{"sent_at":"' + sent_at + b'","events":[' + events + b"]}"
        headers = {"Content-Type": "application/json"}
        if len(body) >= PACK_FROM:
            body = gzip.compress(body, 5)
            headers["Content-Encoding"] = "gzip"
        return Batch([number for number, _ in rows], body, headers)

    def pause(self) -> float:
        """Returns the seconds to wait before the next request."""
        return max(0.0, self._not_before - time.monotonic())

    def answered(
        self, batch: Batch, status: int, headers: Mapping[str, str], content: bytes
    ) -> None:
        """Takes note of an answer; `headers` must not care for case.

        Only a collector's own word takes events off the queue: its results, or its no to a request
        that is at fault. Whatever else answers, a proxy's page with 200 too, keeps them.
        """
        results = _results(content)
        is_judged = len(results) == len(batch.numbers)
        if status in (200, 422) and is_judged:
            if status == 200:
                self._most = min(self._options.batch_events, self._most * 2)
            self._done(batch, results)
        elif status in SPLIT and len(batch.numbers) > 1:
            self._most = len(batch.numbers) // 2
        elif status in SPLIT:
            self._done(batch, [{"status": "invalid", "problem": _text(content)}])
        else:
            self.failed(f"status {status}: {_text(content)}", headers.get("Retry-After"))

    def failed(self, reason: str, retry_after: str | None = None) -> None:
        """Takes note that a request has to be sent again, after a pause.

        The pause doubles with each failure, from `first_pause` to `longest_pause` seconds, and is
        no shorter than `Retry-After` asks, up to LONGEST_WAIT.
        """
        self._stats.failures += 1
        doubled = self._options.first_pause * 2 ** min(self._failures, 30)
        # By chance between half and all of it: clients that failed together do not come together.
        own = min(self._options.longest_pause, doubled) * random.uniform(0.5, 1.0)
        pause = max(own, min(retry_seconds(retry_after), LONGEST_WAIT))
        self._failures += 1
        self._not_before = time.monotonic() + pause
        log.warning("Events wait %.1f s, then they are sent again: %s", pause, reason)

    def _done(self, batch: Batch, results: Sequence[Mapping[str, Any]]) -> None:
        """Removes a batch: its results say what became of each event."""
        self._failures, self._not_before = 0, 0.0
        self._queue.remove(batch.numbers)
        statuses = [str(result.get("status")) for result in results]
        self._stats.refused += statuses.count("refused")
        self._stats.invalid += statuses.count("invalid")
        others = statuses.count("refused") + statuses.count("invalid")
        self._stats.accepted += len(batch.numbers) - others
        for result in results:
            if result.get("status") == "invalid":
                log.error("The collector does not take an event: %r", result.get("problem"))


def retry_seconds(retry_after: str | None) -> float:
    """Returns the seconds that a Retry-After header names: a number, or a date of HTTP; else 0.

    RFC 9110, section 10.2.3.

    >>> retry_seconds("120"), retry_seconds("soon"), retry_seconds(None)
    (120.0, 0.0, 0.0)
    """
    text = (retry_after or "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _results(content: bytes) -> list[dict[str, Any]]:
    try:
        body = json.loads(content)
    except ValueError:
        return []
    results = body.get("results") if isinstance(body, dict) else None
    return [r for r in results if isinstance(r, dict)] if isinstance(results, list) else []


def _text(content: bytes) -> str:
    return repr(content[:300].decode("utf-8", "replace"))
