"""Short hashes: ids of settings, files and rules."""

from __future__ import annotations

import hashlib

DIGITS = 16
"""64 bits: two of a million different texts share an id with a chance of 3 in 10⁸."""


def short_hash(content: str | bytes, digits: int = DIGITS) -> str:
    """Returns the first `digits` hexadecimal digits of the content's SHA-256 (text as UTF-8).

    >>> short_hash("a"), short_hash(b"a", 4)
    ('ca978112ca1bbdca', 'ca97')
    """
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:digits]
