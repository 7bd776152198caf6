"""OpenAPI documents, made of the routes themselves and of what stands beside each handler."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.routing import BaseRoute, Route

from sparkperso.services.http import problems

VERSION = "3.1.0"
Schema = Mapping[str, Any]
"""A schema of JSON Schema 2020-12, which is OpenAPI 3.1's."""
Handler = TypeVar("Handler")
TEXT: Schema = {"type": "string"}
PROBLEM: Schema = {
    "type": "object",
    "description": "What is wrong, and what to do (RFC 9457); it may have more members.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:sparkperso:problem:"},
        "title": TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": TEXT,
        "request_id": {
            "type": "string",
            "description": "That of the header X-Request-Id; lines of the log have it.",
        },
    },
}
"""The component `Problem`."""
PROBLEM_CONTENT: Schema = {problems.JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
PAGE_CONTENT: Schema = {**PROBLEM_CONTENT, "text/html": {"schema": TEXT}}
"""Whoever asks for HTML by GET is told in a page."""
HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "The challenge of RFC 6750."},
    429: {"Retry-After": "Seconds until there is room again."},
}
"""Status → headers that its problem has."""

PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""RFC 9110, section 15: older Pythons have other words, and the document is to be one."""


@dataclass(frozen=True)
class Answer:
    """One answer that is no problem document."""

    description: str
    content: Mapping[str, Schema]
    """Media type → schema."""


def json_answer(description: str, schema: Schema) -> Answer:
    """Returns an answer in JSON."""
    return Answer(description, {"application/json": schema})


@dataclass(frozen=True)
class Operation:
    """What a route takes and gives, beside what its path and its handler's docstring say."""

    answers: Mapping[int, Answer]
    problems: Sequence[int] = ()
    """Statuses of problem documents, beside those of every route."""
    parameters: Sequence[Schema] = ()
    """Of the query and of headers; those of the path are named by the route."""
    path: Mapping[str, Schema] = field(default_factory=dict)
    """Name in the path → schema; any text where there is none."""
    body: Schema | None = None
    body_types: Sequence[str] = ("application/json",)
    security: Sequence[Mapping[str, Sequence[str]]] = ()
    """None needed where it is empty."""


def described(operation: Operation) -> Callable[[Handler], Handler]:
    """Returns what puts an operation beside its handler, from where the document takes it."""

    def decorate(handler: Handler) -> Handler:
        handler.operation = operation  # type: ignore[attr-defined]
        return handler

    return decorate


def operation_of(route: Route) -> Operation | None:
    """Returns what stands beside a route's handler; None where nothing does."""
    found: Operation | None = getattr(route.endpoint, "operation", None)
    return found


def paths(
    routes: Iterable[BaseRoute], describe: Callable[[Route, str], dict[str, Any]]
) -> dict[str, Any]:
    """Returns the paths of a document: `describe` makes the operation of a route and a method."""
    found: dict[str, Any] = {}
    for route in routes:
        if isinstance(route, Route) and route.include_in_schema:
            path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
            methods = sorted((route.methods or {"GET"}) - {"HEAD", "OPTIONS"})
            found.setdefault(path, {}).update({m.lower(): describe(route, m) for m in methods})
    return found


def named(route: Route, method: str) -> dict[str, Any]:
    """Returns an operation's id and summary: the first line of its handler's docstring."""
    return {
        "operationId": f"{method.lower()}_{route.name}",
        "summary": inspect.cleandoc(route.endpoint.__doc__ or "").partition("\n")[0],
    }


def path_parameters(route: Route, schemas: Mapping[str, Schema]) -> list[dict[str, Any]]:
    """Returns the parameters in a route's path."""
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas.get(name, TEXT)}
        for name in re.findall(r"\{(\w+)", route.path)
    ]


def described_operation(
    route: Route, method: str, always: Sequence[int], content: Schema = PAGE_CONTENT
) -> dict[str, Any]:
    """Returns an operation as its `Operation` has it; `always` are problems of every route.

    Raises LookupError for a route beside whose handler there is none.
    """
    operation = operation_of(route)
    if operation is None:
        raise LookupError(f"{route.path} has no description: put @described(…) on its handler")
    parameters = [*path_parameters(route, operation.path), *operation.parameters]
    statuses = sorted({*always, *operation.problems})
    problem_content = content if method == "GET" else PROBLEM_CONTENT
    made = {
        **named(route, method),
        "operationId": route.name,
        "responses": {
            **{str(status): _answered(one) for status, one in operation.answers.items()},
            **{str(status): _problem(status, problem_content) for status in statuses},
        },
    }
    for status in operation.answers.keys() & set(statuses):
        # A status of both kinds, as of a protocol that has errors of its own.
        own = _answered(operation.answers[status])["content"]
        described = made["responses"][str(status)]
        described["content"] = {**described["content"], **own}
    if parameters:
        made["parameters"] = parameters
    if operation.body is not None:
        content_of_body = {kind: {"schema": operation.body} for kind in operation.body_types}
        made["requestBody"] = {"required": True, "content": content_of_body}
    if operation.security:
        made["security"] = list(operation.security)
    return made


def _answered(answer: Answer) -> dict[str, Any]:
    content = {kind: {"schema": schema} for kind, schema in answer.content.items()}
    return {"description": answer.description, "content": content}


def _problem(status: int, content: Schema) -> dict[str, Any]:
    headers = {
        name: {"description": text, "schema": TEXT}
        for name, text in HEADERS.get(status, {}).items()
    }
    found = {"description": PHRASES.get(status) or HTTPStatus(status).phrase, "content": content}
    return {**found, "headers": headers} if headers else found
