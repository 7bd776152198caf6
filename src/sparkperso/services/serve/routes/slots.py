"""POST /v1/personalize: what the slots of a page, an app or a mail show somebody."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sparkperso.core.errors import UsageError
from sparkperso.services.http.headers import headers_of
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.answers import slots_document
from sparkperso.services.serve.engine.requests import SlotsRequest
from sparkperso.services.serve.page import PAGE_HEADERS
from sparkperso.services.serve.routes.bodies import check_members, json_response, object_in
from sparkperso.services.serve.service import Service

MEMBERS = frozenset(
    {"user_id", "anonymous_id", "slots", "context", "recent", "cart", "exclude", "n"}
    | {"format", "page", "explain"}
)
FORMATS = ("json", "page")
MOST_SLOTS = 50


def routes(service: Service) -> list[Route]:
    """Returns the route of slots."""

    async def post_personalize(request: Request) -> Response:
        """Gives what each slot shows: content, lists, and why."""
        headers = headers_of(request.scope)
        caller = service.admit(request.scope, headers)
        body = await object_in(service, headers, request)
        check_members(body, MEMBERS)
        form = body.get("format") or "json"
        if form not in FORMATS:
            raise read.invalid(f"format should be one of {', '.join(FORMATS)}.")
        user_id = read.read_optional_id(body.get("user_id"), "user_id")
        anonymous_id = read.read_optional_id(body.get("anonymous_id"), "anonymous_id")
        context = read.context_of(_context(body), service.countries)
        wanted = SlotsRequest(
            service.subject(caller, headers, user_id, anonymous_id, context),
            _slots(body.get("slots"), service),
            context,
            read.read_ids(body.get("exclude"), "exclude"),
            explain=read.read_flag(body.get("explain"), "explain"),
        )
        try:
            answer, decision_id = await service.decide(wanted, "personalize")
        except UsageError as error:
            raise read.invalid(str(error)) from None
        if form == "page":
            page = service.pages.render(body.get("page"), answer, decision_id, context)
            return HTMLResponse(page, headers=PAGE_HEADERS)
        return json_response(slots_document(answer, decision_id, service.store_version))

    return [Route("/v1/personalize", post_personalize, methods=["POST"])]


def _context(body: dict[str, Any]) -> dict[str, Any]:
    """The context of a body, with what stands beside it: recent, cart and n."""
    context = body.get("context")
    context = {} if context is None else context
    if not isinstance(context, dict):
        raise read.invalid("context should be an object.")
    return {**context, **{name: body[name] for name in ("recent", "cart", "n") if name in body}}


def _slots(value: Any, service: Service) -> tuple[str, ...]:
    """The names of the slots that are asked for; all of them without any."""
    if value is None:
        return tuple(service.book.slots)
    names = [value] if isinstance(value, str) else value
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not is_list or not 1 <= len(names) <= MOST_SLOTS:
        raise read.invalid(f"slots should be a list of 1 to {MOST_SLOTS} names.")
    return tuple(dict.fromkeys(names))
