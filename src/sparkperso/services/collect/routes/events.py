"""POST /v1/events: one event, or a batch; POST /v1/visit: a visit without any identifier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sparkperso.core.times import now
from sparkperso.services.collect.intake.clock import corrected
from sparkperso.services.collect.intake.pipeline import Result
from sparkperso.services.collect.intake.request_services import RequestServices
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.problems import Problem

WRAPPERS = frozenset({"events", "writeKey", "sent_at"})


class PostEvents:
    """Takes one event, or `{"events": [...]}`; answers when they are durable.

    It is the route that carries nearly all requests, so it is a bare ASGI application: what
    Starlette does around a handler takes longer than all that is done with an event.
    """

    route = ("POST", "/v1/events")

    def __init__(self, service: RequestServices) -> None:
        self._service = service

    def serves(self, method: str, path: str) -> bool:
        """Says whether a request is of this route."""
        return (method, path) == self.route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; raises a Problem, and ClientGone."""
        body = orjson.dumps(await self._answer(scope, receive))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Mapping[str, Any]:
        service, headers = self._service, headers_of(scope)
        body = await service.bodies.json(headers, receive)
        site = service.site_of(scope, headers, body)
        events, is_batch = split(body, service.config.limits.max_events)
        facts = service.context_of(scope, headers)
        events = in_our_time(events, body.get("sent_at"), facts.received_at)
        results = await service.pipeline.take(events, site, facts)
        return batch_answer(results) if is_batch else single_answer(results[0])


def routes(service: RequestServices) -> list[Route]:
    """Returns the routes of events and visits."""

    async def post_visit(request: Request) -> Response:
        """Counts a visit by site and day; nothing else of it is kept."""
        site = service.site(request, await service.json_if_any(request))
        service.metrics.visits.labels(site.site, now().date().isoformat()).inc()
        return Response(status_code=204)

    return [
        Route("/v1/events", PostEvents(service), methods=["POST"], name="post_events"),
        Route("/v1/visit", post_visit, methods=["POST"]),
    ]


def split(body: Any, max_events: int) -> tuple[list[Any], bool]:
    """Returns the events of a body, and whether it is a batch.

    Raises a Problem: 422 for another form, 413 for more than `max_events`.
    """
    if not isinstance(body, dict):
        raise Problem(422, "invalid", 'The body should be an event or {"events": [...]}.')
    if "events" not in body:
        return [{name: value for name, value in body.items() if name not in WRAPPERS}], False
    events = body["events"]
    if not isinstance(events, list) or not events or not body.keys() <= WRAPPERS:
        raise Problem(422, "invalid", "'events' should be a list of events, and stand alone.")
    if len(events) > max_events:
        detail = f"A batch should have {max_events} events at most; this one has {len(events)}."
        raise Problem(413, "too_many_events", detail)
    return events, True


def in_our_time(events: Sequence[Any], sent_at: Any, received_at: str) -> list[Any]:
    """Returns the events with their times less the error of the sender's clock (`clock.corrected`).

    `sent_at` is when the request was sent, by that clock; without it the times stay as they were
    sent. What is no event, or has no time, stays for its check.
    """
    if sent_at is None:
        return list(events)
    return [
        {**event, "timestamp": corrected(event["timestamp"], sent_at, received_at)}
        if isinstance(event, dict) and "timestamp" in event
        else event
        for event in events
    ]


def single_answer(result: Result) -> Result:
    """Returns the result, or raises a 422 Problem for an invalid event."""
    if result["status"] == "invalid":
        raise Problem(422, "invalid", f"The event cannot be taken: {result['problem']}.")
    return result


def batch_answer(results: Sequence[Result]) -> dict[str, Any]:
    """Returns the counts and a result per event, in their order.

    Raises a 422 Problem, with the results, when none could be read.
    """
    counts = Counter(result["status"] for result in results)
    if counts["invalid"] == len(results):
        detail = "No event of the batch can be taken; 'results' says why, one by one."
        raise Problem(422, "invalid", detail, more={"results": results})
    names = ("accepted", "refused", "invalid")
    return {**{name: counts[name] for name in names}, "results": results}


def json_response(value: Any, status: int = 200) -> Response:
    """Returns a value as a JSON response."""
    return Response(orjson.dumps(value), status, media_type="application/json")
