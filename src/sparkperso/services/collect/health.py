"""GET /healthz, /readyz, /metrics, /openapi.json."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.services.collect.intake.request_services import RequestServices
from sparkperso.services.collect.openapi import document
from sparkperso.services.collect.routes.events import json_response
from sparkperso.services.http.problems import Problem
from sparkperso.services.sinks.base import Sink


def routes(service: RequestServices, sinks: Sequence[Sink]) -> list[Route]:
    """Returns the routes that watch the collector; they need no key.

    Liveness, readiness (what the sinks say), counters for Prometheus and the OpenAPI document.
    """

    async def healthz(_: Request) -> Response:
        """Says that the process answers."""
        return json_response({"status": "ok"})

    async def readyz(_: Request) -> Response:
        """Says whether events can be kept now: 200, or 503 with the reason."""
        reasons = [reason for sink in sinks if (reason := await sink.check())]
        if reasons:
            raise Problem(503, "not_ready", f"Events cannot be kept now: {reasons[0]}.")
        return json_response({"status": "ready"})

    async def metrics(_: Request) -> Response:
        """Gives the counters in Prometheus' text format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    async def openapi(request: Request) -> Response:
        """Describes all routes."""
        return json_response(document(request.app.routes))

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/openapi.json", openapi),
    ]
