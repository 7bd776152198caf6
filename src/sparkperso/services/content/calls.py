"""Answers of content management systems: asked for, and read as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import anyio
import orjson

from sparkperso.core.errors import JobError
from sparkperso.services.http.outbound import Answer, Outbound

BUSY_TRIES = 3
"""How often a system that says that it is asked too often is asked again."""
BUSY_SECONDS = 1.0
WAITS = (b"retry-after", b"x-contentful-ratelimit-reset")
"""Headers with the seconds to wait."""
ADDRESS = re.compile(rb"[!-~]{1,200}")


class SourceError(JobError):
    """A content management system gave no content; the text is one sentence (exit status 1)."""


class Api:
    """The API of one system."""

    def __init__(self, client: Outbound, base_url: str, token: str | None) -> None:
        self._client, self._base_url = client, base_url
        self._headers = {"Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    async def get(self, path: str, query: Mapping[str, object]) -> dict[str, Any]:
        """Returns the object of JSON at a path; raises SourceError or OutboundError."""
        url = self._base_url + quote(path, safe="/;=%:,@!$&'()*+~")
        if query:
            url += "?" + urlencode(query, quote_via=quote)
        for _ in range(BUSY_TRIES):
            answer = await self._client.send("GET", url, self._headers)
            if answer.status != 429:
                break
            await anyio.sleep(_seconds_to_wait(answer))
        return _object_of(answer, self._base_url)


def _seconds_to_wait(answer: Answer) -> float:
    for name in WAITS:
        text = answer.headers.get(name, b"")
        if text.isdigit():
            # Without an upper bound: whoever calls has one for all of it.
            return max(float(text), BUSY_SECONDS)
    return BUSY_SECONDS


def _object_of(answer: Answer, base_url: str) -> dict[str, Any]:
    status = answer.status
    if 300 <= status < 400:
        place = ADDRESS.match(answer.headers.get(b"location", b""))
        where = f" to {place[0].decode()}" if place else ""
        raise SourceError(
            f"{base_url} answered {status}, a redirect{where}: redirects are not followed, write "
            "the address itself as base_url"
        )
    if status in (401, 403):
        raise SourceError(f"{base_url} answered {status}: it does not take the token")
    if status != 200:
        raise SourceError(f"{base_url} answered {status}{_reason(answer)}")
    try:
        value = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise SourceError(f"{base_url} did not answer with JSON: {error}") from None
    if not isinstance(value, dict):
        raise SourceError(f"{base_url} answered with JSON that is no object")
    return value


def _reason(answer: Answer) -> str:
    """What an error's own JSON says: `message` is Contentful's, Wagtail's and Strapi's."""
    try:
        said = orjson.loads(answer.body)
        text = said.get("message") or said["error"]["message"]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return ""
    return f": {str(text)[:200]}"


def list_of(value: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """Returns the list `name` of an answer; raises SourceError where there is none."""
    found = value.get(name)
    if not isinstance(found, list):
        raise SourceError(f"{where} should answer with a list '{name}', found none")
    return found


def require_few(count: int, most: int, where: str) -> None:
    """Raises SourceError for more entries than are taken."""
    if count > most:
        raise SourceError(f"{where} has more than {most:,} entries (cms.max_entries)")
