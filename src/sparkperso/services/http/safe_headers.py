"""Headers of answers that are data: a browser reads them for a script, and does nothing else."""

from __future__ import annotations

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
