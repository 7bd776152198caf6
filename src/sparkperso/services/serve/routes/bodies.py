"""Requests as routes take them, and bodies of answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope

from sparkperso.services.http.headers import JSON_HEADERS, headers_of
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.operations import Call
from sparkperso.services.serve.service import Service


def call_of(service: Service, scope: Scope, route: str) -> Call:
    """Returns a request that was let in; raises a Problem: 401 or 429."""
    headers = headers_of(scope)
    return Call(service.admit(scope, headers), headers, route)


def json_response(value: Any, status: int = 200) -> Response:
    """Returns a value as a JSON response with the headers of all answers."""
    return json_bytes(orjson.dumps(value), status)


def json_bytes(body: bytes, status: int = 200) -> Response:
    """Returns bytes of JSON as a response with the headers of all answers."""
    response = Response(body, status)
    response.raw_headers = [*JSON_HEADERS, (b"content-length", b"%d" % len(body))]
    return response


async def object_in(
    service: Service, headers: Mapping[bytes, bytes], receive: Receive
) -> dict[str, Any]:
    """Returns the object that a request sends; raises a Problem for anything else."""
    body = await service.bodies.json(headers, receive)
    if not isinstance(body, dict):
        raise read.invalid("The body should be an object.")
    return body


def check_members(body: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises a 422 Problem for members that nobody reads: a misspelt one would do nothing."""
    unknown = sorted(body.keys() - known)
    if unknown:
        names = ", ".join(sorted(known))
        raise read.invalid(
            f"The body has the members {names}; '{unknown[0][:80]}' is none of them."
        )
