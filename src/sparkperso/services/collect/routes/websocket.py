"""WS /v1/stream: events as they happen, each message answered when its events are durable."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.routing import WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from sparkperso.services.collect.intake.request_services import RequestServices
from sparkperso.services.collect.routes.events import in_our_time, split
from sparkperso.services.http.body import parse
from sparkperso.services.http.deadlines import Deadlines
from sparkperso.services.http.header_timeout import CROWDED
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.limits import ConcurrencyLimits
from sparkperso.services.http.problems import Problem
from sparkperso.services.http.write_keys import SiteKey


def routes(service: RequestServices) -> list[WebSocketRoute]:
    """Returns the route of the stream."""
    limits = service.config.limits
    places = ConcurrencyLimits(limits.max_streams_per_address)
    silence: Deadlines[Message] = Deadlines(limits.stream_idle_seconds)

    async def stream(socket: WebSocket) -> None:
        """Takes messages `{"id": any, "events": [...]}`, answers `{"id": ..., "results": [...]}`.

        The write key comes in the query or as Authorization; a page's origin must be the site's.
        """
        sender = service.sender(socket.scope, headers_of(socket.scope))
        with places.held(sender) as has_place:
            if not has_place:
                await socket.send_denial_response(CROWDED.response())
                return
            try:
                site = service.site(socket)
            except Problem as problem:
                await socket.send_denial_response(problem.response())
                return
            await socket.accept()
            with service.metrics.sockets.track_inprogress():
                await _serve(socket, service, site, silence)

    return [WebSocketRoute("/v1/stream", stream)]


async def _serve(
    socket: WebSocket, service: RequestServices, site: SiteKey, silence: Deadlines[Message]
) -> None:
    """Answers message after message: a client that waits for answers cannot outrun the sink."""
    try:
        while True:
            # uvicorn's pings keep the connection alive; this is for one that says nothing.
            message = await silence.within(socket.receive())
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("bytes") or (message.get("text") or "").encode()
            response = await _answer(text, service, site, socket)
            await socket.send_text(orjson.dumps(response).decode())
    except WebSocketDisconnect:
        return
    except TimeoutError:
        await socket.close(1001, f"silent for {silence.seconds:g} seconds")


async def _answer(
    text: bytes, service: RequestServices, site: SiteKey, socket: WebSocket
) -> dict[str, Any]:
    """Returns the results of one message, or the problem that it has; both carry its id."""
    name = None
    try:
        body = parse(text)
        if isinstance(body, dict):
            name = body.pop("id", None)
        events, _ = split(body, service.config.limits.max_events)
        facts = service.facts(socket)
        events = in_our_time(events, body.get("sent_at"), facts.received_at)
        results = await service.pipeline.take(events, site, facts)
    except Problem as problem:
        service.metrics.problems.labels(problem.code).inc()
        return {"id": name, "problem": problem.body()}
    return {"id": name, "results": results}
