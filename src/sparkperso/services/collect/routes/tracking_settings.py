"""What the SDKs of browsers and phones fetch before they send: settings, and where to send to."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.services.collect.intake.request_services import RequestServices
from sparkperso.services.collect.routes.events import json_response
from sparkperso.services.http.problems import Problem

HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)
LOOPBACK = frozenset({"localhost", "127.0.0.1"})
SETTINGS = "/v1/projects/{key}/settings"
SOURCE = "/sourceConfig"


def routes(service: RequestServices) -> list[Route]:
    """Returns the routes of the settings of Segment's and RudderStack's clients."""

    async def get_settings(request: Request) -> Response:
        """Gives the settings that Segment's clients fetch: send to this collector, and no further.

        A client whose cdnURL is the collector needs no other option.
        """
        key = request.path_params["key"]
        service.site(request, {"writeKey": key})
        scheme, host = _address(request, service.config.public_url)
        sending = {"apiKey": key, "apiHost": f"{host}/v1", "protocol": scheme}
        return _fresh(
            {
                "integrations": {"Segment.io": sending},
                "metrics": {"sampleRate": 0, "host": f"{host}/v1"},
                "edgeFunction": {},
                "analyticsNextEnabled": True,
            }
        )

    async def get_source_config(request: Request) -> Response:
        """Gives the source that RudderStack's clients fetch: one that is on, without destinations.

        A client whose configUrl is the collector needs no control plane.
        """
        site = service.site(request)
        off = {"enabled": False}
        source = {
            "id": site.site,
            "name": site.site,
            "enabled": True,
            "config": {"statsCollection": {"errors": off, "metrics": off}},
            "connections": [],
            "destinations": [],
        }
        return _fresh({"source": source, "isHosted": False})

    async def post_metrics(request: Request) -> Response:
        """Takes what Segment's client counts of itself, and keeps nothing of it."""
        return Response(status_code=204)

    every = []
    for path, method, endpoint in (
        (SETTINGS, "GET", get_settings),
        (SOURCE, "GET", get_source_config),
        ("/v1/m", "POST", post_metrics),
    ):
        every.append(Route(path, endpoint, methods=[method]))
        every.append(Route(f"{path}/", endpoint, methods=[method], include_in_schema=False))
    return every


def _address(request: Request, public_url: str | None) -> tuple[str, str]:
    """Returns scheme and host to go on with: collect.public_url, else what the client used.

    A public address that is this machine's own names no port for certain, which --port sets.
    Raises a Problem for a Host that is no address.
    """
    public = urlsplit(public_url or "")
    if public.hostname and public.hostname not in LOOPBACK:
        return public.scheme, public.netloc
    host = request.headers.get("host", "")
    if not HOST.fullmatch(host):
        raise Problem(400, "host", "Host should be the address of this collector.")
    return request.url.scheme, host


def _fresh(value: Any) -> Response:
    """Returns settings for whoever asked: they hold the address that was used, and a key."""
    response = json_response(value)
    response.headers["Cache-Control"] = "no-store"
    return response
