"""Headers of a request, whose repetitions are joined."""

from __future__ import annotations

from starlette.types import Scope


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
