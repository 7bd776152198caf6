"""The OpenAPI document of the dashboard: pages, and tables of theirs as files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from starlette.routing import BaseRoute, Route

from sparkperso import __version__
from sparkperso.services.http import openapi
from sparkperso.services.http.openapi import Schema

OPEN = frozenset({"/sign-in", "/sign-out", "/healthz", "/readyz", "/metrics", "/openapi.json"})
TEXT: Schema = {"type": "string"}
PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "format",
        "in": "query",
        "description": "A table of the page as a file; needs the scope dashboard:analyse.",
        "schema": {"type": "string", "enum": ["csv", "parquet"]},
    },
    {
        "name": "table",
        "in": "query",
        "description": "Which of its tables; the first without it.",
        "schema": TEXT,
    },
]
PROBLEM: Schema = {"description": "A problem (RFC 9457).", "content": openapi.PAGE_CONTENT}


def document(routes: Iterable[BaseRoute]) -> bytes:
    """Returns the OpenAPI 3.1 document of the routes as JSON."""
    return orjson.dumps(
        {
            "openapi": openapi.VERSION,
            "info": {"title": "sparkperso dashboard", "version": __version__},
            "paths": openapi.paths(routes, _operation),
            "components": {
                "schemas": {"Problem": openapi.PROBLEM},
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "cookie": {"type": "apiKey", "in": "cookie", "name": "sparkperso_dashboard"},
                },
            },
        }
    )


def _operation(route: Route, method: str) -> dict[str, Any]:
    named = openapi.named(route, method)
    if route.path in OPEN or route.path.startswith("/static/"):
        return {**named, "responses": {"200": {"description": "It is given."}, "default": PROBLEM}}
    content = {
        "text/html": {"schema": TEXT},
        "text/csv": {"schema": TEXT},
        "application/vnd.apache.parquet": {"schema": TEXT},
    }
    return {
        **named,
        "parameters": PARAMETERS,
        "responses": {
            "200": {"description": "The page, or a table of it.", "content": content},
            "default": PROBLEM,
        },
        "security": [{"bearer": []}, {"cookie": []}],
    }
