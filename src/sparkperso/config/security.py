"""The section `security`: whose tokens and keys the personalisation API takes, and how often."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from sparkperso.config.collect import PROXIES, networks
from sparkperso.core.section import Section

Algorithm = Literal[
    "ES256", "ES384", "ES512", "Ed25519", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"
]
"""Asymmetric ones alone: whoever checks a token cannot make one."""
ServiceScope = Literal[
    "recommend",
    "profile:read",
    "email",
    "decide",
    "features",
    "tokens",
    "admin",
    "dashboard:view",
    "dashboard:analyse",
    "dashboard:operate",
]
SCOPES: frozenset[str] = frozenset(get_args(ServiceScope))
"""`recommend`: lists, similar items, content; `profile:read`: profiles and segments; `email`: mails
rendered; `decide`: experiments and flags; `features`: all running experiments for GrowthBook's
SDKs, in pages too; `tokens`: browser tokens issued; `admin`: reload, caches;
`dashboard:view`: figures of groups; `dashboard:analyse`: experiments, exports; `dashboard:operate`:
runs, data quality, freshness. None contains another."""
NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
ORIGIN = r"^https?://[a-z0-9.-]+(:(\d{1,5}|\*))?$"


class IssuerConfig(Section):
    """One maker of tokens, such as the shop's login: JWTs signed by keys that it publishes."""

    issuer: str = Field(min_length=1, max_length=512)
    """The claim `iss`, character by character."""
    audience: str = Field(min_length=1, max_length=512)
    """The claim `aud` has to name it: a token that was made for another service is not ours."""
    jwks_file: str
    """File with the issuer's public keys (a JWK set, RFC 7517). It is read again when it changes;
    the issuer's own address is fetched by whoever runs the service, not by the service."""
    algorithms: tuple[Algorithm, ...] = Field(default=("ES256",), min_length=1)
    """Algorithms of signatures that are taken."""
    kind: Literal["user", "service"] = "user"
    """`user`: a token is one user's, who reads what is their own; its scopes mean nothing here.
    `service`: a token is a service's, whose claim `scope` says what it may, of `scopes`."""
    scopes: tuple[ServiceScope, ...] = ()
    """What tokens of kind `service` may be given at most."""
    user_claim: str = Field(default="sub", min_length=1, max_length=128)
    """Claim that holds the user's id as silver/events has it, or the service's name."""
    leeway_seconds: int = Field(default=30, ge=0, le=300)
    """How far the clocks of issuer and service may be apart."""
    max_lifetime_minutes: float = Field(default=1440.0, gt=0)
    """A token that lives longer, from `iat` to `exp`, is refused."""

    @model_validator(mode="after")
    def _grants(self) -> IssuerConfig:
        if (self.kind == "service") != bool(self.scopes):
            raise ValueError("an issuer of kind service has scopes, one of kind user has none")
        return self


class BrowserTokensConfig(Section):
    """Tokens that the service signs itself, for one user's or one visitor's pages."""

    key_env: str = "SPARKPERSO_BROWSER_KEY"
    """Environment variable with the secret that the signing key is made of (32 characters or more);
    with `_FILE` after it, one that names a file. Unset: no browser tokens."""
    previous_key_env: str = "SPARKPERSO_BROWSER_KEY_PREVIOUS"
    """Variable of the secret before, while tokens signed by it are still about; may be unset."""
    key: str | None = None
    """The secret while its variable is not set; only for `--env local`, where it is none."""
    minutes: float = Field(default=15.0, gt=0, le=1440)
    """Lifetime of a token. Whoever steals one from a page has it for so long."""


class ApiKeyConfig(Section):
    """One key of a server, of which only the hash is kept; `sparkperso keys new` makes both."""

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    """The part of the key by which it is found."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the whole key, in hexadecimal digits."""
    scopes: tuple[ServiceScope, ...] = Field(min_length=1)
    """What its holder may do, for any user."""
    requests_per_second: float | None = Field(default=None, gt=0)
    """Its own rate; None: that of `limits`."""


class RequestLimitsConfig(Section):
    """How many requests are answered; others get 429 and the seconds to wait."""

    requests_per_second: float = Field(default=2_000.0, gt=0)
    """Of one API key, or one service by its tokens."""
    requests_per_second_and_user: float = Field(default=20.0, gt=0)
    """Of one user's or visitor's tokens, all taken together."""
    requests_per_second_and_address: float = Field(default=200.0, gt=0)
    """From one address; requests of API keys and services are not counted."""
    refusals_per_second_and_address: float = Field(default=10.0, gt=0)
    """Tokens that are not valid, from one address: beyond, none of its new ones is looked at."""
    settle_seconds: float = Field(default=1.0, gt=0, le=60)
    """How often processes tell each other by Redis what they counted (store.kind redis)."""
    max_body_bytes: int = Field(default=262_144, ge=1024)
    """Bytes of a request's body, as sent and after unpacking."""
    body_seconds: float = Field(default=5.0, gt=0)
    """Time in which the headers of a request must have come, and then its body."""


class AuditConfig(Section):
    """The record of who read which profile."""

    enabled: bool = True
    """Whether reads of profiles and segments are recorded."""
    folder: str | None = None
    """Folder; None means `audit` in the collector's spool, `<lake.root>/_spool/audit`."""
    rotate_seconds: float = Field(default=3600.0, gt=0)
    """A file is closed when it is this old."""
    rotate_bytes: int = Field(default=67_108_864, ge=1024)
    """A file is closed when it is this long."""
    max_pending: int = Field(default=100_000, ge=1)
    """Lines that may wait for the disk; more are lost, and counted."""


class SecurityConfig(Section):
    """Who may ask the personalisation API, for what, and how often."""

    issuers: dict[str, IssuerConfig] = Field(default_factory=dict)
    """Name → issuer whose tokens are taken."""
    browser: BrowserTokensConfig = Field(default_factory=BrowserTokensConfig)
    api_keys: dict[str, ApiKeyConfig] = Field(default_factory=dict)
    """Name → API key; the name stands in limits and in the audit."""
    service_token: str | None = None
    """A token with all scopes; only for `--env local`, where it is no secret."""
    allowed_origins: tuple[str, ...] = ()
    """Origins whose pages may read answers: `https://shop.example`, `http://localhost:*`."""
    trusted_proxies: tuple[str, ...] = PROXIES
    """Addresses or networks (CIDR) of proxies whose X-Forwarded-For says who sends; limits per
    address are counted by it. A proxy that is missing here counts as one sender."""
    limits: RequestLimitsConfig = Field(default_factory=RequestLimitsConfig)
    audit: AuditConfig = Field(default_factory=AuditConfig)

    @field_validator("issuers", "api_keys")
    @classmethod
    def _have_names(cls, named: Mapping[str, Section]) -> Mapping[str, Section]:
        wrong = [name for name in named if not re.fullmatch(NAME, name)]
        if wrong:
            raise ValueError(f"names should be of a-z, 0-9, - and _, at most 64: {wrong}")
        return named

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        return networks(proxies)

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [origin for origin in origins if not re.fullmatch(ORIGIN, origin)]
        if wrong:
            raise ValueError(f"should be origins without a path, in lower case: {wrong}")
        return origins

    @model_validator(mode="after")
    def _are_told_apart(self) -> SecurityConfig:
        _require_different("id", (key.id for key in self.api_keys.values()))
        pairs = ((one.issuer, one.audience) for one in self.issuers.values())
        _require_different("pair of issuer and audience", pairs)
        return self


def _require_different(what: str, values: Iterable[object]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"each {what} should stand once, found twice: {twice[0]}")
