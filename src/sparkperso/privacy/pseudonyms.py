"""Keyed pseudonyms: HMAC-SHA-256 (RFC 2104) with the id of its key, which can be rotated.

A pseudonym reads `<key id>:<kind>:<32 hexadecimal digits>`. A key that follows another is applied
to the older pseudonym, so that what is stored can be re-keyed without the values behind it.
"""

from __future__ import annotations

import hmac
import re

from sparkperso.core.errors import JobError
from sparkperso.privacy.keys import Keys
from sparkperso.privacy.kinds import normalise

SHAPE = re.compile(r"([a-z0-9]{1,16}):([a-z0-9_]{1,64}):[0-9a-f]{32}")
DIGITS = 32
"""128 of the 256 bits: among a billion values, two collide with a chance of about 1e-21."""


class Pseudonyms:
    """Makes, recognises and re-keys pseudonyms: `<key id>:<kind>:<32 hexadecimal digits>`."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._chain = keys.chains[keys.current]

    @property
    def key_id(self) -> str:
        """Returns the id of the key that new pseudonyms are made with."""
        return self._keys.current

    def of(self, kind: str, value: str) -> str:
        """Returns the pseudonym of a value under the current key; equal values, equal pseudonyms.

        HMAC-SHA-256 (RFC 2104) of kind and value, through the chain of keys. E-mail addresses,
        phone numbers and IP addresses are equal when they differ only in how they are written. A
        known pseudonym stays what it is, under the current key.
        """
        if self.knows(value):
            return self.rekey(value)
        text = f"{kind}\0{normalise(kind, value)}"
        # Through all keys of the chain: so it equals what an older pseudonym is re-keyed to.
        for key_id in self._chain:
            text = self._apply(key_id, kind, text)
        return text

    def rekey(self, pseudonym: str) -> str:
        """Returns a pseudonym of an older key under the current one, without the value behind it.

        One of a newer key (another process rotates already) stays. Raises JobError for a text
        that is no pseudonym of a known key, and for a key that the current one does not follow.
        """
        shape = SHAPE.fullmatch(pseudonym)
        if shape is None or shape[1] not in self._keys.secrets:
            raise JobError(
                "A pseudonym of a key in privacy.keys was expected",
                "The text is not one",
                "Configure the key that it was made with",
            )
        key_id, kind = shape[1], shape[2]
        if self.key_id in self._keys.chains[key_id]:
            return pseudonym
        if key_id not in self._chain:
            raise JobError(
                f"The pseudonym key '{self.key_id}' should follow '{key_id}'",
                "It does not, so that key's pseudonyms cannot become its own",
                f"Set privacy.keys.{self.key_id}.follows",
            )
        for following in self._chain[self._chain.index(key_id) + 1 :]:
            pseudonym = self._apply(following, kind, pseudonym)
        return pseudonym

    def knows(self, text: str) -> bool:
        """Says whether a text is a pseudonym of one of the configured keys.

        By its shape and the id of its key: whether the digits are right cannot be told.
        """
        shape = SHAPE.fullmatch(text)
        return shape is not None and shape[1] in self._keys.secrets

    def _apply(self, key_id: str, kind: str, text: str) -> str:
        secret = self._keys.secrets[key_id]
        digest = hmac.digest(secret, text.encode("utf-8", "surrogatepass"), "sha256")
        return f"{key_id}:{kind}:{digest.hex()[:DIGITS]}"
