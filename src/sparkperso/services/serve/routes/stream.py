"""GET /v1/stream: a person's segments as they change, as server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from random import uniform
from typing import Any

import orjson
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sparkperso.core.hashing import short_hash
from sparkperso.services.access.caller import FOR_ANYONE, Caller
from sparkperso.services.http.headers import NO_STORE, SAFE, headers_of
from sparkperso.services.http.openapi import Answer, Operation, described
from sparkperso.services.http.problems import Problem
from sparkperso.services.serve import openapi
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.engine.segment_streams import SegmentState, SegmentStream
from sparkperso.services.serve.operations import Call
from sparkperso.services.serve.routes.bodies import call_of
from sparkperso.services.serve.service import Service

PATH = "/v1/stream"
QUERY = frozenset({"token", "user_id", "anonymous_id"})
PARAMETERS = [
    openapi.in_query("token", openapi.STRING, "A browser token, where no header can be sent."),
    openapi.in_query("user_id", openapi.ID, "Who is followed; without it the token's own user."),
    openapi.in_query("anonymous_id", openapi.ID, "The visitor who is followed."),
    {
        "name": "Last-Event-ID",
        "in": "header",
        "schema": openapi.STRING,
        "description": "What a browser sends when it comes back. A stream begins with the state "
        "of now in any case.",
    },
]
EVENTS = {
    **openapi.STRING,
    "description": "Events `segments`, the first at once: `data` is an object with `user_id` (or "
    "`anonymous_id`), `segments` (their ids) and `consent` (false: nobody may be personalised for, "
    "and there are none).",
}
RETRY_MS = (1_000, 5_000)
"""When a browser comes back whose stream ended, at random: not all of them at once."""
HEADERS = {name.decode(): value.decode() for name, value in (*SAFE, *NO_STORE)}


class SegmentEvents(EventSourceResponse):
    """The events of one stream, which is closed after the last, whoever ends it."""

    def __init__(
        self, service: Service, stream: SegmentStream, named: dict[str, str], until: float | None
    ) -> None:
        self._service, self._stream, self._named, self._until = service, stream, named, until
        super().__init__(
            self._events(),
            headers=HEADERS,
            ping=service.settings.api.streams.heartbeat_seconds,
            ping_message_factory=lambda: ServerSentEvent(comment="", sep="\n"),
            sep="\n",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._service.streams.close(self._stream)

    async def _events(self) -> AsyncIterator[ServerSentEvent]:
        """Yields states until the token of whoever asked ends."""
        retry: int | None = round(uniform(*RETRY_MS))
        while True:
            seconds = None if self._until is None else self._until - time.time()
            try:
                state = await asyncio.wait_for(self._stream.next(), seconds)
            except asyncio.TimeoutError:
                return
            if state is None:
                return
            yield _event(self._named, state, retry)
            self._service.metrics.stream_events.inc()
            retry = None


def routes(service: Service) -> list[Route]:
    """Returns the route of the stream."""

    @described(
        Operation(
            answers={200: Answer("The events.", {"text/event-stream": EVENTS})},
            problems=(*openapi.OF_CALLERS, 422),
            parameters=PARAMETERS,
            security=(*openapi.SECURITY, {"page": ()}),
        )
    )
    async def get_stream(request: Request) -> Response:
        """Tells a person's segments, now and at each change, as server-sent events."""
        call, query = _admitted(service, request)
        named = _named(call.caller, query)
        subject = service.subject(
            call.caller, call.headers, named.get("user_id"), named.get("anonymous_id"), {}
        )
        if request.method == "HEAD":
            return Response(headers=HEADERS, media_type="text/event-stream")
        client = request.client
        address = service.gate.address_of(call.headers, client.host if client else None)
        is_anybody = call.caller.kind in FOR_ANYONE
        # A service's streams may all come from one address, as its requests may.
        stream = service.streams.open(
            subject, None if is_anybody else address, None if is_anybody else call.caller.name
        )
        if "user_id" in named:
            service.audit.user(call.caller, named["user_id"], PATH)
        else:
            service.audit.visitor(call.caller, named["anonymous_id"], PATH)
        return SegmentEvents(service, stream, named, call.caller.until)

    return [Route(PATH, get_stream)]


def _admitted(service: Service, request: Request) -> tuple[Call, read.Query]:
    """Who asks, by the token in the address or else by a header, and the query."""
    scope = request.scope
    try:
        query = read.read_query(scope["query_string"], QUERY)
        token = read.one_of(query, "token")
    except Problem:
        # Who sends what cannot be read counts as every other does, and is told once it is known.
        service.admit(scope, headers_of(scope))
        raise
    if token is None:
        return call_of(service, scope, PATH), query
    headers, client = headers_of(scope), request.client
    caller = service.gate.admit_page(token, headers, client.host if client else None)
    return Call(caller, headers, PATH), query


def _named(caller: Caller, query: read.Query) -> dict[str, str]:
    """Whom a stream is of, by the name that its events have; raises a 422 Problem for nobody."""
    sent = {name: read.one_of(query, name) for name in ("user_id", "anonymous_id")}
    named = {name: read.read_id(one, name) for name, one in sent.items() if one is not None}
    if not named and caller.kind not in FOR_ANYONE:
        named["anonymous_id" if caller.is_anonymous else "user_id"] = caller.subject
    if len(named) != 1:
        raise read.invalid("Give one of user_id and anonymous_id.")
    return named


def _event(named: dict[str, str], state: SegmentState, retry: int | None) -> ServerSentEvent:
    data: dict[str, Any] = {
        **named,
        "segments": list(state.segments),
        "consent": state.has_consent,
    }
    text = orjson.dumps(data)
    # It names the state: whoever gets the same again has missed nothing.
    return ServerSentEvent(
        text.decode(), event="segments", id=short_hash(text), retry=retry, sep="\n"
    )
