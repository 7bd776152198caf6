"""Write keys: which site a request speaks for, and whether its origin may."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sparkperso.config.collect import SiteConfig
from sparkperso.config.secret import read_secret
from sparkperso.core.errors import ConfigError
from sparkperso.core.event import Channel
from sparkperso.services.http.problems import Problem

KINDS = ("write_key", "server_key")


@dataclass(frozen=True, slots=True)
class SiteKey:
    """A site as its key found it; `basis` is `required` or `assumed: <legal basis>`.

    `is_server` says that the key is the secret one of the site's own servers: a write key, which
    pages and apps carry, is known to everybody, and proves nobody.
    """

    site: str
    basis: str
    channel: Channel
    origins: tuple[str, ...]
    is_server: bool = False

    def allows(self, origin: str | None) -> bool:
        """Says whether a page of `origin` may send; None is no page but a server or an app."""
        return origin is None or any(matches(origin, allowed) for allowed in self.origins)


class WriteKeys:
    """All sites by their keys, write keys and server keys alike."""

    def __init__(self, keys: Mapping[str, SiteKey]) -> None:
        self._by_key = {key.encode(): site for key, site in keys.items()}

    def find(self, key: str | None) -> SiteKey:
        """Returns the site of a key; raises a 401 Problem when there is none.

        Every key is compared in constant time, so that an answer's delay tells nothing of them.
        """
        sent = (key or "").encode("utf-8", "surrogatepass")
        owner = None
        # To the end, found or not: how long it takes is the same for all keys.
        for known, site in self._by_key.items():
            if hmac.compare_digest(known, sent):
                owner = site
        if owner is None:
            raise Problem(401, "unknown_key", _NO_KEY, {"WWW-Authenticate": 'Basic realm="write"'})
        return owner

    def is_origin(self, origin: str) -> bool:
        """Says whether any site's pages may be of this origin (what a preflight can know)."""
        return any(site.allows(origin) for site in self._by_key.values())

    @property
    def sites(self) -> list[SiteKey]:
        """Returns all sites, each under its write key where it has one."""
        keys = sorted(self._by_key.values(), key=lambda site: not site.is_server)
        return list({site.site: site for site in keys}.values())


_NO_KEY = (
    "A known write key was expected, as the user of HTTP Basic, as a Bearer token, or as "
    "'writeKey' in the body or the query. None was found, or no site has it."
)


def matches(origin: str, allowed: str) -> bool:
    """Says whether an origin is the allowed one; `:*` at its end stands for any port.

    >>> matches("http://localhost:3000", "http://localhost:*")
    True
    """
    if not allowed.endswith(":*"):
        return origin == allowed
    start = allowed[:-1]
    return origin.startswith(start) and origin[len(start) :].isdigit()


def key_of(headers: Mapping[bytes, bytes]) -> str | None:
    """Returns the key of an Authorization header: the user of Basic (RFC 7617), or Bearer's.

    >>> key_of({b"authorization": b"Bearer local-dev-key"})
    'local-dev-key'
    """
    scheme, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None


def load_keys(
    sites: Mapping[str, SiteConfig], env: str, environ: Mapping[str, str], more: Iterable[str] = ()
) -> WriteKeys:
    """Returns the ring of the configured sites; `more` are origins that every site takes as well.

    Raises ConfigError for a key that is missing, used twice, or written into the configuration of
    another environment than local.
    """
    pairs = [
        (
            _secret(name, kind, site, env, environ),
            SiteKey(name, site.consent, site.channel, (*site.origins, *more), kind == "server_key"),
        )
        for name, site in sites.items()
        for kind in KINDS
        if getattr(site, kind) is not None or getattr(site, f"{kind}_env") is not None
    ]
    keys = dict(pairs)
    if len(keys) < len(pairs):
        raise ConfigError("The keys of all sites should differ", "Two are the same")
    return WriteKeys(keys)


def _secret(name: str, kind: str, site: SiteConfig, env: str, environ: Mapping[str, str]) -> str:
    """Returns a site's key of a kind; raises ConfigError, see `load_keys`."""
    words, written = kind.replace("_", " "), getattr(site, kind)
    if written is not None:
        if env != "local":
            raise ConfigError(
                f"The {words} of collect.sites.{name} should come from the environment",
                f"It is written into the configuration of '{env}'",
                f"Name a variable with {kind}_env",
            )
        return str(written)
    variable = str(getattr(site, f"{kind}_env"))
    key = read_secret(variable, environ)
    if key is None or len(key) < 16:
        raise ConfigError(
            f"{variable} should hold the {words} of site '{name}', of 16 characters or more",
            "It is not set, or shorter",
            f"Set it, or {variable}_FILE to a file that holds it",
        )
    return key
