"""GET /v1/recommendations/{id}, GET /v1/similar/{item_id}, POST /v1/next: lists of items."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sparkperso.config.content.slots import ListKind
from sparkperso.rules.context import RequestContext
from sparkperso.services.http.headers import JSON_HEADERS, headers_of
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.answers import list_body
from sparkperso.services.serve.engine.people import Subject
from sparkperso.services.serve.engine.requests import ListRequest
from sparkperso.services.serve.routes.bodies import (
    check_members,
    json_bytes,
    object_in,
)
from sparkperso.services.serve.service import RECOMMEND, Service

PREFIX = b"/v1/recommendations/"
QUERY = read.OF_LISTS | read.OF_CONTEXT
SHORT_QUERY, CACHED_QUERIES = 200, 4096
"""Bytes of a query that is kept once it was read, and how many are."""


class GetRecommendations:
    """Answers with the list of one person.

    It is the route of nearly all requests, so it is a bare ASGI application: what Starlette does
    around a handler takes longer than to read and cut a list.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._queries = QueryReader(service.settings.api.items, service.countries)

    def serves(self, method: str, path: str) -> bool:
        """Says whether a request is of this route."""
        return method == "GET" and path.startswith("/v1/recommendations/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; raises a Problem."""
        service, headers = self._service, headers_of(scope)
        caller = service.admit(scope, headers)
        user_id = read.read_id(_last_part(scope), "The id of a person")
        query = self._queries.read(scope["query_string"])
        subject = service.subject(caller, headers, user_id, query.anonymous_id, query.context)
        request = ListRequest(subject, *query[:-1])
        answer, decision_id = await service.list(request, "recommendations")
        body = list_body("user_id", user_id, answer, decision_id, service.store_version)
        length = (b"content-length", b"%d" % len(body))
        await send(
            {"type": "http.response.start", "status": 200, "headers": [*JSON_HEADERS, length]}
        )
        await send({"type": "http.response.body", "body": body})


def routes(service: Service) -> list[Route]:
    """Returns the routes of lists."""

    async def get_similar(request: Request) -> Response:
        """Lists what is like an item, for everybody the same."""
        headers = headers_of(request.scope)
        service.admit(request.scope, headers).require(RECOMMEND)
        item_id = read.read_id(request.path_params["item_id"], "The id of an item")
        query = read.read_query(request.scope["query_string"], frozenset({"n", "exclude"}))
        wanted = ListRequest(
            Subject(),
            "similar",
            read.read_count(read.one_of(query, "n"), service.settings.api.items),
            read.read_ids(query.get("exclude"), "exclude"),
            context={"in_view": item_id},
        )
        answer, decision_id = await service.list(wanted, "similar")
        return json_bytes(list_body("item_id", item_id, answer, decision_id, service.store_version))

    async def post_next(request: Request) -> Response:
        """Lists what comes next in a session, of a visitor or of a person."""
        headers = headers_of(request.scope)
        caller = service.admit(request.scope, headers)
        body = await object_in(service, headers, request)
        known = {"recent", "n", "exclude", "user_id", "anonymous_id", "context"}
        check_members(body, known)
        user_id = read.read_optional_id(body.get("user_id"), "user_id")
        anonymous_id = read.read_optional_id(body.get("anonymous_id"), "anonymous_id")
        context = {
            **read.context_of(body.get("context", {}), service.countries),
            "recent": read.read_ids(body.get("recent"), "recent"),
        }
        wanted = ListRequest(
            service.subject(caller, headers, user_id, anonymous_id, context),
            "next",
            read.read_count(body.get("n"), service.settings.api.items),
            read.read_ids(body.get("exclude"), "exclude"),
            context=context,
        )
        answer, decision_id = await service.list(wanted, "next")
        name, value = ("user_id", user_id) if user_id else ("anonymous_id", anonymous_id or "")
        return json_bytes(list_body(name, value, answer, decision_id, service.store_version))

    return [
        Route("/v1/recommendations/{id}", GetRecommendations(service), methods=["GET"]),
        Route("/v1/similar/{item_id:path}", get_similar),
        Route("/v1/next", post_next, methods=["POST"]),
    ]


def _last_part(scope: Scope) -> str:
    """Returns the id of the path as it was sent: `%2F` within it is no slash between parts."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    encoded = raw[raw.index(PREFIX) + len(PREFIX) :]
    if b"%" not in encoded:
        return encoded.decode("ascii", "replace")
    try:
        return unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        raise read.invalid("The id of a person should be text in UTF-8.") from None


class ListQuery(NamedTuple):
    """What a query asks for, whoever it is for."""

    kind: ListKind
    n: int
    exclude: tuple[str, ...]
    category: str | None
    context: RequestContext
    explain: bool
    anonymous_id: str | None


class QueryReader:
    """Reads queries; short ones, of which most are alike, once."""

    def __init__(self, default_items: int, countries: Mapping[str, str]) -> None:
        self._default_items, self._countries = default_items, countries
        self._cached = lru_cache(CACHED_QUERIES)(self._read)

    def read(self, text: bytes) -> ListQuery:
        """Returns what a query string asks for; raises a 422 Problem for what cannot be."""
        return self._cached(text) if len(text) <= SHORT_QUERY else self._read(text)

    def _read(self, text: bytes) -> ListQuery:
        query = read.read_query(text, QUERY)
        return ListQuery(
            read.read_kind(read.one_of(query, "kind") or "new"),
            read.read_count(read.one_of(query, "n"), self._default_items),
            read.read_ids(query.get("exclude"), "exclude"),
            read.read_category(read.one_of(query, "category")),
            read.context_of_query(query, self._countries),
            read.read_flag(read.one_of(query, "explain"), "explain"),
            read.read_optional_id(read.one_of(query, "anonymous_id"), "anonymous_id"),
        )
