"""Open pixels, click and unsubscribe links for e-mails, with tokens that are signed and expire.

A token is JSON, signed by itsdangerous with HMAC-SHA-256 under a key for its kind; it is not
encrypted. Older keys still read, the last one signs.

links = make_links(settings, os.environ)
links.open_url("user-17", "spring")
links.click_url("user-17", "spring", "https://shop.example/sale")
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Literal

from itsdangerous import BadData, URLSafeSerializer

from sparkperso.config import Settings
from sparkperso.config.links import LinksConfig
from sparkperso.config.secret import read_secret
from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.email.allow_list import TargetError, check_target
from sparkperso.privacy import personal_kind

Kind = Literal["open", "click", "unsubscribe"]
PATHS: Mapping[Kind, str] = {
    "open": "/v1/pixel.gif",
    "click": "/v1/click",
    "unsubscribe": "/v1/unsubscribe",
}
MIN_CHARACTERS = 16
"""Of a secret that signs links."""
MAX_TOKEN = 4096
"""Characters of a token: longer addresses are cut by some programs that read mail."""
MAX_TEXT = 256
"""Characters of a user's id, and of a campaign's name."""
DAY = 86_400


class TokenError(Exception):
    """A token that is not taken: `reason` is `forged` or `expired`."""

    def __init__(self, reason: Literal["forged", "expired"]) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Link:
    """What a token says. Times are seconds since 1970; `url` is a click's, and empty else."""

    user_id: str
    campaign: str
    site: str
    sent_at: int
    expires_at: int
    url: str = ""


class Links:
    """Makes and reads links. `keys` are secrets, the current one last."""

    def __init__(self, config: LinksConfig, keys: Sequence[bytes], is_local: bool = False) -> None:
        self._config, self._is_local = config, is_local
        # HMAC-SHA-256 under a key derived for each kind: a pixel's token opens no link, and what a
        # machine fetches unsubscribes nobody.
        how: dict[str, Any] = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        self._signers = {
            kind: URLSafeSerializer(list(keys), salt=f"sparkperso.links.{kind}", signer_kwargs=how)
            for kind in PATHS
        }

    def open_url(self, user_id: str, campaign: str, **when: float | None) -> str:
        """Returns the address of a pixel; `sent_at` and `expires_at` are seconds since 1970.

        Without them it is sent now and expires after `links.days`. Raises UsageError for an id that
        gives its user away, a text that is no campaign's name, and an expiry before sending.
        """
        return self._url("open", self._link(user_id, campaign, "", **when))

    def click_url(self, user_id: str, campaign: str, url: str, **when: float | None) -> str:
        """Returns a link to `url`, as `open_url` does to a pixel.

        Raises UsageError for a target that links may not lead to, or that is too long, too.
        """
        try:
            self.check_target(url)
        except TargetError as error:
            raise UsageError(str(error), f"Found {url[:100]!r}", "See links.hosts") from None
        return self._url("click", self._link(user_id, campaign, url, **when))

    def unsubscribe_url(self, user_id: str, campaign: str, **when: float | None) -> str:
        """Returns the address where a user withdraws from mails, as `open_url` does a pixel's.

        It does not expire: whoever finds an old mail may still want no more of them.
        """
        return self._url("unsubscribe", self._link(user_id, campaign, "", **when))

    def read(self, kind: Kind, token: str, now: float | None = None) -> Link:
        """Returns what a token says; `now` is in seconds since 1970.

        Raises TokenError: `forged` for a token that no key signed, or for another kind, and
        `expired`.
        """
        if len(token) > MAX_TOKEN:
            raise TokenError("forged")
        try:
            link = Link(*self._signers[kind].loads(token))
        except BadData:
            raise TokenError("forged") from None
        is_over = link.expires_at <= (time.time() if now is None else now)
        if is_over and kind != "unsubscribe":
            raise TokenError("expired")
        return link

    def check_target(self, url: str) -> str:
        """Returns `url` when links may lead there now; raises TargetError."""
        return check_target(url, self._config.hosts, self._is_local)

    def _link(
        self,
        user_id: str,
        campaign: str,
        url: str,
        sent_at: float | None = None,
        expires_at: float | None = None,
    ) -> Link:
        if self._config.site is None:
            raise UsageError("links.site should name the site that opens and clicks belong to")
        sent = time.time() if sent_at is None else sent_at
        expires = sent + self._config.days * DAY if expires_at is None else expires_at
        if expires <= sent:
            raise UsageError("A link should expire after it is sent", "It expires before")
        who, what = _user(user_id), _text("A campaign", campaign)
        return Link(who, what, self._config.site, int(sent), int(expires), url)

    def _url(self, kind: Kind, link: Link) -> str:
        token = self._signers[kind].dumps(astuple(link))
        if len(token) > MAX_TOKEN:
            raise UsageError("A link's target should be shorter", f"The token has {len(token)}")
        text = token if isinstance(token, str) else token.decode()
        return f"{self._config.base_url}{PATHS[kind]}?t={text}"


def make_links(settings: Settings, environ: Mapping[str, str]) -> Links:
    """Returns the links of an environment, with its keys of `links.key_env` and `previous_key_env`.

    Raises ConfigError for a key that is missing or too short. Locally the configuration may hold
    one.
    """
    config, is_local = settings.links, settings.env == "local"
    current = read_secret(config.key_env, environ) or (config.key if is_local else None)
    previous = read_secret(config.previous_key_env, environ)
    keys = [key for key in (previous, current) if key is not None]
    if current is None or any(len(key) < MIN_CHARACTERS for key in keys):
        raise ConfigError(
            f"{config.key_env} should hold the key of e-mail links, of {MIN_CHARACTERS} characters"
            " or more",
            "It is not set" if current is None else "It, or the previous one, is shorter",
            f"Set it, or {config.key_env}_FILE to a file that holds it (openssl rand -hex 32)",
        )
    return Links(config, [key.encode() for key in keys], is_local)


def _text(what: str, value: str) -> str:
    if not value or len(value) > MAX_TEXT or not value.isprintable():
        raise UsageError(f"{what} should be printable text of 1 to {MAX_TEXT} characters")
    return value


def _user(user_id: str) -> str:
    """Returns the id; a token is signed, not encrypted, so that it must give nobody away."""
    kind = personal_kind(user_id[: MAX_TEXT + 1])
    if kind is not None:
        raise UsageError(
            "A link should name its user by an opaque id",
            f"The id looks like {kind}, and whoever has the link can read it",
            "Give the id that silver/events has for the user; the collector puts a pseudonym there "
            "for fields that the tracking plan marks as personal",
        )
    return _text("A user's id", user_id)
