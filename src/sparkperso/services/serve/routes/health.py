"""GET /healthz, /readyz, /metrics, /openapi.json; they need no token."""

from __future__ import annotations

import asyncio
from functools import lru_cache

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.services.http.openapi import Answer, Operation, described, json_answer
from sparkperso.services.serve import openapi
from sparkperso.services.serve.routes.bodies import json_bytes, json_response
from sparkperso.services.serve.service import Service

ALIVE = openapi.closed({"status": {"const": "ok"}})
READY = openapi.closed(
    {
        "status": {"const": "ready"},
        "store_version": openapi.STRING,
        "problem": openapi.NULLABLE_STRING,
    }
)


def routes(service: Service) -> list[Route]:
    """Returns the routes that watch the API."""

    @described(Operation({200: json_answer("It does.", ALIVE)}))
    async def healthz(_: Request) -> Response:
        """Says that the process answers."""
        return json_response({"status": "ok"})

    @described(Operation({200: json_answer("It is.", READY)}))
    async def readyz(_: Request) -> Response:
        """Says whether answers are whole, and decisions kept: 200, or 503 with the reason."""
        manifest = await service.require_ready()
        problem = service.store.reader.problem
        return json_response(
            {"status": "ready", "store_version": manifest.name, "problem": problem}
        )

    @described(Operation({200: Answer("The counters.", {"text/plain": openapi.STRING})}))
    async def metrics(_: Request) -> Response:
        """Gives the counters of all workers in Prometheus' text format."""
        service.look()
        text = await asyncio.to_thread(service.metrics.text)
        return Response(text, media_type="text/plain; version=0.0.4")

    @described(Operation({200: json_answer("This document.", {"type": "object"})}))
    async def openapi_json(request: Request) -> Response:
        """Describes all routes."""
        return json_bytes(_described(request.app))

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/openapi.json", openapi_json),
    ]


@lru_cache(8)
def _described(application: Starlette) -> bytes:
    return orjson.dumps(openapi.document(application.routes))
