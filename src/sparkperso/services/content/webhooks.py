"""Whether a call that says that content changed comes from the system that it names."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from sparkperso.config import Settings
from sparkperso.config.content.cms import WebhookConfig
from sparkperso.services.content.sources import webhook_secrets
from sparkperso.services.http.problems import Problem

SIGNATURE, SIGNED, TIMESTAMP = (
    b"x-contentful-signature",
    b"x-contentful-signed-headers",
    b"x-contentful-timestamp",
)
MOST_SEEN = 10_000
"""Signatures that are remembered, so that none is taken twice."""
AHEAD_SECONDS = 10.0
"""How far the clock of who signs may be ahead."""

Headers = Mapping[bytes, bytes]
"""Name in lower case → value."""


class Webhooks:
    """Checks calls of all sources. A body is never read for what it says: it says that to ask."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Raises ConfigError for a secret that is missing or short."""
        self._secrets = webhook_secrets(settings, environ)
        self._configs = {
            name: source.webhook for name, source in settings.cms.sources.items() if source.webhook
        }
        self._clock = clock
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def check(self, source: str, method: str, path: str, headers: Headers, body: bytes) -> float:
        """Returns the seconds to wait before a source is asked, after a call that is its own.

        `path` is the call's, as it was sent, with its query. Raises a Problem: 404 for a source
        that there is none of, or that has no webhook; 401 for a call that is not its own, is too
        old, or was taken before.
        """
        config = self._configs.get(source)
        if config is None:
            raise Problem(404, "no_webhook", "No source of this name has a webhook.")
        secret = self._secrets[source].encode()
        if config.check == "contentful":
            self._require_signed(config, secret, (method, config.path or path), headers, body)
        elif not hmac.compare_digest(headers.get(config.header.encode(), b""), secret):
            raise _refused(f"The header {config.header} should hold the webhook's secret.")
        return config.delay_seconds

    def _require_signed(
        self,
        config: WebhookConfig,
        secret: bytes,
        call: tuple[str, str],
        headers: Headers,
        body: bytes,
    ) -> None:
        sent = headers.get(SIGNATURE, b"")
        if not hmac.compare_digest(signature(secret, *call, headers, body), sent):
            raise _refused("The request should be signed with the webhook's secret.")
        # Only now: the time is a part of what was signed.
        age = self._clock() - int(headers[TIMESTAMP]) / 1000
        if not -AHEAD_SECONDS <= age < config.max_age_seconds:
            raise _refused(f"It should be sent within {config.max_age_seconds:g} seconds.")
        if sent in self._seen:
            raise _refused("The request was taken before.")
        self._seen[sent] = None
        if len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)


def signature(secret: bytes, method: str, path: str, headers: Headers, body: bytes) -> bytes:
    """Returns what Contentful signs a request with: 64 hexadecimal digits; b"" where it cannot be.

    HMAC-SHA-256 of method, path, `name:value` of the signed headers, joined by `;` in the order of
    their names, and body, a line each. Signed headers and timestamp always count among them
    (contentful/node-apps-toolkit, `signRequest`).
    """
    listed = headers.get(SIGNED, b"").split(b",")
    names = sorted({name.strip().lower() for name in listed if name.strip()} | {SIGNED, TIMESTAMP})
    if not headers.get(TIMESTAMP, b"").isdigit() or any(name not in headers for name in names):
        return b""
    known = {**headers, SIGNED: b",".join(names)}
    signed = b";".join(name + b":" + known[name].strip() for name in names)
    text = b"\n".join((method.encode(), path.encode(), signed, body))
    return hmac.new(secret, text, hashlib.sha256).hexdigest().encode()


def _refused(detail: str) -> Problem:
    return Problem(401, "webhook", detail)
