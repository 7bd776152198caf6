"""Messages signed as Standard Webhooks has it (standardwebhooks.com, symmetric signatures)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
LENGTHS = range(24, 65)
"""Bytes of a secret."""


def read_key(secret: str) -> bytes:
    """Returns the bytes of a secret; raises ValueError, which does not show it, for another form.

    >>> len(read_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    24
    """
    if not secret.startswith(PREFIX):
        raise ValueError(f"It does not begin with {PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"What follows {PREFIX} is not base64") from None
    if len(key) not in LENGTHS:
        raise ValueError(f"It has {len(key)} bytes")
    return key


def signed_headers(
    keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Returns the headers of a message; `timestamp` is of this attempt, in seconds since 1970.

    With several keys, as while one takes another's place, each signs.

    >>> signed_headers([b"k" * 24], "msg_1", 1700000000, b"{}")["webhook-signature"]
    'v1,E3sCg9uS8x43RKlJqcda1EcaYZxNkN+l2u7RBZBSZQQ='
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    digests = [hmac.new(key, content, hashlib.sha256).digest() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(d).decode()}" for d in digests),
    }
