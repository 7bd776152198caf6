"""Public keys of an issuer: a JWK set (RFC 7517) in a file, found by their ids, read again."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from sparkperso.core.errors import ConfigError

log = logging.getLogger("sparkperso.access")

ALGORITHMS_OF: Mapping[tuple[str, str | None], frozenset[str]] = {
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"Ed25519"}),
    ("RSA", None): frozenset({"PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}),
}
"""Type and curve of a key → algorithms that it is for: no other, whatever a token says."""
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
LEAST_RSA_BITS = 2048
MOST_BYTES = 1 << 20
"""Of a file of keys."""
LOOK_SECONDS = 10.0
"""How often the file is looked at while nobody asks for an unknown key."""
UNKNOWN_SECONDS = 1.0
"""The same, when somebody does: anybody can make up ids of keys."""


class CheckingKey(NamedTuple):
    """A public key, and the algorithms that it may check."""

    key: Key
    algorithms: frozenset[str]


class KeySource(Protocol):
    """Where an issuer's keys come from."""

    def find(self, kid: str) -> CheckingKey | None:
        """Returns the key of an id; None where there is none."""

    def refresh(self) -> bool:
        """Says whether keys have changed since the last time that this was asked."""


class FixedKeys:
    """Keys that are known at the start."""

    def __init__(self, keys: Mapping[str, CheckingKey]) -> None:
        self._keys = dict(keys)

    def find(self, kid: str) -> CheckingKey | None:
        """Returns the key of an id."""
        return self._keys.get(kid)

    def refresh(self) -> bool:
        """Says that nothing changed."""
        return False


class KeyFile:
    """Keys of a file, which is read again when it changed: a new key is known without a restart.

    The file is looked at every LOOK_SECONDS, and for an unknown id after UNKNOWN_SECONDS. A key
    that is no longer in it is no longer taken. While the file cannot be read, the keys of before
    stay. A look is one `stat` of a local file, and a file of keys is small: neither needs a thread.
    """

    def __init__(
        self,
        path: Path,
        algorithms: Iterable[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reads the file; raises ConfigError for one that holds no public keys."""
        self._path, self._allowed, self._clock = path, frozenset(algorithms), clock
        self._looked_at, self._stamp = clock(), _stamp(path)
        self._keys = read_key_file(path, self._allowed)
        self._is_new = False

    def find(self, kid: str) -> CheckingKey | None:
        """Returns the key of an id; for an unknown one the file is looked at, but not each time."""
        if kid not in self._keys:
            self._look(UNKNOWN_SECONDS)
        return self._keys.get(kid)

    def refresh(self) -> bool:
        """Looks at the file when its time has come; says whether keys changed since last asked."""
        self._look(LOOK_SECONDS)
        is_new, self._is_new = self._is_new, False
        return is_new

    def _look(self, seconds: float) -> None:
        now = self._clock()
        if now - self._looked_at < seconds:
            return
        self._looked_at = now
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys, self._is_new = read_key_file(self._path, self._allowed), True
        except ConfigError as error:
            log.warning("the keys of before are kept: %s", error)


def _stamp(path: Path) -> tuple[int, ...]:
    """Returns what changes with a file; a link, as Kubernetes mounts them, is followed."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def read_key_file(path: Path, algorithms: frozenset[str]) -> dict[str, CheckingKey]:
    """Returns the public keys of a file by their ids.

    Keys for encryption, and such as fit none of `algorithms`, are left out. Raises ConfigError for
    what is no JWK set, a private or shared key, a short RSA key, an id that is missing or stands
    twice, and for a file without any key.
    """
    try:
        with path.open("rb") as file:
            members = orjson.loads(file.read(MOST_BYTES))["keys"]
        signing = [member for member in members if member.get("use", "sig") == "sig"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _unusable(path, f"It cannot be read: {error!r}") from None
    keys: dict[str, CheckingKey] = {}
    for member in signing:
        kid = member.get("kid")
        if not isinstance(kid, str) or not kid or kid in keys:
            raise _unusable(path, "A key has no 'kid', or two have the same")
        if key := _checking_key(path, member, algorithms):
            keys[kid] = key
    if not keys:
        raise _unusable(path, f"It holds no key for {', '.join(sorted(algorithms))}")
    return keys


def _checking_key(
    path: Path, member: Mapping[str, Any], algorithms: frozenset[str]
) -> CheckingKey | None:
    """Returns a key of a set; None for one that fits none of the algorithms."""
    if PRIVATE_MEMBERS & set(member):
        raise _unusable(path, "It holds a private or a shared key, which is now known to the file")
    possible = ALGORITHMS_OF.get((str(member.get("kty")), member.get("crv")), frozenset())
    usable = possible & algorithms & {member.get("alg", name) for name in possible}
    if not usable:
        return None
    try:
        key = import_key(dict(member))
        bits = getattr(key.public_key, "key_size", LEAST_RSA_BITS)
    except (JoseError, ValueError, TypeError) as error:
        raise _unusable(path, f"A key is broken: {error}") from None
    if member["kty"] == "RSA" and bits < LEAST_RSA_BITS:
        raise _unusable(path, f"An RSA key has {bits} bits, fewer than {LEAST_RSA_BITS}")
    return CheckingKey(key, usable)


def _unusable(path: Path, found: str) -> ConfigError:
    return ConfigError(
        f"'{path}' should hold an issuer's public keys as a JWK set (RFC 7517)",
        found,
        "Fetch what the issuer's jwks_uri answers, and name the file with "
        "security.issuers.<name>.jwks_file",
    )
