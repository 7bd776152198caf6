"""API keys of servers: random, shown once, of which the configuration holds a hash.

A key reads `spk_<12 hexadecimal digits>_<43 characters of base64url>`: a prefix that scanners of
leaked secrets can look for, an id to find it by, and 32 random bytes.

Its hash is one SHA-256, without salt or stretching. Those slow down guessing what people choose for
a password; nobody guesses 256 random bits, and a slow hash would be paid with every request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from sparkperso.config.security import ApiKeyConfig
from sparkperso.services.access.caller import Caller

SHAPE = re.compile(rb"spk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
RANDOM_BYTES = 32


@dataclass(frozen=True)
class NewKey:
    """A key as its holder gets it, and what the configuration keeps of it."""

    text: str
    id: str
    sha256: str


def new_key() -> NewKey:
    """Returns a key of 32 random bytes."""
    name = secrets.token_hex(6)
    text = f"spk_{name}_{secrets.token_urlsafe(RANDOM_BYTES)}"
    return NewKey(text, name, hashlib.sha256(text.encode()).hexdigest())


class ApiKeys:
    """All configured keys, found by the ids that they carry."""

    def __init__(self, keys: Mapping[str, ApiKeyConfig]) -> None:
        self._by_id = {
            key.id.encode(): (
                bytes.fromhex(key.sha256),
                Caller("key", name, frozenset(key.scopes), f"key:{name}"),
            )
            for name, key in keys.items()
        }

    def find(self, sent: bytes) -> Caller | None:
        """Returns whose key it is; None for what is no key that is configured.

        Digests are compared in constant time. That an id is known takes no secret to find out: it
        is no part of the random bytes.
        """
        shape = SHAPE.fullmatch(sent)
        known = self._by_id.get(shape[1]) if shape else None
        if known is None:
            return None
        digest, caller = known
        return caller if hmac.compare_digest(hashlib.sha256(sent).digest(), digest) else None
