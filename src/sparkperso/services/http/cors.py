"""CORS: pages of known origins may send, and read the answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.write_keys import matches

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

    `is_origin` knows origins; a preflight names no key and no token, so that it is one list for all
    who send. With `credentials` a page may send its cookie. `exposed` are the headers of answers
    that its script may read, beside those that it always may.
    """

    def __init__(
        self,
        app: ASGIApp,
        is_origin: Callable[[str], bool],
        *,
        credentials: bool = False,
        exposed: Sequence[str] = (),
    ) -> None:
        self._app, self._is_origin = app, is_origin
        self._headers = {"Access-Control-Allow-Credentials": "true"} if credentials else {}
        if exposed:
            self._headers["Access-Control-Expose-Headers"] = ", ".join(exposed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        # Servers send none, and for a look alone no dictionary is made.
        is_page = scope["type"] == "http" and any(b"origin" in pair for pair in scope["headers"])
        # An Origin that came twice and differs is none that is known.
        origin = _header(scope, b"origin") if is_page else None
        if origin is None or not self._is_origin(origin):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # The origin itself: with credentials `*` is not allowed (Fetch standard).
                headers["Access-Control-Allow-Origin"] = origin
                headers.update(self._headers)
                headers.add_vary_header("Origin")
            await send(message)

        app = _preflight(scope) if scope["method"] == "OPTIONS" else self._app
        await app(scope, receive, send_with_headers)


def origins_of(allowed: Iterable[str]) -> Callable[[str], bool]:
    """Returns what says whether an origin is allowed; `:*` at an allowed one's end is any port.

    >>> is_origin = origins_of(["https://shop.example", "http://localhost:*"])
    >>> is_origin("https://shop.example"), is_origin("https://shop.example.evil.example")
    (True, False)
    """
    patterns = tuple(allowed)
    exact = frozenset(patterns)
    return lambda origin: origin in exact or any(matches(origin, one) for one in patterns)


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
