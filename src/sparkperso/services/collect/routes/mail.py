"""GET /v1/pixel.gif and GET /v1/click: opens and clicks of e-mails, by signed tokens."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.config import Settings
from sparkperso.core.errors import ConfigError
from sparkperso.email.allow_list import TargetError
from sparkperso.email.tokens import PATHS, Kind, Link, Links, TokenError, make_links
from sparkperso.services.collect.intake.bot_detection import BotDetector
from sparkperso.services.collect.intake.request_services import RequestServices
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.problems import Problem
from sparkperso.services.http.write_keys import SiteKey

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""One transparent pixel."""
PRIVATE = {
    "Cache-Control": "no-store, private",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
NOT_TAKEN = {
    "forged": (403, "forged_token", "The link is not one of ours, or not complete."),
    "expired": (410, "expired_token", "The link has expired."),
}


class Mail:
    """Turns opens and clicks into events of the site that the links belong to."""

    def __init__(self, service: RequestServices, links: Links, machines: BotDetector) -> None:
        self._service, self._links, self._machines = service, links, machines
        # A token names its site; there is no key in a link that a person follows.
        self._sites: Mapping[str, SiteKey] = {key.site: key for key in service.ring.sites}

    async def pixel(self, request: Request) -> Response:
        """Answers a pixel, whatever the token is: nobody should see a broken picture."""
        try:
            link = self._links.read("open", token_of(request))
            await self._record("open", link, request)
        except TokenError as error:
            self._count("open", error.reason)
        return Response(GIF, 200, PRIVATE, "image/gif")

    async def click(self, request: Request) -> Response:
        """Leads on to the link's target; raises a Problem: 403 forged or forbidden, 410 expired."""
        try:
            link = self._links.read("click", token_of(request))
            target = self._links.check_target(link.url)
        except TokenError as error:
            self._count("click", error.reason)
            raise Problem(*NOT_TAKEN[error.reason]) from None
        except TargetError as error:
            self._count("click", "forbidden")
            raise Problem(403, "target", f"The link is genuine, but {error}.") from None
        await self._record("click", link, request)
        return Response(status_code=302, headers={**PRIVATE, "Location": target})

    async def _record(self, kind: Kind, link: Link, request: Request) -> None:
        """Takes the event. A sink that is busy costs the event, counted, not the person's way."""
        site = self._sites.get(link.site)
        if site is None:
            self._count(kind, "unknown_site")
            return
        facts = self._service.facts(request)
        event = self._event(kind, link, request, facts.received_at)
        try:
            (result,) = await self._service.pipeline.take([event], site, facts)
        except Problem as problem:
            self._count(kind, problem.code)
            return
        self._count(kind, result["status"])

    def _event(self, kind: Kind, link: Link, request: Request, now: str) -> dict[str, Any]:
        age = time.time() - link.sent_at
        reason = self._machines.reason(request.method, headers_of(request.scope), age)
        # No event id: it is a hash of the event, so that opening again is an event of its own time.
        why = {"machine_reason": reason} if reason else {}
        where = {"url": link.url} if link.url else {}
        return {
            "user_id": link.user_id,
            "event_type": f"email_{kind}",
            "timestamp": now,
            "channel": "email",
            "context": {"campaign": link.campaign},
            "metadata": {"machine": reason is not None, **why, **where},
        }

    def _count(self, kind: Kind, outcome: str) -> None:
        self._service.metrics.pixels.labels(kind, outcome).inc()


def routes(service: RequestServices, settings: Settings, environ: Mapping[str, str]) -> list[Route]:
    """Returns the routes of e-mails; none, where `links.site` names no site.

    Raises ConfigError when the links' key is missing, or their site is none of collect.sites.
    """
    site = settings.links.site
    if site is None:
        return []
    if site not in settings.collect.sites:
        known = ", ".join(settings.collect.sites)
        raise ConfigError(
            "links.site should be one of collect.sites", f"It is '{site}', and they are: {known}"
        )
    mail = Mail(service, make_links(settings, environ), BotDetector(settings.links))
    return [Route(PATHS["open"], mail.pixel), Route(PATHS["click"], mail.click)]


def token_of(request: Request) -> str:
    """Returns the token; more than one is none of ours."""
    tokens = request.query_params.getlist("t")
    return tokens[0] if len(tokens) == 1 else ""
