"""Short-lived tokens for pages, signed by the service itself, for one user or one visitor.

The shop's server asks for one with its own key, and puts it into the page; or the page's own route
gets one for an anonymous id. They are told from issuers' tokens by issuer, audience, type and key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from joserfc import jwt
from joserfc.jwk import OKPKey

from sparkperso.config.secret import read_secret
from sparkperso.config.security import BrowserTokensConfig
from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.services.access.caller import OWN_SCOPES, Caller
from sparkperso.services.access.key_sets import CheckingKey, FixedKeys
from sparkperso.services.access.tokens import Claims, Trust, is_subject

ISSUER, AUDIENCE, TYPE = "urn:sparkperso", "urn:sparkperso:browser", "browser+jwt"
ALGORITHM: Final = "Ed25519"
DERIVATION = {"salt": b"sparkperso", "info": b"browser tokens, 1"}
MIN_CHARACTERS = 32
LEEWAY_SECONDS = 30
VISITOR = "visitor"
"""Claim that says that the subject is an anonymous id."""


@dataclass(frozen=True)
class BrowserToken:
    """A token and when it ends, in seconds since 1970."""

    text: str
    expires_at: int


class BrowserTokens:
    """Signs tokens. `secrets` are texts that keys are made of, the current one last.

    Each becomes an Ed25519 key by HKDF-SHA-256 (RFC 5869), so that a key is made and kept as every
    other secret of the suite is: `openssl rand -hex 32`.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        minutes: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = [
            OKPKey.derive_key(secret, ALGORITHM, auto_kid=True, kdf_options=dict(DERIVATION))
            for secret in secrets
        ]
        self._seconds, self._clock = minutes * 60, clock

    def issue(self, *, user_id: str | None = None, anonymous_id: str | None = None) -> BrowserToken:
        """Returns a token for a user, or for a visitor; give one of the two.

        Raises UsageError for an id that is none: a route asks `tokens.is_subject` first.
        """
        subject = anonymous_id if user_id is None else user_id
        if (user_id is None) == (anonymous_id is None) or not is_subject(subject):
            raise UsageError(
                "A browser token is for one user_id or one anonymous_id, printable text of 1 to "
                "256 characters",
                f"Found {str(subject)[:40]!r}",
            )
        now = int(self._clock())
        until = now + int(self._seconds)
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": until}
        if user_id is None:
            claims[VISITOR] = True
        key = self._keys[-1]
        header = {"alg": ALGORITHM, "kid": str(key.kid), "typ": TYPE}
        return BrowserToken(jwt.encode(header, claims, key, [ALGORITHM]), until)

    @property
    def trust(self) -> Trust:
        """Returns the trust in these tokens: of the current key, and of those before it."""
        keys = {str(key.kid): CheckingKey(key, frozenset({ALGORITHM})) for key in self._keys}
        types = frozenset({TYPE})
        return Trust(
            ISSUER, AUDIENCE, FixedKeys(keys), types, LEEWAY_SECONDS, self._seconds, _holder
        )


def _holder(claims: Claims, until: float) -> Caller | None:
    """Returns the holder of a browser token.

    A user's limit is one, whether the login's token is sent or a page's.
    """
    subject = claims.get("sub")
    if not is_subject(subject):
        return None
    is_visitor = claims.get(VISITOR) is True
    name = f"{VISITOR if is_visitor else 'user'}:{subject}"
    return Caller("browser", str(subject), OWN_SCOPES["browser"], name, is_visitor, until)


def make_browser_tokens(
    config: BrowserTokensConfig,
    env: str,
    environ: Mapping[str, str],
    clock: Callable[[], float] = time.time,
) -> BrowserTokens | None:
    """Returns the signer of an environment; None where no key is set, and pages get no tokens.

    Raises ConfigError for a secret that is too short, and for one that stands in the configuration
    of another environment than local.
    """
    if config.key is not None and env != "local":
        raise ConfigError(
            "The key of browser tokens should come from the environment",
            f"security.browser.key is written into the configuration of '{env}'",
            f"Set {config.key_env}",
        )
    current = read_secret(config.key_env, environ) or config.key
    if current is None:
        return None
    before = read_secret(config.previous_key_env, environ)
    secrets = [secret for secret in (before, current) if secret is not None]
    if any(len(secret) < MIN_CHARACTERS for secret in secrets):
        raise ConfigError(
            f"{config.key_env} and {config.previous_key_env} should have {MIN_CHARACTERS} "
            "characters or more",
            "One is shorter",
            "Make another by: openssl rand -hex 32",
        )
    return BrowserTokens(secrets, config.minutes, clock)
