"""What the demo shop's pages need of the personalisation API: its address, customers and tokens."""

from __future__ import annotations

import logging

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.config.collect import ShopConfig
from sparkperso.services.collect.intake.cookies import new_anonymous_id
from sparkperso.services.collect.intake.request_services import RequestServices
from sparkperso.services.collect.routes.demo import products
from sparkperso.services.collect.routes.demo.pages import Hosts
from sparkperso.services.collect.routes.events import json_response
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.problems import Problem

SECONDS = 3.0
"""How long the API may take to make a token."""
log = logging.getLogger("sparkperso.collect")


def routes(service: RequestServices, config: ShopConfig) -> list[Route]:
    """Returns the routes; without an API the pages show their own content."""
    allowed = Hosts(service.config.public_url)

    async def get_config(_: Request) -> Response:
        """Says where the API is, and as whom a visitor may sign in."""
        customers = [
            {"user_id": user_id, "label": label} for user_id, label in config.customers.items()
        ]
        body = {
            "api": config.api,
            "token_url": "/demo/api/token",
            "customers": customers,
            "currency": config.currency if config.products else None,
        }
        return json_response(body)

    async def post_token(request: Request) -> Response:
        """Gets a browser token for a customer of the demo or a visitor; says whom it is for.

        A shop's server does so for whoever is signed in; here anybody may be one of the customers.
        A visitor is who has the collector's cookie, which no script can read; without one, as
        before their consent, they are somebody new each time.
        """
        if config.api is None:
            raise Problem(404, "no_api", "The shop runs without the personalisation API.")
        body = await service.bodies.json(headers_of(request.scope), request.receive)
        named = body if isinstance(body, dict) else {}
        user_id = named.get("user_id")
        if user_id is not None:
            if not isinstance(user_id, str) or user_id not in config.customers:
                raise Problem(403, "no_customer", "user_id should be a customer of the demo.")
            return await _token(config, {"user_id": user_id})
        # What the page says of itself is not believed.
        cookie = service.cookies.read(headers_of(request.scope).get(b"cookie"))
        return await _token(config, {"anonymous_id": cookie or new_anonymous_id()})

    return [
        *products.routes(config.products, allowed),
        Route("/demo/api/config", allowed.only(get_config)),
        Route("/demo/api/token", allowed.only(post_token), methods=["POST"]),
    ]


async def _token(config: ShopConfig, subject: dict[str, str]) -> Response:
    headers = {"Authorization": f"Bearer {config.token}"}
    try:
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
            answer = await client.post(f"{config.api}/v1/tokens", json=subject, headers=headers)
    except httpx.HTTPError as error:
        log.warning("the API did not make a token: %s", type(error).__name__)
        raise _no_token() from None
    if answer.status_code != 200:
        raise _no_token()
    return json_response({**answer.json(), **subject})


def _no_token() -> Problem:
    # Not 5xx: the page goes on with its own content.
    return Problem(424, "no_token", "The personalisation API did not make a token.")
