"""The first-party cookie of the anonymous id: set after consent, taken back on withdrawal."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Literal

from starlette.requests import HTTPConnection
from starlette.responses import Response

from sparkperso.config.collect import CookieConfig

SAME_SITE: dict[str, Literal["lax", "strict", "none"]] = {
    "Lax": "lax",
    "Strict": "strict",
    "None": "none",
}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def new_anonymous_id() -> str:
    """Returns a random id that says nothing of its person."""
    return f"a-{uuid.uuid4().hex}"


@dataclass(frozen=True)
class Cookies:
    """Reads, sets and removes the cookie."""

    config: CookieConfig

    def read(self, header: bytes | None) -> str | None:
        """Returns the id in a Cookie header, if it is one that the collector made."""
        if not header:
            return None
        try:
            found = SimpleCookie(header.decode("latin-1")).get(self.config.name)
        except CookieError:
            return None
        return found.value if found and self.is_own(found.value) else None

    @staticmethod
    def is_own(value: str) -> bool:
        """Says whether an id is one that the collector made."""
        return len(value) == 34 and value[:2] == "a-" and value[2:].isalnum() and value.isascii()

    def set_on(self, response: Response, request: HTTPConnection, anonymous_id: str) -> None:
        """Adds Set-Cookie: HttpOnly, SameSite, and Secure but for plain http on loopback."""
        response.set_cookie(
            self.config.name,
            anonymous_id,
            max_age=self.config.days * 86_400,
            domain=self.config.domain,
            secure=not _is_plain_loopback(request),
            httponly=True,
            samesite=self._same_site,
        )

    def remove_on(self, response: Response, request: HTTPConnection) -> None:
        """Takes the cookie back."""
        response.delete_cookie(
            self.config.name,
            domain=self.config.domain,
            secure=not _is_plain_loopback(request),
            httponly=True,
            samesite=self._same_site,
        )

    @property
    def _same_site(self) -> Literal["lax", "strict", "none"]:
        return SAME_SITE[self.config.same_site]


def _is_plain_loopback(request: HTTPConnection) -> bool:
    return request.url.scheme in ("http", "ws") and request.url.hostname in LOOPBACK
