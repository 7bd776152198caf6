"""The demo shop of `sparkperso collect --demo`: its pages, and what was received from it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sparkperso.collect.events import json_response
from sparkperso.collect.keys import SiteKey
from sparkperso.collect.pipeline import RECORDING, Result
from sparkperso.collect.problems import Problem
from sparkperso.collect.service import Service
from sparkperso.collect.web import built_file

SITE = "demo"
PAGES = frozenset({"live", "privacy", "replay"})
MOST_LINES, MOST_PARTS = 500, 400
"""What is remembered, in memory alone: the pages show what came since the start."""


class Received:
    """What the demo's site sent, as it was kept."""

    def __init__(self) -> None:
        self.last = 0
        self.counts: Counter[str] = Counter()
        self.lines: deque[tuple[int, dict[str, Any]]] = deque(maxlen=MOST_LINES)
        self.parts: deque[dict[str, Any]] = deque(maxlen=MOST_PARTS)

    def watch(self, key: SiteKey, lines: Sequence[bytes], results: Sequence[Result]) -> None:
        """Notes the lines of one request that were kept, and what became of its events."""
        if key.site != SITE:
            return
        self.counts.update(str(result["status"]) for result in results)
        for line in map(orjson.loads, lines):
            self.last += 1
            if line["event_type"] == RECORDING:
                self.parts.append(line)
            self.lines.append((self.last, _shortened(line)))

    def after(self, number: int) -> list[dict[str, Any]]:
        """Returns the lines after a number, oldest first; all when it is of an earlier start."""
        since = number if number <= self.last else 0
        return [line for place, line in self.lines if place > since]

    def recording(self, name: str) -> list[dict[str, Any]]:
        """Returns the metadata of a recording's parts in order."""
        parts = [part["metadata"] for part in self.parts]
        own = [part for part in parts if part.get("recording_id") == name]
        return sorted(own, key=lambda part: part["sequence"])


def _shortened(line: dict[str, Any]) -> dict[str, Any]:
    """Returns a line without the text of a recording, which is up to a megabyte."""
    if line["event_type"] != RECORDING:
        return line
    return {**line, "metadata": {**line["metadata"], "text": "…"}}


def routes(service: Service) -> list[Route]:
    """Returns the demo's routes, and has the pipeline tell them what is kept."""
    received = Received()
    service.pipeline.watchers.append(received.watch)

    async def get_page(request: Request) -> Response:
        """Gives a page of the demo shop."""
        name = request.path_params["path"].partition("/")[0]
        return built_file("demo", f"{name if name in PAGES else 'shop'}.html")

    async def get_asset(request: Request) -> Response:
        """Gives a script or style of the demo shop."""
        return built_file("demo/assets", request.path_params["name"])

    async def get_feed(request: Request) -> Response:
        """Returns what was received after the number `after`."""
        text = request.query_params.get("after", "0")
        lines = received.after(int(text) if text.isdecimal() else 0)
        counts = {name: received.counts[name] for name in ("accepted", "refused", "invalid")}
        visits = service.metrics.visits_of(SITE)
        body = {"last": received.last, "lines": lines, "counts": {**counts, "visits": visits}}
        return json_response(body)

    async def get_recordings(_: Request) -> Response:
        """Lists the recordings since the start."""
        names = dict.fromkeys(part["metadata"]["recording_id"] for part in received.parts)
        return json_response({"recordings": [_summary(received, name) for name in names]})

    async def get_recording(request: Request) -> Response:
        """Returns rrweb's events of one recording as lines."""
        parts = received.recording(request.path_params["name"])
        if not parts:
            raise Problem(404, "no_recording", "There is no such recording since the start.")
        text = "".join(str(part["text"]) for part in parts)
        return json_response({"started_at": parts[0]["started_at"], "lines": text})

    async def to_demo(_: Request) -> Response:
        """Leads to the shop."""
        return RedirectResponse("/demo/")

    return [
        Route("/", to_demo),
        Route("/demo", to_demo),
        Route("/demo/api/feed", get_feed),
        Route("/demo/api/recordings", get_recordings),
        Route("/demo/api/recordings/{name}", get_recording),
        Route("/demo/assets/{name}", get_asset),
        Route("/demo/{path:path}", get_page),
    ]


def _summary(received: Received, name: str) -> dict[str, Any]:
    parts = received.recording(name)
    line = next(part for part in received.parts if part["metadata"]["recording_id"] == name)
    last = "".join(str(part["text"]) for part in parts).strip().rpartition("\n")[2]
    return {
        "recording_id": name,
        "page_url": line["context"].get("page_url", ""),
        "started_at": parts[0]["started_at"],
        "seconds": orjson.loads(last)["timestamp"] / 1000,
        "parts": len(parts),
    }
