"""The first-party cookie of the anonymous id: set after consent, taken back on withdrawal."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from sparkperso.config.collect import CookieConfig

SAME_SITE: dict[str, Literal["lax", "strict", "none"]] = {
    "Lax": "lax",
    "Strict": "strict",
    "None": "none",
}


def values_of(header: bytes, name: str) -> Iterator[str]:
    """Gives the values of a cookie in a Cookie header, in order, as browsers write it.

    Pairs are cut at `;`, and a name ends at its first `=`; nothing else means anything (RFC 6265,
    section 5.4), so that another's cookie of JSON, spaces or UTF-8 hides none. A browser that has
    several of one name, of other paths or domains, sends the most specific first.
    """
    own = name.encode()
    for pair in header.split(b";"):
        cookie, _, value = pair.partition(b"=")
        if cookie.strip() == own:
            yield value.strip().decode("latin-1")


def new_anonymous_id() -> str:
    """Returns a random id that says nothing of its person."""
    return f"a-{uuid.uuid4().hex}"


@dataclass(frozen=True)
class Cookies:
    """Reads, sets and removes the cookie; no other code reads one."""

    config: CookieConfig
    is_secure: bool = True
    """Whether browsers may send it over https only: by the collector's public address."""

    def read(self, header: bytes | None) -> str | None:
        """Returns the id in a Cookie header, the first that the collector made; else None."""
        if not header:
            return None
        return next(filter(self.is_own, values_of(header, self.config.name)), None)

    @staticmethod
    def is_own(value: str) -> bool:
        """Says whether an id is one that the collector made."""
        return len(value) == 34 and value[:2] == "a-" and value[2:].isalnum() and value.isascii()

    def set_on(self, response: Response, anonymous_id: str) -> None:
        """Adds Set-Cookie: HttpOnly, SameSite, and Secure unless the public address is http."""
        response.set_cookie(
            self.config.name,
            anonymous_id,
            max_age=self.config.days * 86_400,
            domain=self.config.domain,
            secure=self.is_secure,
            httponly=True,
            samesite=self._same_site,
        )

    def remove_on(self, response: Response) -> None:
        """Takes the cookie back: Set-Cookie with the same attributes, expired."""
        response.delete_cookie(
            self.config.name,
            domain=self.config.domain,
            secure=self.is_secure,
            httponly=True,
            samesite=self._same_site,
        )

    @property
    def _same_site(self) -> Literal["lax", "strict", "none"]:
        return SAME_SITE[self.config.same_site]
