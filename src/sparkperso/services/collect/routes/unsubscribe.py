"""GET and POST /v1/unsubscribe: out of marketing mails with one click (RFC 8058).

Mail programs send the POST themselves, from the header List-Unsubscribe. Whoever follows the link
in a mail, a person or a scanner, gets a page with a button: a GET withdraws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.config import Settings
from sparkperso.config.consent import ConsentConfig
from sparkperso.core.consent import Purpose
from sparkperso.email.tokens import PATHS, Kind, Link, Links, TokenError, make_links
from sparkperso.services.collect.intake.request_services import RequestServices
from sparkperso.services.collect.routes.consent import consent_event
from sparkperso.services.collect.routes.events import json_response, single_answer
from sparkperso.services.collect.routes.mail import NOT_TAKEN, PRIVATE, token_of
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.pages import notice, wants_page
from sparkperso.services.http.problems import Problem
from sparkperso.services.http.write_keys import SiteKey

KIND: Kind = "unsubscribe"
MARKETING: Purpose = "marketing"
ONE_CLICK = b"One-Click"
"""What a mail program's POST has in its body, as a form of either kind."""
ASKED = (
    "Do you want no more of our mails?",
    "We then send you no offers and no news. Mails about your orders still come.",
)
DONE = (
    "You get no more of our mails",
    "It may take a moment until mails that are on their way have come.",
)


class Unsubscribe:
    """Takes withdrawals of consent to marketing, by the signed links of mails."""

    def __init__(
        self, service: RequestServices, links: Links, policy: ConsentConfig, site: str
    ) -> None:
        self._service, self._links, self._policy = service, links, policy
        self._sites: Mapping[str, SiteKey] = {key.site: key for key in service.ring.sites}
        # Of a site that was renamed since, the withdrawal holds for the one that sends now.
        self._own = self._sites[site]

    async def ask(self, request: Request) -> Response:
        """Shows a page with a button; withdraws nothing. Raises a 403 Problem for a forged link."""
        self._read(request)
        return notice(*ASKED, button="Unsubscribe")

    async def withdraw(self, request: Request) -> Response:
        """Withdraws its user's consent to marketing, as often as it is sent; never a redirect.

        Raises a Problem: 403 for a forged link, 503 where the withdrawal could not be stored.
        """
        link = self._read(request)
        body = await self._service.bodies.read(headers_of(request.scope), request.receive)
        # Without the browser's id: whom a mail was forwarded to may press the button for its user.
        facts = self._service.facts(request)._replace(anonymous_id=None)
        method = "one_click" if ONE_CLICK in body else "unsubscribe_page"
        decision = {
            "user_id": link.user_id,
            "purposes": {MARKETING: False},
            "method": method,
        }
        event = consent_event(decision, facts, self._policy)
        site = self._sites.get(link.site, self._own)
        single_answer((await self._service.pipeline.take([event], site, facts))[0])
        self._count(method)
        if wants_page(request):
            return notice(*DONE)
        answer = json_response({"status": "unsubscribed"})
        answer.headers.update(PRIVATE)
        return answer

    def _read(self, request: Request) -> Link:
        try:
            return self._links.read(KIND, token_of(request))
        except TokenError as error:
            self._count(error.reason)
            raise Problem(*NOT_TAKEN[error.reason]) from None

    def _count(self, outcome: str) -> None:
        self._service.metrics.pixels.labels(KIND, outcome).inc()


def routes(service: RequestServices, settings: Settings, environ: Mapping[str, str]) -> list[Route]:
    """Returns the routes of withdrawal; none, where `links.site` names no site.

    Raises ConfigError when the links' key is missing.
    """
    site = settings.links.site
    if site is None:
        return []
    links = make_links(settings, environ)
    unsubscribe = Unsubscribe(service, links, settings.consent, site)
    path = PATHS[KIND]
    return [
        Route(path, unsubscribe.ask, name=KIND),
        Route(path, unsubscribe.withdraw, name=KIND, methods=["POST"]),
    ]
