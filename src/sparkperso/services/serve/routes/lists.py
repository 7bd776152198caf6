"""GET /v1/recommendations/{id}, GET /v1/similar/{item_id}, POST /v1/next: lists of items."""

from __future__ import annotations

from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sparkperso.services.http.headers import JSON_HEADERS
from sparkperso.services.http.openapi import Operation, Schema, described, json_answer
from sparkperso.services.serve import openapi, operations
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.answers import list_body
from sparkperso.services.serve.operations import ListQuery, list_query, recommend
from sparkperso.services.serve.routes import ids
from sparkperso.services.serve.routes.bodies import call_of, check_members, json_bytes, object_in
from sparkperso.services.serve.service import Service

TEMPLATE = "/v1/recommendations/{id}"
PREFIX = b"/v1/recommendations/"
QUERY = read.OF_LISTS | read.OF_CONTEXT
QUERY_OF_SIMILAR = frozenset({"n", "exclude"})
OF_SESSION: dict[str, Schema] = {
    "recent": openapi.IDS,
    "n": openapi.nullable(openapi.COUNT),
    "exclude": openapi.IDS,
    "user_id": openapi.nullable(openapi.ID),
    "anonymous_id": openapi.nullable(openapi.ID),
    "context": openapi.ref("Context"),
}
"""Members of the body of POST /v1/next."""
OF_EITHER = {"oneOf": [openapi.list_answer(name) for name in ("user_id", "anonymous_id")]}
"""It names the user, else the visitor, whose id may be empty."""
SHORT_QUERY, CACHED_QUERIES = 200, 4096
"""Bytes of a query that is kept once it was read, and how many are."""


@described(
    Operation(
        answers={200: json_answer("The list.", openapi.list_answer("user_id"))},
        problems=(*openapi.OF_CALLERS, 422),
        parameters=[openapi.PARAMETERS[name] for name in sorted(QUERY)],
        path={"id": openapi.ID},
        security=openapi.SECURITY,
    )
)
class GetRecommendations:
    """Answers with the list of one person.

    It is the route of nearly all requests, so it is a bare ASGI application: what Starlette does
    around a handler takes longer than to read and cut a list.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._queries = QueryReader(service)

    def serves(self, method: str, path: str) -> bool:
        """Says whether a request is of this route."""
        return method == "GET" and path.startswith("/v1/recommendations/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; raises a Problem."""
        service, scope["route"] = self._service, TEMPLATE
        call = call_of(service, scope, "recommendations")
        user_id = read.read_id(_last_part(scope), "The id of a person")
        query = self._queries.read(scope["query_string"])
        listed = await recommend(service, call, user_id, query)
        body = list_body(*listed, service.store_version)
        length = (b"content-length", b"%d" % len(body))
        await send(
            {"type": "http.response.start", "status": 200, "headers": [*JSON_HEADERS, length]}
        )
        await send({"type": "http.response.body", "body": body})


def routes(service: Service) -> list[Route]:
    """Returns the routes of lists."""

    @described(
        Operation(
            answers={200: json_answer("The list.", openapi.list_answer("item_id"))},
            problems=(*openapi.OF_CALLERS, 422),
            parameters=[openapi.PARAMETERS[name] for name in sorted(QUERY_OF_SIMILAR)],
            path={"item_id": openapi.ID},
            security=openapi.SECURITY,
        )
    )
    async def get_similar(request: Request) -> Response:
        """Lists what is like an item, for everybody the same."""
        call = call_of(service, request.scope, "similar")
        query = read.read_query(request.scope["query_string"], QUERY_OF_SIMILAR)
        members = {"n": read.number_in(query, "n"), "exclude": query.get("exclude")}
        item_id = ids.id_in(request, "item_id", "The id of an item")
        listed = await operations.similar(service, call, item_id, members)
        return json_bytes(list_body(*listed, service.store_version))

    @described(
        Operation(
            answers={200: json_answer("The list.", OF_EITHER)},
            problems=(*openapi.OF_CALLERS, *openapi.OF_BODIES),
            body=openapi.closed(OF_SESSION, optional=tuple(OF_SESSION)),
            security=openapi.SECURITY,
        )
    )
    async def post_next(request: Request) -> Response:
        """Lists what comes next in a session, of a visitor or of a person."""
        call = call_of(service, request.scope, "next")
        body = await object_in(service, call.headers, request.receive)
        check_members(body, OF_SESSION)
        listed = await operations.next_items(service, call, body)
        return json_bytes(list_body(*listed, service.store_version))

    return [
        Route(
            TEMPLATE,
            GetRecommendations(service),
            methods=["GET"],
            name="get_recommendations",
        ),
        Route(f"/v1/similar/{{item_id:{ids.NAME}}}", get_similar),
        Route("/v1/next", post_next, methods=["POST"]),
    ]


def _last_part(scope: Scope) -> str:
    """Returns the id of the path as it was sent: `%2F` within it is no slash between parts."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    return read.unquoted(raw[raw.index(PREFIX) + len(PREFIX) :], "The id of a person")


class QueryReader:
    """Reads queries; short ones, of which most are alike, once."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._cached = lru_cache(CACHED_QUERIES)(self._read)

    def read(self, text: bytes) -> ListQuery:
        """Returns what a query string asks for; raises a 422 Problem for what cannot be."""
        return self._cached(text) if len(text) <= SHORT_QUERY else self._read(text)

    def _read(self, text: bytes) -> ListQuery:
        query = read.read_query(text, QUERY)
        texts = {name: read.one_of(query, name) for name in ("kind", "category", "anonymous_id")}
        others = {
            "n": read.number_in(query, "n"),
            "explain": read.flag_in(query, "explain"),
            "exclude": query.get("exclude"),
            "context": read.context_in(query),
        }
        return list_query(self._service, {**texts, **others})
