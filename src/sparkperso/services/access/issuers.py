"""Configured issuers: whose tokens are taken, and who their holders are."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sparkperso.config.security import IssuerConfig
from sparkperso.services.access.caller import OWN_SCOPES, Caller
from sparkperso.services.access.key_sets import KeyFile
from sparkperso.services.access.tokens import TYPES, Claims, Trust, is_subject


def issuer_trust(
    name: str, config: IssuerConfig, ticks: Callable[[], float] = time.monotonic
) -> Trust:
    """Returns the trust in a configured issuer; raises ConfigError for a file without its keys.

    `ticks` are the seconds by which the file is looked at again.
    """
    return Trust(
        config.issuer,
        config.audience,
        KeyFile(Path(config.jwks_file), config.algorithms, ticks),
        TYPES,
        config.leeway_seconds,
        config.max_lifetime_minutes * 60,
        _callers(name, config),
    )


def user(user_id: str, until: float | None) -> Caller:
    """Returns a user who signed in. Limits are the user's, whatever token is sent."""
    return Caller("user", user_id, OWN_SCOPES["user"], f"user:{user_id}", until=until)


def _callers(name: str, config: IssuerConfig) -> Callable[[Claims, float], Caller | None]:
    granted, claim = frozenset(config.scopes), config.user_claim

    def user_of(claims: Claims, until: float) -> Caller | None:
        subject = claims.get(claim)
        return user(subject, until) if is_subject(subject) else None

    def service_of(claims: Claims, until: float) -> Caller | None:
        subject = claims.get(claim)
        if not is_subject(subject):
            return None
        scopes = granted & scopes_of(claims)
        return Caller("service", subject, scopes, f"service:{name}:{subject}", until=until)

    return service_of if config.kind == "service" else user_of


def scopes_of(claims: Claims) -> frozenset[str]:
    """Returns the scopes of a token: a text with spaces (RFC 8693, section 4.2), or a list.

    >>> sorted(scopes_of({"scope": "recommend decide"}))
    ['decide', 'recommend']
    """
    found = claims.get("scope")
    parts = found.split(" ") if isinstance(found, str) else found
    if not isinstance(parts, list):
        return frozenset()
    return frozenset(part for part in parts if isinstance(part, str))
