"""Puts the dashboard together: the lake, who may look, its routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from pathlib import Path

from starlette.applications import Starlette
from starlette.types import ASGIApp

from sparkperso.config import Settings
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.privacy import Pseudonyms, load_keys
from sparkperso.privacy.identifiers import load_identifiers
from sparkperso.services.access.audit import make_audit
from sparkperso.services.access.gate import Gate, make_gate
from sparkperso.services.dashboard.metrics import DashboardMetrics
from sparkperso.services.dashboard.queries.cache import ResultCache
from sparkperso.services.dashboard.queries.lake import LakeTables
from sparkperso.services.dashboard.render import Renderer
from sparkperso.services.dashboard.routes import routes
from sparkperso.services.dashboard.service import Dashboard
from sparkperso.services.dashboard.session import Sessions
from sparkperso.services.http.error_handlers import ErrorHandlers
from sparkperso.services.http.header_timeout import impatience
from sparkperso.services.http.problems import Problem
from sparkperso.services.http.request_log import RequestLog

FAILED = "The page could not be made. It changed nothing; the log says why."


def make_app(
    settings: Settings, environ: Mapping[str, str], conf_dir: Path | None = None
) -> ASGIApp:
    """Returns the dashboard as an ASGI application.

    Raises ConfigError for secrets that are missing and where nobody could look, UsageError for a
    lake in a catalog. A lake without tables is no error: its pages say how each is made.
    """
    config = settings.dashboard
    pseudonyms = Pseudonyms(load_keys(settings.privacy, settings.env, environ))
    gate = make_gate(settings, environ)
    cache = ResultCache(int(config.cache_mb * 1e6))
    dashboard = Dashboard(
        settings,
        Sessions(gate, config.session_hours),
        make_audit(settings, pseudonyms),
        LakeTables(LakeReader(settings.lake), cache, config.refresh_seconds),
        Renderer(config.min_group_size),
        load_identifiers(settings, pseudonyms, conf_dir),
        DashboardMetrics(),
    )
    errors = ErrorHandlers(dashboard.metrics.problems, FAILED)
    application = Starlette(
        routes=routes(dashboard),
        lifespan=_lifespan(dashboard, gate),
        exception_handlers=errors.handlers,
    )
    application.router.redirect_slashes = False  # a redirect would be made of the Host header
    return RequestLog(application, config.log_requests)


def _lifespan(
    dashboard: Dashboard, gate: Gate
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Returns how the application starts and ends: what was looked up is written down."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            seconds = dashboard.settings.dashboard.limits.body_seconds
            await stack.enter_async_context(impatience(seconds))
            dashboard.start()
            # Before the first page: what reads tables takes a second to load.
            with suppress(Problem):
                await dashboard.work(lambda: dashboard.lake.has("ops/runs"))
            await gate.start()
            stack.push_async_callback(gate.close)
            await dashboard.audit.start()
            stack.push_async_callback(dashboard.audit.close)
            yield

    return lifespan
