"""POST /v1/content/hooks/{source}: a content management system says that it changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.services.content.refresh import ContentService, open_content
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.openapi import Operation, described, json_answer
from sparkperso.services.http.problems import Problem
from sparkperso.services.serve import openapi
from sparkperso.services.serve.routes.bodies import json_response
from sparkperso.services.serve.service import Service


class ContentHooks:
    """Keeps content fresh while the application runs, and takes the calls of its sources."""

    def __init__(self, service: Service, environ: Mapping[str, str], conf_dir: Path | None) -> None:
        self._service, self._environ, self._conf_dir = service, environ, conf_dir
        self._content: ContentService | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Asks the sources for changes for as long as the block lasts."""
        service = self._service
        async with open_content(
            service.settings, self._environ, self._conf_dir, service.content
        ) as content:
            self._content = content
            yield
            self._content = None

    def routes(self) -> list[Route]:
        """Returns the route of webhooks; none where no system is configured."""

        @described(
            Operation(
                answers={202: json_answer("It is going to be looked at.", openapi.closed({}))},
                problems=(401, 404, 408, 413),
            )
        )
        async def post_hook(request: Request) -> Response:
            """Has a source of content looked at, which says that it changed."""
            headers = headers_of(request.scope)
            body = await self._service.bodies.read(headers, request.receive)
            if self._content is None:
                raise Problem(404, "no_route", "The service is ending.")
            query = request.scope["query_string"].decode("latin-1")
            path = request.url.path + (f"?{query}" if query else "")
            source = request.path_params["source"]
            self._content.hook(source, request.method, path, headers, body)
            return json_response({}, 202)

        if not self._service.settings.cms.sources:
            return []
        return [Route("/v1/content/hooks/{source}", post_hook, methods=["POST"])]
