"""POST /v1/batch, track, page, screen, identify, alias, group: the API of existing SDKs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.collect.checks import Invalid
from sparkperso.collect.events import batch_answer, json_response
from sparkperso.collect.pipeline import Result
from sparkperso.collect.problems import Problem
from sparkperso.collect.service import Service
from sparkperso.collect.tracking_map import events_of

KINDS = ("track", "page", "screen", "identify", "alias", "group")


def routes(service: Service) -> list[Route]:
    """Returns one route per call, and that of batches, which the SDKs use."""

    def route(kind: str) -> Route:
        async def post(request: Request) -> Response:
            return await _take(service, request, kind)

        post.__doc__ = f"Takes a {kind} call of the tracking API."
        return Route(f"/v1/{kind}", post, methods=["POST"], name=f"post_{kind}")

    async def post_batch(request: Request) -> Response:
        """Takes `{"batch": [...]}`: messages that each name their type."""
        return await _take(service, request, None)

    batch = Route("/v1/batch", post_batch, methods=["POST"])
    return [batch, *(route(kind) for kind in KINDS)]


async def _take(service: Service, request: Request, kind: str | None) -> Response:
    """Answers what the SDKs want, and beside it a result per event."""
    body = await service.json(request)
    site, facts = service.site(request, body), service.facts(request)
    messages = _messages(body, kind, service.config.limits.max_events)
    events: list[Any] = []
    unread: list[Result] = []
    for message in messages:
        try:
            events += events_of(message, kind, facts.received_at)
        except Invalid as error:
            unread.append({"status": "invalid", "problem": str(error)})
    taken = await service.pipeline.take(events, site, facts) if events else []
    return json_response({"success": True, **batch_answer([*taken, *unread])})


def _messages(body: Any, kind: str | None, max_events: int) -> Sequence[Any]:
    """Returns the messages, those of a batch with what the batch says for all."""
    if not isinstance(body, dict):
        raise Problem(422, "invalid", "The body should be an object.")
    if kind is not None:
        return [body]
    batch = body.get("batch")
    if not isinstance(batch, list) or not batch:
        raise Problem(422, "invalid", "'batch' should be a list of messages.")
    if len(batch) > max_events:
        detail = f"A batch should have {max_events} messages at most; this one has {len(batch)}."
        raise Problem(413, "too_many_events", detail)
    shared = {name: body[name] for name in ("sentAt", "context") if name in body}
    return [{**shared, **each} if isinstance(each, dict) else each for each in batch]
