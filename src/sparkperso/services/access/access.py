"""Who sent a request: by an API key, an issuer's token, or a browser token of our own."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from sparkperso.config import Settings
from sparkperso.core.errors import ConfigError
from sparkperso.services.access.api_keys import ApiKeys
from sparkperso.services.access.browser_tokens import BrowserTokens
from sparkperso.services.access.caller import LOCAL_CALLER, Caller
from sparkperso.services.access.issuers import issuer_trust
from sparkperso.services.access.refusals import invalid_token, no_token
from sparkperso.services.access.tokens import MOST_BYTES, TokenChecks

MOST_TOKENS = 20_000
"""Tokens that are remembered: some 10 MB."""
LOOK_SECONDS = 1.0
"""How often it is asked whether keys of issuers changed."""
SCHEME = b"bearer "


class Access:
    """Finds out who sends. One object serves a process; it is used from one thread.

    What was found valid is remembered by the SHA-256 of its header until it expires, or until a key
    of an issuer changes: a signature costs more than the answer to most requests. What is not
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
        self._looked_at = -LOOK_SECONDS
        self._known: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self.hits = self.misses = 0
        """Requests whose token or key was remembered; those that had to be looked at."""

    def caller(self, sent: bytes | None) -> Caller:
        """Returns who sent a request, by its header Authorization (None: there was none).

        Raises a 401 Problem with a challenge of RFC 6750.
        """
        return self.known(sent) or self.check(sent)

    def known(self, sent: bytes | None) -> Caller | None:
        """Returns whose remembered token, or API key, it is, within microseconds; None for others.

        Whoever counts wrong tokens asks this first, and `check` for what is left.
        """
        if not sent or len(sent) > MOST_BYTES:
            return None
        now = self._clock()
        if not self._looked_at <= now < self._looked_at + LOOK_SECONDS:
            self._forget_if_keys_changed(now)
        name = hashlib.sha256(sent).digest()
        remembered = self._known.get(name)
        if remembered is None:
            holder = self._holder(sent)
            if holder is None:
                return None
            self.misses += 1
            return self._remember(name, holder, math.inf)
        if remembered[1] <= now:
            del self._known[name]
            return None
        self.hits += 1
        return remembered[0]

    def check(self, sent: bytes | None) -> Caller:
        """Returns whose token a header has, by its signature; raises a 401 Problem."""
        self.misses += 1
        token = bearer(sent)
        caller = self._checks.caller(token)
        # Within the leeway after its end a token is taken, and checked each time.
        if sent and caller.until is not None and caller.until > self._clock():
            self._remember(hashlib.sha256(sent).digest(), caller, caller.until)
        return caller

    def _remember(self, name: bytes, caller: Caller, until: float) -> Caller:
        self._known[name] = caller, until
        if len(self._known) > self._size:
            self._known.popitem(last=False)
        return caller

    def _holder(self, sent: bytes) -> Caller | None:
        """Returns whose key it is: there is no signature to check."""
        if sent[: len(SCHEME)].lower() != SCHEME:
            return None
        token, own = sent[len(SCHEME) :], self._service_token
        if own is not None and hmac.compare_digest(token, own):
            return LOCAL_CALLER
        return self._keys.find(token)

    def _forget_if_keys_changed(self, now: float) -> None:
        self._looked_at = now
        if self._checks.refresh():
            self._known.clear()


def bearer(sent: bytes | None) -> bytes:
    """Returns the token of a header Authorization; raises a 401 Problem for no or another one.

    Two headers that differ come joined by a comma (`headers_of`), which stands in no token.
    """
    if not sent:
        raise no_token()
    token = sent[len(SCHEME) :]
    if sent[: len(SCHEME)].lower() != SCHEME or not token or len(sent) > MOST_BYTES:
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
