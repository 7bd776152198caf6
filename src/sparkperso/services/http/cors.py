"""CORS: pages of the sites' origins may send, with their cookie, and read the answers."""

from __future__ import annotations

import re

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.write_keys import WriteKeys

PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Max-Age": "7200",
    "Vary": "Access-Control-Request-Headers",
}
HEADERS = "Authorization, Content-Type, Content-Encoding"
HEADER_NAMES = re.compile(
    r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: ?, ?[!#$%&'*+.^_`|~0-9A-Za-z-]+)*", re.ASCII
)
MAX_HEADER_NAMES = 1024
"""Characters of the names that a preflight may ask for: they go back into a header."""


class Cors:
    """Answers preflights and adds the headers of CORS; requests without an Origin pass through.

    An origin is known when any site has it: a preflight names no key. The request itself is held
    against its own site's origins.
    """

    def __init__(self, app: ASGIApp, ring: WriteKeys) -> None:
        self._app, self._ring = app, ring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        # An Origin that came twice and differs is none that a site has.
        origin = _header(scope, b"origin") if scope["type"] == "http" else None
        if origin is None or not self._ring.is_origin(origin):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # The origin itself: with credentials `*` is not allowed (Fetch standard).
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Allow-Credentials"] = "true"
                headers.add_vary_header("Origin")
            await send(message)

        app = _preflight(scope) if scope["method"] == "OPTIONS" else self._app
        await app(scope, receive, send_with_headers)


def _preflight(scope: Scope) -> Response:
    """Grants the headers that a known origin asks for: clients send more than we read.

    RudderStack's sends `AnonymousId`, Segment's `X-Retry-Count`; none has a meaning here, and the
    key and the origin are checked with the request itself.
    """
    requested = _header(scope, b"access-control-request-headers") or ""
    is_list = len(requested) <= MAX_HEADER_NAMES and HEADER_NAMES.fullmatch(requested)
    granted = {"Access-Control-Allow-Headers": requested if is_list else HEADERS}
    return Response(None, 204, {**PREFLIGHT, **granted})


def _header(scope: Scope, name: bytes) -> str | None:
    value = headers_of(scope).get(name)
    return None if value is None else value.decode("latin-1")
