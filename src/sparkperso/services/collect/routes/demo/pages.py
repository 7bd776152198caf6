"""The demo shop of `sparkperso collect --demo`: its pages, and what was received from it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import wraps
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sparkperso.services.collect.intake.request_services import RequestServices
from sparkperso.services.collect.routes.demo.feed import SITE, DemoFeed
from sparkperso.services.collect.routes.events import json_response
from sparkperso.services.collect.routes.web import built_file
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.problems import Problem

Handler = Callable[[Request], Awaitable[Response]]
PAGES = frozenset({"live", "privacy", "replay"})
NUMBER = re.compile("[0-9]{1,15}")


def routes(service: RequestServices) -> list[Route]:
    """Returns the demo's routes, and has the pipeline tell them what is kept."""
    allowed = Hosts(service.config.public_url)
    received = DemoFeed()
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
        lines = received.after(int(text) if NUMBER.fullmatch(text) else 0)
        counts = {name: received.counts[name] for name in ("accepted", "refused", "invalid")}
        visits = service.metrics.visits_of(SITE)
        body = {"last": received.last, "lines": lines, "counts": {**counts, "visits": visits}}
        return json_response(body)

    async def get_recordings(_: Request) -> Response:
        """Lists the recordings since the start, the newest first."""
        return json_response({"recordings": received.recordings()})

    async def get_recording(request: Request) -> Response:
        """Returns rrweb's events of one recording as lines."""
        recording = received.recording(request.path_params["name"])
        if recording is None:
            raise Problem(404, "no_recording", "There is no such recording since the start.")
        return json_response(recording)

    async def to_demo(_: Request) -> Response:
        """Leads to the shop."""
        return RedirectResponse("/demo/")

    return [
        Route("/", to_demo),
        Route("/demo", to_demo),
        Route("/demo/api/feed", allowed.only(get_feed)),
        Route("/demo/api/recordings", allowed.only(get_recordings)),
        Route("/demo/api/recordings/{name}", allowed.only(get_recording)),
        Route("/demo/assets/{name}", get_asset),
        Route("/demo/{path:path}", allowed.only(get_page)),
    ]


class Hosts:
    """The names under which the demo shows what it received.

    Another site's page can lead its own name to this machine (DNS rebinding), and would then read
    the feed as its own. It cannot do so under an address or under `localhost`, nor under the
    collector's public host.
    """

    def __init__(self, public_url: str | None) -> None:
        self._public = (urlsplit(public_url).hostname or "") if public_url else ""

    def only(self, handler: Handler) -> Handler:
        """Returns the handler, which answers 421 to a request for another host."""

        @wraps(handler)
        async def guarded(request: Request) -> Response:
            host = headers_of(request.scope).get(b"host", b"").decode("latin-1")
            if not self.has(host):
                detail = "The demo answers to localhost, to an address, and to collect.public_url."
                raise Problem(421, "host", detail)
            return await handler(request)

        return guarded

    def has(self, host: str) -> bool:
        """Says whether a Host header names the collector as only its own people can.

        >>> hosts = Hosts("https://demo.shop.example")
        >>> hosts.has("demo.shop.example"), hosts.has("127.0.0.1:8080"), hosts.has("evil.example")
        (True, True, False)
        """
        name = re.sub(r":[0-9]{1,5}$", "", host).lower()
        if name in (self._public, "localhost") and name:
            return True
        try:
            ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True
