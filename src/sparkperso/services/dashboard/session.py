"""Who looks at a page: by a header, as programs send it, or by the cookie of who signed in.

The cookie is the token itself: HttpOnly, so that no script reads it, and SameSite=Strict, so that
no other site's page sends it along. Nothing is kept here of who is signed in.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from sparkperso.services.access.caller import FOR_ANYONE, Caller
from sparkperso.services.access.gate import Gate
from sparkperso.services.access.refusals import no_token
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.problems import Problem

COOKIE = "sparkperso_dashboard"
MOST_COOKIE = 3_800
"""Bytes of a token that is kept as a cookie: browsers take four thousand with its name."""
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}")
"""What a token is made of (RFC 6750, b64token): nothing that would end a cookie."""
VIEW, ANALYSE, OPERATE = "dashboard:view", "dashboard:analyse", "dashboard:operate"
PEOPLE = "profile:read"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Sessions:
    """Knows callers, and lets them in and out."""

    def __init__(self, gate: Gate, hours: float, clock: Callable[[], float] = time.time) -> None:
        self._gate, self._seconds, self._clock = gate, hours * 3600, clock

    def caller(self, request: Request) -> Caller:
        """Returns who asks; raises a Problem: 401 for nobody, 403 for a shop's customer, 429."""
        headers = headers_of(request.scope)
        if b"authorization" not in headers:
            token = request.cookies.get(COOKIE)
            if not token or not TOKEN.fullmatch(token):
                raise no_token()
            headers = {**headers, b"authorization": f"Bearer {token}".encode()}
        client = request.client
        caller = self._gate.admit(headers, client.host if client else None)
        require_staff(caller)
        request.scope["caller"] = caller.kind
        return caller

    def sign_in(self, request: Request, token: str, response: Response) -> Caller:
        """Lets the holder of a token in, by a cookie of `response`; raises a Problem.

        401 for what is no token here, 403 for one that opens no page, 413 for one that is too long
        for a cookie.
        """
        token = token.strip().removeprefix("Bearer ").strip()
        if not TOKEN.fullmatch(token):
            raise Problem(401, "invalid_token", "This is not a token or an API key.")
        headers = {**headers_of(request.scope), b"authorization": f"Bearer {token}".encode()}
        client = request.client
        caller = self._gate.admit(headers, client.host if client else None)
        require_staff(caller)
        if len(token) > MOST_COOKIE:
            detail = (
                f"A cookie holds a token of {MOST_COOKIE} bytes at most. Let a proxy in front send "
                "this one as the header Authorization, or ask for one with fewer claims."
            )
            raise Problem(413, "long_token", detail)
        left = self._seconds
        if caller.until is not None:
            left = min(left, caller.until - self._clock())
        response.set_cookie(COOKIE, token, max_age=max(int(left), 0), **_attributes(request))
        return caller

    def sign_out(self, request: Request, response: Response) -> None:
        """Takes the cookie away."""
        response.delete_cookie(COOKIE, **_attributes(request))


def require_staff(caller: Caller) -> None:
    """Raises a 403 Problem for a shop's customer or visitor, and for who may see no page at all."""
    if caller.kind not in FOR_ANYONE or VIEW not in caller.scopes:
        detail = f"The dashboard is for tokens and keys with the scope {VIEW}."
        raise Problem(403, "insufficient_scope", detail)


def require_own_site(request: Request) -> None:
    """Raises a 403 Problem for a form that another site's page sent.

    Browsers say so themselves over https and on this machine (Sec-Fetch-Site); others by the
    origin, which is held against the host that was asked.
    """
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None:
        is_own = fetched in ("same-origin", "none")
    else:
        origin = request.headers.get("origin")
        is_own = origin is None or _host_of(origin) == request.headers.get("host")
    if not is_own:
        raise Problem(403, "other_site", "This form was sent by a page of another site.")


def _host_of(origin: str) -> str:
    """Returns host and port of an origin; an empty text for what is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def own_path(text: str, known: frozenset[str]) -> str:
    """Returns a path with its query if it leads to a page of ours, else the first page's.

    >>> own_path("//evil.example/runs", frozenset({"/runs"}))
    '/'
    >>> own_path("/runs?job=run", frozenset({"/runs"}))
    '/runs?job=run'
    """
    path, _, query = text.partition("?")
    if path not in known or not re.fullmatch(r"[\w%&=+.~:-]*", query, re.ASCII):
        return "/"
    return f"{path}?{query}" if query else path


def _attributes(request: Request) -> dict[str, Any]:
    """The cookie's attributes: never over plain HTTP, but to this machine itself."""
    is_secure = request.url.hostname not in LOOPBACK
    return {"path": "/", "httponly": True, "samesite": "strict", "secure": is_secure}
