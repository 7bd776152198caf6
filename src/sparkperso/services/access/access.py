"""Who sent a request: by an API key, an issuer's token, or a browser token of our own."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from sparkperso.config import Settings
from sparkperso.core.errors import ConfigError
from sparkperso.services.access.api_keys import PREFIX, ApiKeys
from sparkperso.services.access.browser_tokens import BrowserTokens
from sparkperso.services.access.caller import LOCAL_CALLER, Caller
from sparkperso.services.access.issuers import issuer_trust
from sparkperso.services.access.refusals import invalid_token, no_token
from sparkperso.services.access.tokens import MOST_BYTES, TokenChecks

MOST_TOKENS = 20_000
"""Tokens that are remembered: some 10 MB."""
SCHEME = b"bearer "


class Access:
    """Finds out who sends. One object serves a process; it is used from one thread.

    A token that was found valid is remembered by its SHA-256 until it expires, or until a key of
    its issuers changes: its signature costs more than the answer to most requests. What is not
    valid is never remembered, so that nobody can push out the tokens of others with such.
    """

    def __init__(
        self,
        keys: ApiKeys,
        checks: TokenChecks,
        service_token: str | None = None,
        clock: Callable[[], float] = time.time,
        size: int = MOST_TOKENS,
    ) -> None:
        self._keys, self._checks, self._clock, self._size = keys, checks, clock, size
        self._service_token = service_token.encode() if service_token else None
        self._known: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    def caller(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Returns who sent a request, by its header Authorization (`headers_of` gives headers).

        Raises a 401 Problem with a challenge of RFC 6750.
        """
        token = bearer(headers)
        return self.known(token) or self.check(token)

    def known(self, token: bytes) -> Caller | None:
        """Returns whose API key or remembered token it is, in microseconds; None for any other.

        Whoever counts wrong tokens asks this first, and `check` for what is left.
        """
        if token.startswith(PREFIX):
            return self._keys.find(token)
        if self._checks.refresh():
            self._known.clear()
        name = hashlib.sha256(token).digest()
        remembered = self._known.get(name)
        if remembered is None:
            return self._local(token)
        caller, until = remembered
        if until <= self._clock():
            del self._known[name]
            return None
        return caller

    def check(self, token: bytes) -> Caller:
        """Returns whose token it is, by its signature; raises a 401 Problem."""
        if token.startswith(PREFIX):
            raise invalid_token()
        caller = self._checks.caller(token)
        # Within the leeway after its end a token is taken, and checked each time.
        if caller.until is not None and caller.until > self._clock():
            self._known[hashlib.sha256(token).digest()] = caller, caller.until
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        return caller

    def _local(self, token: bytes) -> Caller | None:
        own = self._service_token
        return LOCAL_CALLER if own and hmac.compare_digest(token, own) else None


def bearer(headers: Mapping[bytes, bytes]) -> bytes:
    """Returns the token of a request; raises a 401 Problem where there is none, or two.

    Two headers that differ come joined by a comma, which stands in no token.
    """
    sent = headers.get(b"authorization")
    if not sent:
        raise no_token()
    token = sent[len(SCHEME) :]
    if sent[: len(SCHEME)].lower() != SCHEME or not token or len(token) > MOST_BYTES:
        raise invalid_token()
    return token


def make_access(
    settings: Settings,
    browser: BrowserTokens | None = None,
    clock: Callable[[], float] = time.time,
    size: int = MOST_TOKENS,
) -> Access:
    """Returns who may ask in an environment; `browser` signs its pages' tokens.

    Raises ConfigError outside of `local` where nobody could: without issuer, API key and key of
    browser tokens; and for a service token that is written into another environment.
    """
    config, env = settings.security, settings.env
    if config.service_token is not None and env != "local":
        raise ConfigError(
            "security.service_token is for --env local",
            f"It is set for '{env}'",
            "Leave it out, and make an API key: sparkperso keys new NAME --scope recommend",
        )
    if env != "local" and not config.issuers and not config.api_keys:
        raise ConfigError(
            f"The personalisation API of '{env}' should know whom it may answer",
            "security.issuers and security.api_keys are empty",
            "Make a key for the shop's server by 'sparkperso keys new shop --scope recommend', and "
            "name the shop's login in security.issuers (docs/security.md)",
        )
    trusts = [issuer_trust(name, issuer) for name, issuer in config.issuers.items()]
    if browser is not None:
        trusts.append(browser.trust)
    keys, checks = ApiKeys(config.api_keys), TokenChecks(trusts, clock)
    return Access(keys, checks, config.service_token, clock, size)
