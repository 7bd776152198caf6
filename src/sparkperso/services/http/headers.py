"""Headers of a request, whose repetitions are joined; and of answers that are data for a script."""

from __future__ import annotations

from starlette.types import Scope

RawHeaders = tuple[tuple[bytes, bytes], ...]
"""Headers as ASGI takes them, names in lower case."""

SAFE: RawHeaders = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""For every answer: it is of the type that it says, tells no other site its address, loads and runs
nothing should somebody open it as a page, and stands in nobody's frame."""
NO_STORE: RawHeaders = ((b"cache-control", b"no-store"),)
"""For what is one person's: no cache on the way, nor the browser's, keeps it."""
REVALIDATED: RawHeaders = (
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"authorization"),
)
"""For what has an ETag: the browser alone may keep it, and asks whether it still holds."""
JSON_HEADERS: RawHeaders = ((b"content-type", b"application/json"), *SAFE, *NO_STORE)
"""For an answer in JSON, ready to be sent: no request builds them anew."""
PROBLEM_HEADERS: RawHeaders = ((b"content-type", b"application/problem+json"), *SAFE, *NO_STORE)
"""For a problem document."""


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Returns a request's headers, names in lower case; all values of one that is repeated.

    They are joined in order, by commas (RFC 9110, section 5.3) but cookies by semicolons: neither
    the first nor the last of two that differ is believed. What should come once and came twice is
    then no key, no origin and no region.
    """
    pairs = scope["headers"]
    headers = dict(pairs)  # enough for nearly all requests, in which no name comes twice
    if len(headers) < len(pairs):
        values_of: dict[bytes, list[bytes]] = {}
        for name, value in pairs:
            values_of.setdefault(name, []).append(value)
        headers = {name: _joined(name, values) for name, values in values_of.items()}
    return headers


def _joined(name: bytes, values: list[bytes]) -> bytes:
    if name == b"cookie":
        return b"; ".join(values)
    return values[0] if len(set(values)) == 1 else b", ".join(values)
