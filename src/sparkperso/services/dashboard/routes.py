"""The routes: pages, their exports, signing in and out, and what watches the process."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from time import perf_counter
from urllib.parse import parse_qs, quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sparkperso.services.access.caller import Caller
from sparkperso.services.dashboard.export import FORMATS, csv_bytes, name_of, parquet_bytes
from sparkperso.services.dashboard.openapi import document
from sparkperso.services.dashboard.page import Page, Query
from sparkperso.services.dashboard.registry import PAGES, Entry
from sparkperso.services.dashboard.render import HEADERS, STATIC, static_bytes
from sparkperso.services.dashboard.service import Dashboard, View
from sparkperso.services.dashboard.session import ANALYSE, own_path, require_own_site
from sparkperso.services.http.body import Bodies
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.pages import wants_page
from sparkperso.services.http.problems import Problem
from sparkperso.services.http.process.drain import DRAIN

PATHS = frozenset(entry.path for entry in PAGES)
SIGN_IN = "/sign-in"
MOST_FIELDS = 8
log = logging.getLogger("sparkperso.dashboard")


def routes(dashboard: Dashboard) -> list[Route]:
    """Returns all routes."""
    return [
        *(Route(entry.path, _page_handler(dashboard, entry), name=entry.name) for entry in PAGES),
        *_session_routes(dashboard),
        *_watching_routes(dashboard),
        Route("/static/{name}", get_static),
    ]


def _page_handler(dashboard: Dashboard, entry: Entry) -> Callable[[Request], Awaitable[Response]]:
    """Returns what answers with a page, or with a table of it as a file."""

    async def get_page(request: Request) -> Response:
        """Shows a page; `format=csv` or `format=parquet` gives one of its tables, `table`."""
        try:
            caller = dashboard.sessions.caller(request)
        except Problem as problem:
            if problem.status == 401 and wants_page(request):
                return _to_sign_in(request)
            raise
        for scope in entry.scopes:
            caller.require(scope)
        kind = request.query_params.get("format")
        if kind is not None:
            require_format(kind)
            caller.require(ANALYSE)
        values = dict(request.query_params)
        started = perf_counter()
        view = View(
            dashboard.lake,
            dashboard.settings,
            caller,
            dashboard.clock(),
            lambda user_id: dashboard.identifiers.known_as("user_id", user_id),
        )
        query = Query(values)
        if entry.audited is not None and (user_id := query.identifier(entry.audited)):
            # Before it is looked up: who asked for somebody who is not there asked as well.
            dashboard.audit.user(caller, user_id, entry.path)
        page = await dashboard.work(lambda: entry.make(view, query))
        if kind is not None:
            answer = await dashboard.work(lambda: _file(dashboard, page, kind, query))
            dashboard.metrics.exports.labels(entry.name, kind).inc()
            return answer
        html = await dashboard.work(lambda: _html(dashboard, caller, entry, page, query))
        dashboard.metrics.seconds.labels(entry.name).observe(perf_counter() - started)
        return Response(html, 200, dict(HEADERS), "text/html")

    return get_page


def require_format(kind: str) -> None:
    """Raises a 422 Problem for a format that there is none of."""
    if kind not in FORMATS:
        raise Problem(422, "format", f"format should be one of {', '.join(FORMATS)}.")


def _html(dashboard: Dashboard, caller: Caller, entry: Entry, page: Page, query: Query) -> str:
    kept = {one.name: one.chosen for one in page.filters if one.chosen}
    links = {
        name: {kind: f"?{urlencode({**kept, 'table': name, 'format': kind})}" for kind in FORMATS}
        for name in page.tables
    }
    return dashboard.renderer.html(
        "page.html",
        page=page,
        entries=[one for one in PAGES if one.is_open_to(caller)],
        here=entry.path,
        caller=caller,
        exports=links if ANALYSE in caller.scopes else {},
        most=dashboard.settings.dashboard.max_rows,
        made_at=dashboard.clock(),
    )


def _file(dashboard: Dashboard, page: Page, kind: str, query: Query) -> Response:
    """Returns a table of a page; raises a 404 Problem for one that it does not have."""
    tables = page.tables
    name = query.text("table") or next(iter(tables), "")
    if name not in tables:
        there = f"It has {', '.join(tables)}." if tables else "It has none now."
        raise Problem(404, "no_table", f"This page has no such table. {there}")
    most = dashboard.settings.dashboard.max_export_rows
    body = (csv_bytes if kind == "csv" else parquet_bytes)(tables[name], most)
    disposition = f'attachment; filename="{name_of(page.name, name, kind)}"'
    headers = {**HEADERS, "Content-Disposition": disposition}
    return Response(body, 200, headers, FORMATS[kind])


def _to_sign_in(request: Request) -> Response:
    """Leads who is not signed in to where they can be, and back."""
    query = f"?{request.url.query}" if request.url.query else ""
    back = quote(f"{request.url.path}{query}", safe="")
    return RedirectResponse(f"{SIGN_IN}?next={back}", 303, dict(HEADERS))


def _session_routes(dashboard: Dashboard) -> list[Route]:
    bodies = Bodies(dashboard.settings.dashboard.limits)
    hint = dashboard.settings.security.service_token

    def form(status: int, back: str, error: str | None) -> Response:
        return dashboard.renderer.response(
            "sign_in.html", status, back=back, error=error, hint=hint
        )

    async def get_sign_in(request: Request) -> Response:
        """Shows the form for a token."""
        return form(200, own_path(request.query_params.get("next", "/"), PATHS), None)

    async def post_sign_in(request: Request) -> Response:
        """Takes a token, and gives the cookie that stands for it."""
        require_own_site(request)
        body = await bodies.read(headers_of(request.scope), request.receive)
        fields = _fields(body)
        back = own_path(fields.get("next", ["/"])[0], PATHS)
        answer = RedirectResponse(back, 303, dict(HEADERS))
        try:
            dashboard.sessions.sign_in(request, fields.get("token", [""])[0], answer)
        except Problem as problem:
            if not wants_page(request):
                raise
            dashboard.metrics.problems.labels(problem.code).inc()
            refused = form(problem.status, back, problem.detail)
            refused.headers.update(problem.headers)
            return refused
        return answer

    async def post_sign_out(request: Request) -> Response:
        """Takes the cookie away."""
        require_own_site(request)
        answer = RedirectResponse(SIGN_IN, 303, dict(HEADERS))
        dashboard.sessions.sign_out(request, answer)
        return answer

    return [
        Route(SIGN_IN, get_sign_in),
        Route(SIGN_IN, post_sign_in, methods=["POST"]),
        Route("/sign-out", post_sign_out, methods=["POST"]),
    ]


def _fields(body: bytes) -> dict[str, list[str]]:
    """Returns the fields of a form; raises a 422 Problem for more than any form of ours has."""
    try:
        return parse_qs(body.decode("utf-8", "replace"), True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Problem(422, "form", f"The form has at most {MOST_FIELDS} fields.") from None


async def get_static(request: Request) -> Response:
    """Gives a file that every page loads."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise Problem(404, "no_route", "There is no such file.")
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(static_bytes(name), 200, headers, STATIC[name])


