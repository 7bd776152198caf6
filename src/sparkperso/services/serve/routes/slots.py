"""POST /v1/personalize: what the slots of a page, an app or a mail show somebody."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sparkperso.services.http.openapi import Answer, Operation, Schema, described
from sparkperso.services.serve import openapi, operations
from sparkperso.services.serve.answers import slots_document
from sparkperso.services.serve.page import PAGE_HEADERS
from sparkperso.services.serve.routes.bodies import call_of, check_members, json_response, object_in
from sparkperso.services.serve.service import Service


def routes(service: Service) -> list[Route]:
    """Returns the route of slots."""
    members = _members(service)

    @described(_operation(members))
    async def post_personalize(request: Request) -> Response:
        """Gives what each slot shows: content, lists, and why."""
        call = call_of(service, request.scope, "personalize")
        body = await object_in(service, call.headers, request.receive)
        check_members(body, members)
        shown = await operations.personalize(service, call, body)
        if shown.page is not None:
            return HTMLResponse(shown.page, headers=PAGE_HEADERS)
        document = slots_document(shown.answer, shown.decision_id, service.store_version)
        return json_response(document)

    return [Route("/v1/personalize", post_personalize, methods=["POST"])]


def _members(service: Service) -> dict[str, Schema]:
    """The members of a body: slots and pages are those of conf/."""
    slot = {"enum": list(service.book.slots)}
    of_context: dict[str, Schema] = openapi.SCHEMAS["Context"]["properties"]
    return {
        "user_id": openapi.nullable(openapi.ID),
        "anonymous_id": openapi.nullable(openapi.ID),
        "slots": {
            "anyOf": [
                {"type": "array", "minItems": 1, "maxItems": operations.MOST_SLOTS, "items": slot},
                {"enum": [*service.book.slots, None]},
            ]
        },
        "context": openapi.ref("Context"),
        **{name: of_context[name] for name in operations.BESIDE},
        "exclude": openapi.IDS,
        "format": {"enum": [*operations.FORMATS, None]},
        "page": {"enum": [*service.pages.names, None]},
        "explain": {"type": ["boolean", "null"]},
    }


def _operation(members: dict[str, Schema]) -> Operation:
    """What the route takes, by the members of its body, and gives."""
    answer = {
        "decision_id": openapi.DECISION_ID,
        "slots": {"type": "object", "additionalProperties": openapi.ref("Slot")},
        "segments": {"type": "array", "items": openapi.STRING},
        "strategy": {"enum": ["rules", "no_consent"]},
        "store_version": openapi.NULLABLE_STRING,
        "fallback": openapi.FALLBACK,
    }
    content = {"application/json": openapi.closed(answer), "text/html": openapi.STRING}
    return Operation(
        answers={200: Answer("What each slot shows; as HTML with `format: page`.", content)},
        problems=(*openapi.OF_CALLERS, *openapi.OF_BODIES),
        body=openapi.closed(members, optional=tuple(members)),
        security=openapi.SECURITY,
    )
