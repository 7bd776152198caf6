"""GET /v1/users/{id}/segments and /profile, POST /v1/tokens: one person."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.services.access.tokens import is_subject
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.problems import Problem
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.engine.people import USER
from sparkperso.services.serve.engine.store_access import Fallback, StoreUnavailable
from sparkperso.services.serve.routes.bodies import check_members, json_response, object_in
from sparkperso.services.serve.service import Service
from sparkperso.services.stores.records import PROFILES, SEGMENTS

READ = "profile:read"
TOKENS = "tokens"


def routes(service: Service) -> list[Route]:
    """Returns the routes of people."""

    async def get_segments(request: Request) -> Response:
        """Lists the segments of a person, and where each comes from."""
        user_id, record, why = await _record(service, request, SEGMENTS, "segments")
        body = {"user_id": user_id, "segments": orjson.loads(record) if record else []}
        return json_response({**body, **_provenance(service), "fallback": why})

    async def get_profile(request: Request) -> Response:
        """Gives what rules know of a person, and of when it is."""
        user_id, record, why = await _record(service, request, PROFILES, "profile")
        if record is None and why is None:
            raise Problem(404, "no_profile", "There is no profile of this person.")
        body = {"user_id": user_id, "profile": orjson.loads(record) if record else None}
        return json_response({**body, **_provenance(service), "fallback": why})

    async def post_token(request: Request) -> Response:
        """Makes a short-lived token for the pages of one person or visitor."""
        headers = headers_of(request.scope)
        service.admit(request.scope, headers).require(TOKENS)
        body = await object_in(service, headers, request)
        check_members(body, {"user_id", "anonymous_id"})
        named = {
            name: read.read_id(body[name], name)
            for name in ("user_id", "anonymous_id")
            if name in body
        }
        if len(named) != 1:
            raise read.invalid("Give one of user_id and anonymous_id.")
        if service.gate.browser is None:
            raise Problem(404, "no_browser_tokens", "No key for browser tokens is configured.")
        if not all(map(is_subject, named.values())):
            raise read.invalid("The id should be printable text of 1 to 256 characters.")
        token = service.gate.browser.issue(**named)
        return json_response({"token": token.text, "expires_at": token.expires_at})

    return [
        Route("/v1/users/{id}/segments", get_segments),
        Route("/v1/users/{id}/profile", get_profile),
        Route("/v1/tokens", post_token, methods=["POST"]),
    ]


async def _record(
    service: Service, request: Request, namespace: str, what: str
) -> tuple[str, bytes | None, Fallback | None]:
    """The id that was asked for, the record, and why there is none; the audit notes who asks."""
    headers = headers_of(request.scope)
    caller = service.admit(request.scope, headers)
    user_id = read.read_id(request.path_params["id"], "The id of a person")
    caller.require_user(READ, user_id)
    service.audit.user(caller, user_id, f"/v1/users/{{id}}/{what}")
    known_as = service.identifiers.known_as(USER, user_id)
    try:
        (record,) = await service.store.get_many([(namespace, known_as)])
    except StoreUnavailable as error:
        return user_id, None, error.why
    return user_id, record, None


def _provenance(service: Service) -> dict[str, Any]:
    manifest = service.store.manifest
    as_of = manifest.as_of.isoformat() if manifest and manifest.as_of else None
    return {"store_version": service.store_version, "as_of": as_of}
