"""POST /v1/personalize: what the slots of a page, an app or a mail show somebody."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sparkperso.services.serve import operations
from sparkperso.services.serve.answers import slots_document
from sparkperso.services.serve.page import PAGE_HEADERS
from sparkperso.services.serve.routes.bodies import call_of, check_members, json_response, object_in
from sparkperso.services.serve.service import Service

MEMBERS = frozenset(
    {"user_id", "anonymous_id", "slots", "context", "recent", "cart", "exclude", "n"}
    | {"format", "page", "explain"}
)


def routes(service: Service) -> list[Route]:
    """Returns the route of slots."""

    async def post_personalize(request: Request) -> Response:
        """Gives what each slot shows: content, lists, and why."""
        call = call_of(service, request.scope, "personalize")
        body = await object_in(service, call.headers, request)
        check_members(body, MEMBERS)
        shown = await operations.personalize(service, call, body)
        if shown.page is not None:
            return HTMLResponse(shown.page, headers=PAGE_HEADERS)
        document = slots_document(shown.answer, shown.decision_id, service.store_version)
        return json_response(document)

    return [Route("/v1/personalize", post_personalize, methods=["POST"])]
