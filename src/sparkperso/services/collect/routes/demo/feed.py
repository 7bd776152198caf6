"""What the demo's site sent, as it was kept: in memory alone, for its pages."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import orjson

from sparkperso.services.collect.intake.event_validation import RECORDING
from sparkperso.services.collect.intake.pipeline import Result
from sparkperso.services.http.write_keys import SiteKey

SITE = "demo"
MOST_LINES, MOST_PARTS = 500, 400
"""A part of a recording may have a megabyte: at worst they take 400 MB of memory."""
PART = {"recording_id": str, "sequence": int, "started_at": int, "text": str}


class DemoFeed:
    """The last lines, numbered from 1 since the start, and the last parts of recordings.

    At most MOST_LINES and MOST_PARTS of them, in this process's memory.
    """

    def __init__(self) -> None:
        self.last = 0
        self.counts: Counter[str] = Counter()
        self._lines: deque[tuple[int, dict[str, Any]]] = deque(maxlen=MOST_LINES)
        self._parts: deque[dict[str, Any]] = deque(maxlen=MOST_PARTS)

    def watch(self, key: SiteKey, lines: Sequence[bytes], results: Sequence[Result]) -> None:
        """Notes the lines of one request that were kept, and what became of its events.

        Requests of other sites are passed over.
        """
        if key.site != SITE:
            return
        self.counts.update(str(result["status"]) for result in results)
        for text in lines:
            line = orjson.loads(text)
            self.last += 1
            if line["event_type"] == RECORDING:
                metadata = line["metadata"]
                # A part of a recording, unless somebody sent what they call one.
                if all(type(metadata.get(name)) is kind for name, kind in PART.items()):
                    self._parts.append(line)
                # Without its text, which may have a megabyte.
                line = {**line, "metadata": {**metadata, "text": "…"}}
            self._lines.append((self.last, line))

    def after(self, number: int) -> list[dict[str, Any]]:
        """Returns the lines after a number, oldest first; all when it is of an earlier start."""
        # A page that was open over a restart asks for numbers that are not there yet.
        since = number if number <= self.last else 0
        return [line for place, line in self._lines if place > since]

    def recordings(self) -> list[dict[str, Any]]:
        """Returns a summary of each recording that can be played, the newest first."""
        names = dict.fromkeys(line["metadata"]["recording_id"] for line in self._parts)
        playable = [self._of(name) for name in names]
        return [_summary(lines) for lines in playable if lines][::-1]

    def recording(self, name: str) -> dict[str, Any] | None:
        """Returns a recording's start (ms) and rrweb's events as lines; None if there is none."""
        lines = self._of(name)
        if not lines:
            return None
        return {"started_at": lines[0]["metadata"]["started_at"], "lines": _text(lines)}

    def _of(self, name: str) -> list[dict[str, Any]]:
        """Returns a recording's lines in order, each part once, up to the first gap.

        None are left when the first was forgotten: what comes after a gap cannot be played.
        """
        parts = [line for line in self._parts if line["metadata"]["recording_id"] == name]
        own = {line["metadata"]["sequence"]: line for line in parts}
        gap = next(number for number in range(len(own) + 1) if number not in own)
        return [own[number] for number in range(gap)]


def _summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    first = lines[0]
    return {
        "recording_id": first["metadata"]["recording_id"],
        "page_url": first["context"].get("page_url", ""),
        "started_at": first["metadata"]["started_at"],
        "seconds": _milliseconds(_text(lines)) / 1000,
        "parts": len(lines),
    }


def _milliseconds(text: str) -> float:
    """Returns the time of a recording's last event, since its start; 0 if it is none of rrweb's."""
    try:
        return float(orjson.loads(text.strip().rpartition("\n")[2])["timestamp"])
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return 0.0


def _text(lines: list[dict[str, Any]]) -> str:
    return "".join(line["metadata"]["text"] for line in lines)