def _watching_routes(dashboard: Dashboard) -> list[Route]:
    def json(value: bytes) -> Response:
        return Response(value, 200, {"Cache-Control": "no-store"}, "application/json")

    async def healthz(_: Request) -> Response:
        """Says that the process answers."""
        return json(b'{"status":"ok"}')

    async def readyz(_: Request) -> Response:
        """Says whether the lake can be read and reads be noted: 200, or 503 with the reason."""
        if DRAIN.is_begun:
            raise Problem(503, "not_ready", "This process was told to end.")
        if failure := await dashboard.audit.check():
            raise Problem(503, "not_ready", f"The audit cannot be kept now: {failure}")
        await dashboard.work(lambda: dashboard.lake.has("ops/runs"))
        return json(b'{"status":"ready"}')

    async def metrics(_: Request) -> Response:
        """Gives the counters in Prometheus' text format."""
        cache, counts = dashboard.lake.cache, dashboard.metrics
        counts.cache_bytes.set(cache.held_bytes)
        counts.cached.labels("hit").set(cache.hits)
        counts.cached.labels("miss").set(cache.misses)
        return Response(counts.text(), media_type="text/plain; version=0.0.4")

    async def openapi(request: Request) -> Response:
        """Describes all routes."""
        return json(document(request.app.routes))

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/openapi.json", openapi),
    ]
