"""The OpenAPI document, made of the routes themselves: their paths, methods and docstrings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute, Route

from sparkperso import __version__
from sparkperso.core.event import CHANNELS, CONTEXT_FIELDS, TEXT_FIELDS
from sparkperso.email.tokens import PATHS
from sparkperso.services.collect.routes import tracking_api, tracking_schemas
from sparkperso.services.http import openapi
from sparkperso.services.http.body import JSON_TYPES

ERROR = {"description": "A problem", "content": openapi.PROBLEM_CONTENT}
OBJECT = {"type": "object", "additionalProperties": True}
EVENT_BODY = {
    "oneOf": [
        {"$ref": "#/components/schemas/Event"},
        {"$ref": "#/components/schemas/Batch"},
    ]
}
OF_TRACKING = tracking_schemas.bodies(tracking_api.KINDS, tracking_api.BATCH)
BODIES = {"/v1/events": EVENT_BODY, **OF_TRACKING}
"""Path → schema of its body, where it is more than an object."""
RESULTS = {"$ref": "#/components/schemas/Results"}
RESULT = {"$ref": "#/components/schemas/Result"}
RESPONSES = {"/v1/events": {"anyOf": [RESULT, RESULTS]}, **dict.fromkeys(OF_TRACKING, RESULTS)}
"""Path → schema of the response 200, where it is described."""
MEDIA_TYPES = sorted(kind.decode() for kind in JSON_TYPES if kind)
TOKEN = {
    "name": "t",
    "in": "query",
    "required": True,
    "schema": {"type": "string"},
    "description": "The signed token of a mail's link",
}
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
ONE_CLICK = {
    "type": "object",
    "properties": {"List-Unsubscribe": {"const": "One-Click"}},
    "description": "RFC 8058",
}
SECURITY: list[dict[str, list[str]]] = [{"basic": []}, {"bearer": []}, {"query": []}, {}]
"""The last stands for a key in the body."""


def document(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """Returns the OpenAPI 3.1 document of the routes that are in it, as JSON's values."""
    return {
        "openapi": openapi.VERSION,
        "info": {"title": "sparkperso collector", "version": __version__},
        "paths": openapi.paths(routes, _operation),
        "components": {"schemas": _schemas(), "securitySchemes": _security()},
    }


def _operation(route: Route, method: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        **openapi.named(route, method),
        "responses": {"200": {"description": "Done"}, "4XX": ERROR, "5XX": ERROR},
    }
    if parameters := openapi.path_parameters(route, {}):
        operation["parameters"] = parameters
    if route.path in PATHS.values():
        operation["parameters"] = [TOKEN]
        if method == "POST":
            operation["requestBody"] = {"content": {k: {"schema": ONE_CLICK} for k in FORM_TYPES}}
    elif method == "POST":
        schema = BODIES.get(route.path, OBJECT)
        operation["requestBody"] = {"content": {kind: {"schema": schema} for kind in MEDIA_TYPES}}
        operation["security"] = SECURITY
    if route.path in RESPONSES:
        content = {"application/json": {"schema": RESPONSES[route.path]}}
        operation["responses"]["200"] = {"description": "What became of it", "content": content}
    return operation


def _schemas() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": 512}
    event = dict.fromkeys(TEXT_FIELDS, text) | {
        "channel": {"type": "string", "description": ", ".join(CHANNELS)},
        "timestamp": {
            "type": ["string", "number"],
            "description": "ISO 8601 with an offset, or a number since 1970 in s, ms, µs or ns",
        },
        "value": {"description": "A number, which may be text; what is none goes to metadata"},
        "schema_version": {"type": ["integer", "string"]},
        "metadata": OBJECT,
        "context": {"type": "object", "properties": {name: {} for name in CONTEXT_FIELDS}},
    }
    return {
        **tracking_schemas.schemas(),
        "Event": {
            "type": "object",
            "required": ["event_type", "timestamp"],
            "properties": event,
            "additionalProperties": False,
        },
        "Batch": {
            "type": "object",
            "required": ["events"],
            "properties": {
                "events": {"type": "array", "minItems": 1},
                "sent_at": event["timestamp"],
                "writeKey": text,
            },
        },
        "Problem": openapi.PROBLEM,
    }


def _security() -> dict[str, Any]:
    return {
        "basic": {"type": "http", "scheme": "basic", "description": "The write key is the user."},
        "bearer": {"type": "http", "scheme": "bearer", "description": "The write key."},
        "query": {"type": "apiKey", "in": "query", "name": "writeKey"},
    }
