"""Reads bodies: their encoding, their size as sent and unpacked, their time, their JSON."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.types import Receive

from sparkperso.config.connections import ConnectionLimits
from sparkperso.services.http.deadlines import Deadlines
from sparkperso.services.http.json_repair import repair
from sparkperso.services.http.problems import Problem

Headers = Mapping[bytes, bytes]
JSON_TYPES = frozenset(
    {b"application/json", b"text/plain", b"application/x-www-form-urlencoded", b""}
)
"""Beacons are sent as text/plain, which needs no preflight; RudderStack's client for Node calls its
packed JSON a form."""


CLOSE: Mapping[str, str] = {"Connection": "close"}
"""Of answers that come before the body's end, which nobody reads: a next request of the client's on
this connection would stand behind the rest of it."""


class ClientGone(Exception):
    """The client hung up before its body was complete."""


class Bodies:
    """Reads bodies within their limits."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limit = limits.max_body_bytes
        self._deadlines: Deadlines[bytes] = Deadlines(limits.body_seconds)

    async def json(self, headers: Headers, receive: Receive) -> Any:
        """Returns the body's JSON value.

        Raises a Problem: 400 broken, 408 too slow, 413 too large, 415 neither JSON nor gzip.
        """
        check_type(headers)
        encoding = headers.get(b"content-encoding", b"").lower()
        if encoding not in (b"", b"identity", b"gzip"):
            raise Problem(415, "encoding", "Content-Encoding should be gzip or absent.")
        body = await self.read(headers, receive)
        return parse(unpack(body, self._limit) if encoding == b"gzip" else body)

    async def read(self, headers: Headers, receive: Receive) -> bytes:
        """Returns the body as sent, of at most max_body_bytes and in at most body_seconds.

        Raises a Problem: 408 too slow, 413 too large; and ClientGone when the client hangs up.
        """
        # A length that is no number, such as two that differ, is refused before a byte is read.
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._limit:
            raise too_large(self._limit, CLOSE)
        try:
            return await self._deadlines.within(_read_all(receive, self._limit))
        except TimeoutError:
            detail = f"The body should have come within {self._deadlines.seconds:g} seconds."
            raise Problem(408, "too_slow", detail, CLOSE) from None


def check_type(headers: Headers) -> None:
    """Raises a 415 Problem for a body that does not say that it is JSON in UTF-8.

    What pages send as a beacon (text/plain) is taken for JSON, and so is a body without a type.
    """
    text = headers.get(b"content-type", b"").lower()
    if text in JSON_TYPES:
        return
    kind, *parameters = text.split(b";")
    charset = [
        p.split(b"=")[1].strip(b'" ') for p in parameters if p.strip().startswith(b"charset=")
    ]
    if kind.strip() not in JSON_TYPES or any(name not in (b"utf-8", b"utf8") for name in charset):
        raise Problem(415, "media_type", "Content-Type should be application/json in UTF-8.")


async def _read_all(receive: Receive, limit: int) -> bytes:
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit, CLOSE)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def unpack(body: bytes, limit: int) -> bytes:
    """Returns a gzip body unpacked; stops at `limit` bytes, however small it was packed.

    Raises a Problem: 400 for what is no gzip or ends too early, 413 beyond the limit.
    """
    machine = zlib.decompressobj(31)  # 16 for a gzip header, 15 bits of window
    try:
        # One byte more than may be: what is too large is known without unpacking the rest.
        data = machine.decompress(body, limit + 1)
    except zlib.error:
        raise Problem(
            400, "gzip", "The body says that it is gzip, and cannot be unpacked."
        ) from None
    if len(data) <= limit and not machine.eof:
        raise Problem(400, "gzip", "The gzip body ends too early.")
    if len(data) > limit:
        raise too_large(limit)
    return data


def parse(body: bytes) -> Any:
    """Returns the value of a JSON text; raises a 400 Problem that says where it is broken.

    Half a character and a number that is none are repaired: they are one field's, not the batch's.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        repaired = repair(body)
        if repaired is not None:
            return repaired.value
        detail = f"The body should be JSON in UTF-8. It is not: {error}"
        raise Problem(400, "malformed", detail) from None


def too_large(limit: int, headers: Mapping[str, str] | None = None) -> Problem:
    """Returns 413."""
    detail = f"The body should have {limit} bytes at most, unpacked."
    return Problem(413, "too_large", detail, headers or {})
