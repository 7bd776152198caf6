"""GET /healthz, /readyz, /metrics, /openapi.json; they need no token."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.services.serve.openapi import document
from sparkperso.services.serve.routes.bodies import json_response
from sparkperso.services.serve.service import Service


def routes(service: Service) -> list[Route]:
    """Returns the routes that watch the API."""

    async def healthz(_: Request) -> Response:
        """Says that the process answers."""
        return json_response({"status": "ok"})

    async def readyz(_: Request) -> Response:
        """Says whether lists of a whole version can be read: 200, or 503 with the reason."""
        manifest = service.require_ready()
        problem = service.store.reader.problem
        return json_response(
            {"status": "ready", "store_version": manifest.name, "problem": problem}
        )

    async def metrics(_: Request) -> Response:
        """Gives the counters in Prometheus' text format."""
        manifest = service.store.manifest
        if manifest:
            service.metrics.version_age.set(time.time() - manifest.created.timestamp())
            if manifest.lists_at:
                service.metrics.lists_age.set(time.time() - manifest.lists_at.timestamp())
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
