"""Short hashes: ids of settings, files and rules; and the hash that assigns units to variants."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

DIGITS = 16
"""64 bits: two of a million different texts share an id with a chance of 3 in 10⁸."""


def short_hash(content: str | bytes, digits: int = DIGITS) -> str:
    """Returns the first `digits` hexadecimal digits of the content's SHA-256 (text as UTF-8).

    >>> short_hash("a"), short_hash(b"a", 4)
    ('ca978112ca1bbdca', 'ca97')
    """
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:digits]


BUCKETS = 10_000
"""Units are divided as finely: a weight below 0.0001 may go to nobody."""
_OFFSET, PRIME = 0x811C9DC5, 0x01000193


def fnv32a(text: str, begun: int = _OFFSET) -> int:
    """Returns the FNV-1a hash of 32 bits over UTF-16 code units, the characters of JavaScript.

    `begun` is the hash of what stands before the text.

    >>> fnv32a("a") == 0xE40C292C, fnv32a("b", fnv32a("a")) == fnv32a("ab")
    (True, True)
    """
    if text.isascii():
        # Half the time, for nearly all ids and for the digits of a hash.
        units: Iterable[int] = text.encode()
    else:
        # Lone halves of a surrogate pair are code units like others.
        units = memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")
    value = begun
    for unit in units:
        value = (value ^ unit) * PRIME & 0xFFFFFFFF
    return value


def share_of(seed: str, unit: str) -> float:
    """Returns where a unit stands in [0, 1), in steps of 1 / BUCKETS, for what `seed` names.

    The hash of version 2 of GrowthBook's SDKs, which all languages share: the hash of the hash's
    digits, since one alone would put units of like names side by side.

    >>> share_of("seed", "a")
    0.0505
    """
    return share_after(fnv32a(seed), unit)


def share_after(begun: int, unit: str) -> float:
    """Returns what `share_of` does, for a seed whose hash is known: `begun`.

    >>> share_after(fnv32a("seed"), "a")
    0.0505
    """
    return fnv32a(str(fnv32a(unit, begun))) % BUCKETS / BUCKETS


LAYER_PARTS = 1000
"""Layers are divided as finely."""


def layer_share(layer: str, unit: str) -> float:
    """Returns where a unit stands in a layer, in [0, 1), in steps of 1 / LAYER_PARTS.

    The hash of version 1 of GrowthBook's SDKs, as they seed it for namespaces.

    >>> layer_share("home", "u1")
    0.562
    """
    return fnv32a(f"{unit}__{layer}") % LAYER_PARTS / LAYER_PARTS


def variant_at(share: float, weights: Sequence[float], coverage: float = 1.0) -> int | None:
    """Returns the place of the variant that `share` (0 to 1) falls to; None for none.

    Each variant begins where the weights before it end, and takes `coverage` of its own weight, so
    that a growing coverage moves nobody. `weights` add up to 1.

    >>> halves = [0.5, 0.5]
    >>> variant_at(0.0505, halves), variant_at(0.9, halves), variant_at(0.9, halves, 0.1)
    (0, 1, None)
    """
    start = 0.0
    for place, weight in enumerate(weights):
        if start <= share < start + coverage * weight:
            return place
        start += weight
    return None
