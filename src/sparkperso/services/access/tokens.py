"""JSON Web Tokens (RFC 7519) as RFC 8725 wants them checked: by whom, for whom, until when.

1. Length and shape are held before anything is decoded, and the header before a key is looked up.
2. `iss` and `aud` name the trust that the token claims; its own keys alone are tried, by `kid`, and
   with the algorithms that fit the key: a token chooses neither.
3. The signature, by joserfc; then the claims.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import orjson
from joserfc import jws
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwt import ClaimsOption, JWTClaimsRegistry

from sparkperso.services.access.caller import Caller
from sparkperso.services.access.key_sets import KeySource
from sparkperso.services.access.refusals import expired_token, invalid_token

MOST_BYTES = 8192
"""Of a token: identity providers that list a user's groups need four thousand."""
SHAPE = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
HEADER_MEMBERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
"""What a header may say. Thumbprints of certificates are common, and not looked at; `crit`, `jku`,
`jwk`, `x5u`, `x5c` and `zip` would have the token choose its key, or how it is read."""
JWT = "jwt"
"""The type of a token whose header names none."""
TYPES = frozenset({JWT, "at+jwt", "application/at+jwt"})
"""Types of issuers' tokens, in lower case (RFC 9068 names the second)."""
MOST_SUBJECT = 256
"""Characters of a subject."""
REQUIRED: ClaimsOption = {"essential": True}
Claims = Mapping[str, Any]


@dataclass(frozen=True)
class Trust:
    """A pair of issuer and audience whose tokens are taken, by which keys, for how long.

    `caller_of(claims, until)` says who the caller is; it returns None for claims that name nobody.
    """

    issuer: str
    audience: str
    keys: KeySource
    types: frozenset[str]
    leeway_seconds: int
    lifetime_seconds: float
    caller_of: Callable[[Claims, float], Caller | None]


class InvalidTokenError(Exception):
    """A text that is no token which is taken."""


class TokenChecks:
    """Checks tokens against all trusts."""

    def __init__(self, trusts: Iterable[Trust], clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._trusts: dict[str, list[Trust]] = {}
        for trust in trusts:
            self._trusts.setdefault(trust.issuer, []).append(trust)

    def caller(self, token: bytes) -> Caller:
        """Returns whose token it is; raises a 401 Problem for one that is not valid now."""
        try:
            return self._caller(token)
        except ExpiredTokenError:
            raise expired_token() from None
        except (InvalidTokenError, JoseError, ValueError):
            raise invalid_token() from None

    def refresh(self) -> bool:
        """Says whether keys changed since last asked: what they checked is to be forgotten."""
        changed = [trust.keys.refresh() for trusts in self._trusts.values() for trust in trusts]
        return any(changed)

    def _caller(self, token: bytes) -> Caller:
        header, claims = parse(token)
        trust = self._trust_of(claims)
        algorithm, kid = _read_header(header, trust)
        key = trust.keys.find(kid)
        if key is None or algorithm not in key.algorithms:
            raise InvalidTokenError("kid, alg")
        jws.deserialize_compact(token, key.key, [algorithm])
        now = int(self._clock())
        registry = JWTClaimsRegistry(now, trust.leeway_seconds, exp=REQUIRED, iat=REQUIRED)
        registry.validate(dict(claims))
        if claims["exp"] - claims["iat"] > trust.lifetime_seconds:
            raise InvalidTokenError("exp")
        caller = trust.caller_of(claims, float(claims["exp"]))
        if caller is None:
            raise InvalidTokenError("sub")
        return caller

    def _trust_of(self, claims: Claims) -> Trust:
        """Returns the one trust that the claims `iss` and `aud` name.

        A token that names two of ours would be a user's and a service's at once.
        """
        issuer, named = claims.get("iss"), claims.get("aud")
        audiences = named if isinstance(named, list) else [named]
        known = self._trusts.get(issuer, []) if isinstance(issuer, str) else []
        fitting = [trust for trust in known if trust.audience in audiences]
        if len(fitting) != 1:
            raise InvalidTokenError("iss, aud")
        return fitting[0]


def _read_header(header: Claims, trust: Trust) -> tuple[str, str]:
    """Returns the algorithm and the id of the key that a header names."""
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", JWT)
    if not (isinstance(algorithm, str) and isinstance(kid, str) and isinstance(kind, str)):
        raise InvalidTokenError("alg, kid, typ")
    if kind.lower() not in trust.types or not HEADER_MEMBERS.issuperset(header):
        raise InvalidTokenError("typ, header")
    return algorithm, kid


def parse(token: bytes) -> tuple[Claims, Claims]:
    """Returns a token's header and claims, of which nothing is proved yet.

    Raises InvalidTokenError for what is too long, not three parts of base64url in their one
    spelling, or no JSON objects.
    """
    shape = SHAPE.fullmatch(token) if len(token) <= MOST_BYTES else None
    if shape is None:
        raise InvalidTokenError("shape")
    try:
        header, claims, _ = (_decoded(part) for part in shape.groups())
        parts = orjson.loads(header), orjson.loads(claims)
    except (binascii.Error, ValueError):
        raise InvalidTokenError("encoding") from None
    if not all(isinstance(part, dict) for part in parts):
        raise InvalidTokenError("objects")
    return parts


def _decoded(part: bytes) -> bytes:
    """Returns what base64url stands for; raises ValueError for a second spelling of the same bytes.

    The last character has bits that mean nothing: with those set, one token would have several
    texts, and several hashes.
    """
    data = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part:
        raise ValueError("not canonical")
    return data


def is_subject(text: object) -> TypeGuard[str]:
    """Says whether this can be somebody's id: printable text of 1 to MOST_SUBJECT characters."""
    return isinstance(text, str) and 0 < len(text) <= MOST_SUBJECT and text.isprintable()
