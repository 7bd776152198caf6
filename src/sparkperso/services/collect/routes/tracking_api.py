"""The tracking API of existing SDKs: POST /v1/batch, /v1/track …, under all names that they use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.services.collect.intake.event_validation import Invalid
from sparkperso.services.collect.intake.pipeline import Result
from sparkperso.services.collect.intake.request_services import RequestServices
from sparkperso.services.collect.intake.sales import SaleLimits
from sparkperso.services.collect.routes.events import batch_answer, json_response
from sparkperso.services.collect.routes.tracking_map import events_of
from sparkperso.services.http.problems import Problem

KINDS = {
    "track": ("/v1/track", "/v1/t"),
    "page": ("/v1/page", "/v1/p"),
    "screen": ("/v1/screen", "/v1/s"),
    "identify": ("/v1/identify", "/v1/i"),
    "alias": ("/v1/alias", "/v1/a"),
    "group": ("/v1/group", "/v1/g"),
}
"""Call → its routes: the long one of the HTTP API, the short one of Segment's SDK for browsers."""
BATCH = ("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch")
"""Routes of batches: of servers, of Segment's browsers and phones, of its older clients for Java,
Ruby and .NET, and of RudderStack's beacons."""
ORDER = ("accepted", "refused", "invalid")
"""What may become of an event, the worst last."""


def routes(service: RequestServices) -> list[Route]:
    """Returns a route per name of a call, with and without a slash at its end."""

    def post_of(kind: str) -> Any:
        async def post(request: Request) -> Response:
            return await _post(service, request, kind)

        post.__doc__ = f"Takes one {kind} call of the tracking API."
        return post

    async def post_batch(request: Request) -> Response:
        """Takes `{"batch": [...]}`: messages of the tracking API that each name their type."""
        return await _post(service, request, None)

    every = _named("post_batch", post_batch, BATCH)
    for kind, paths in KINDS.items():
        every += _named(f"post_{kind}", post_of(kind), paths)
    return every


def _named(name: str, post: Any, paths: Sequence[str]) -> list[Route]:
    """Returns the routes of all paths; those with a slash are no others, and in no document."""
    routes = []
    for path in paths:
        own = name if path == paths[0] else f"{name}{path.replace('/', '_')}"
        routes.append(Route(path, post, methods=["POST"], name=own))
        slashed = Route(f"{path}/", post, methods=["POST"], name=own, include_in_schema=False)
        routes.append(slashed)
    return routes


async def _post(service: RequestServices, request: Request, kind: str | None) -> Response:
    """Answers what the SDKs want, and beside it a result per message, in their order."""
    body = await service.json(request)
    site, facts = service.site(request, body), service.facts(request)
    room = SaleLimits()
    messages = messages_of(body, kind, service.config.limits.max_events, room)
    events, parts = _mapped(messages, kind, facts.received_at, room)
    outcomes = await service.pipeline.take(events, site, facts) if events else []
    results = [_of_message(outcomes[part]) if isinstance(part, slice) else part for part in parts]
    return json_response({"success": True, **batch_answer(results)})


def _mapped(
    messages: Sequence[Any], kind: str | None, received_at: str, room: SaleLimits
) -> tuple[list[Any], list[slice | Result]]:
    """Returns the events of all messages, and for each where its own are, or what is wrong."""
    events: list[Any] = []
    parts: list[slice | Result] = []
    for message in messages:
        try:
            own = events_of(message, kind, received_at, room)
            parts.append(slice(len(events), len(events) + len(own)))
            events += own
        except Invalid as error:
            parts.append({"status": "invalid", "problem": str(error)})
    return events, parts


def _of_message(results: Sequence[Result]) -> Result:
    """Returns the result of a message: that of its event, or of its events the worst with all."""
    if len(results) == 1:
        return results[0]
    worst = max(results, key=lambda result: ORDER.index(result["status"]))
    return {"status": worst["status"], "events": list(results)}


def messages_of(body: Any, kind: str | None, max_events: int, room: SaleLimits) -> Sequence[Any]:
    """Returns the messages, those of a batch with what the batch says for all.

    Raises a Problem: 422 for another form, 413 for too many messages, or too much that they share.
    """
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
    # A message with a context of its own repeats nothing of the batch's.
    times = sum("context" not in each for each in batch if isinstance(each, dict))
    try:
        room.repeat(times, shared.get("context"))
    except Invalid as error:
        raise Problem(413, "too_large", f"The batch cannot be taken: {error}.") from None
    return [{**shared, **each} if isinstance(each, dict) else each for each in batch]
