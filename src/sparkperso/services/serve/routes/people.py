"""GET /v1/users/{id}/segments and /profile, POST /v1/tokens: one person."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.services.access.tokens import MOST_SUBJECT, is_subject
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.openapi import Operation, Schema, described, json_answer
from sparkperso.services.http.problems import Problem
from sparkperso.services.serve import openapi, operations
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.operations import Known, known_document
from sparkperso.services.serve.routes import ids
from sparkperso.services.serve.routes.bodies import call_of, check_members, json_response, object_in
from sparkperso.services.serve.service import Service

TOKENS = "tokens"
PERSON = "The id of a person"
PROVENANCE: dict[str, Schema] = {
    "store_version": openapi.NULLABLE_STRING,
    "as_of": {"type": ["string", "null"], "format": "date-time"},
    "fallback": openapi.FALLBACK,
}
NAMES = ("user_id", "anonymous_id")
"""Members of the body of POST /v1/tokens, of which one comes."""
SUBJECT = {
    **{"type": "string", "minLength": 1, "maxLength": MOST_SUBJECT},
    "description": "Printable text.",
}
TOKEN = openapi.closed({"token": openapi.STRING, "expires_at": {"type": "integer"}})


def routes(service: Service) -> list[Route]:
    """Returns the routes of people."""

    @described(_reading("segments", {"type": "array", "items": openapi.ref("Segment")}))
    async def get_segments(request: Request) -> Response:
        """Lists the segments of a person, and where each comes from."""
        call = call_of(service, request.scope, "/v1/users/{id}/segments")
        known = await operations.segments(service, call, ids.id_in(request, "id", PERSON))
        return _response(service, "segments", known)

    @described(_reading("profile", openapi.nullable(openapi.ref("Profile")), (404,)))
    async def get_profile(request: Request) -> Response:
        """Gives what rules know of a person, and of when it is."""
        call = call_of(service, request.scope, "/v1/users/{id}/profile")
        known = await operations.profile(service, call, ids.id_in(request, "id", PERSON))
        return _response(service, "profile", known)

    @described(
        Operation(
            answers={200: json_answer("The token, and when it ends in Unix seconds.", TOKEN)},
            problems=(*openapi.OF_CALLERS, 404, *openapi.OF_BODIES),
            body={"oneOf": [openapi.closed({name: SUBJECT}) for name in NAMES]},
            security=openapi.SECURITY,
        )
    )
    async def post_token(request: Request) -> Response:
        """Makes a short-lived token for the pages of one person or visitor."""
        headers = headers_of(request.scope)
        service.admit(request.scope, headers).require(TOKENS)
        body = await object_in(service, headers, request.receive)
        check_members(body, NAMES)
        named = {name: read.read_id(body[name], name) for name in NAMES if name in body}
        if len(named) != 1:
            raise read.invalid("Give one of user_id and anonymous_id.")
        if service.gate.browser is None:
            raise Problem(404, "no_browser_tokens", "No key for browser tokens is configured.")
        if not all(map(is_subject, named.values())):
            raise read.invalid("The id should be printable text of 1 to 256 characters.")
        token = service.gate.browser.issue(**named)
        return json_response({"token": token.text, "expires_at": token.expires_at})

    return [
        Route(f"/v1/users/{{id:{ids.NAME}}}/segments", get_segments),
        Route(f"/v1/users/{{id:{ids.NAME}}}/profile", get_profile),
        Route("/v1/tokens", post_token, methods=["POST"]),
    ]


def _reading(name: str, schema: Schema, problems: tuple[int, ...] = ()) -> Operation:
    members = {"user_id": openapi.STRING, name: schema, **PROVENANCE}
    return Operation(
        answers={200: json_answer("What is known, and of when it is.", openapi.closed(members))},
        problems=(*openapi.OF_CALLERS, *problems, 422),
        path={"id": openapi.ID},
        security=openapi.SECURITY,
    )


def _response(service: Service, name: str, known: Known) -> Response:
    """What is known of a person, and where it is from."""
    return json_response(known_document(name, known, service.store_version, service.as_of))
