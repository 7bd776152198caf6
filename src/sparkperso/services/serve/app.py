"""Puts the API together: its parts, its routes, its answers to what goes wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from sparkperso.config import Settings, load_settings
from sparkperso.core.spellings import country_codes
from sparkperso.core.times import now
from sparkperso.experiments.assignment.load import read_experiments
from sparkperso.mail.check import make_mailer
from sparkperso.privacy import Pseudonyms, load_keys
from sparkperso.privacy.identifiers import load_identifiers
from sparkperso.services.access.audit import make_audit
from sparkperso.services.access.gate import make_gate
from sparkperso.services.content.cache import ContentCache
from sparkperso.services.http.cors import Cors, origins_of
from sparkperso.services.http.error_handlers import ErrorHandlers
from sparkperso.services.http.fast_path import FastPath, FastRoute
from sparkperso.services.http.header_timeout import impatience
from sparkperso.services.http.process.server import collect_rarely
from sparkperso.services.http.request_log import RequestLog
from sparkperso.services.http.traces import TracedRequests, make_traces
from sparkperso.services.serve.engine.assigning import Assigning
from sparkperso.services.serve.engine.catalogue import Catalogue
from sparkperso.services.serve.engine.decision_log import DecisionLog
from sparkperso.services.serve.engine.lists import Lists
from sparkperso.services.serve.engine.next_items import NextItems
from sparkperso.services.serve.engine.people import People
from sparkperso.services.serve.engine.segment_streams import SegmentStreams
from sparkperso.services.serve.engine.slots import Slots
from sparkperso.services.serve.engine.store_access import StoreAccess
from sparkperso.services.serve.metrics import ApiMetrics
from sparkperso.services.serve.page import load_pages
from sparkperso.services.serve.routes import (
    email,
    experiments,
    health,
    lists,
    ofrep,
    people,
    slots,
    stream,
)
from sparkperso.services.serve.routes.content import ContentHooks
from sparkperso.services.serve.rpc import server as rpc
from sparkperso.services.serve.rpc.server import Address
from sparkperso.services.serve.service import Service
from sparkperso.services.serve.traced import TracedLists, TracedSlots, TracedStore
from sparkperso.services.sinks.factory import make_decision_sink
from sparkperso.services.stores.factory import open_reader

EXPOSED = ("ETag", "Retry-After", "X-Request-Id")
NAME = "sparkperso-serve"
"""What traces call this service."""
FAILED = "The request could not be answered. It changed nothing."
LOOK_SECONDS = 1.0
log = logging.getLogger("sparkperso.serve")


@dataclass(frozen=True)
class AppFactory:
    """Makes the application in each worker's process, where its configuration travels."""

    env: str
    conf_dir: Path | None
    assignments: tuple[str, ...]
    lake: str | None
    environ: Mapping[str, str]
    grpc: Address | None = None
    """Where the process answers gRPC too."""

    def __call__(self) -> ASGIApp:
        """Returns the API as an ASGI application."""
        return make_app(self.settings(), self.environ, self.conf_dir, self.grpc)

    def settings(self) -> Settings:
        """Returns the configuration as its files are now; raises ConfigError."""
        return load_settings(self.env, self.conf_dir, self.assignments, self.lake)


def make_app(
    settings: Settings,
    environ: Mapping[str, str],
    conf_dir: Path | None = None,
    grpc: Address | None = None,
) -> ASGIApp:
    """Returns the API as an ASGI application, which answers gRPC at `grpc` while it runs.

    Raises ConfigError for secrets that are missing, and for rules or content that are not sound. A
    store that is empty or does not answer is no error: the API then answers with fallbacks.
    """
    service = make_service(settings, environ, conf_dir)
    hooks = ContentHooks(service, environ, conf_dir)
    errors = ErrorHandlers(service.metrics.problems, FAILED)
    application = Starlette(
        routes=[*_routes(service), *hooks.routes()],
        lifespan=_lifespan(service, hooks, grpc),
        exception_handlers=errors.handlers,
    )
    application.router.redirect_slashes = False  # a redirect would be made of the Host header
    hot: list[FastRoute] = [
        lists.GetRecommendations(service),
        experiments.PostDecide(service),
        ofrep.PostFlag(service),
        ofrep.PostFlags(service),
    ]
    fast = FastPath(hot, application, errors, log)
    app: ASGIApp = Cors(fast, origins_of(settings.security.allowed_origins), exposed=EXPOSED)
    if service.traces:
        app = TracedRequests(app, service.traces)
    return RequestLog(app, settings.api.log_requests)


def make_service(
    settings: Settings, environ: Mapping[str, str], conf_dir: Path | None = None
) -> Service:
    """Returns the parts of one process; raises ConfigError as `make_app` does."""
    pseudonyms = Pseudonyms(load_keys(settings.privacy, settings.env, environ))
    metrics = ApiMetrics()
    sink = make_decision_sink(settings) if settings.api.log_decisions else None
    traces = make_traces(settings.api.traces, NAME)
    reader, api = open_reader(settings), settings.api
    store = TracedStore(reader, api, traces) if traces else StoreAccess(reader, api)
    content = ContentCache(settings, conf_dir)
    read = read_experiments(settings, content.files, content.assets, now(), conf_dir)
    book = read.book(content.assets)
    store.on_version(lambda manifest: book.has_models(manifest.models))
    store.on_version(lambda manifest: book.has_shares(manifest.shares))
    everybody, catalogue = People(settings, store), Catalogue(store)
    parts = store, everybody, catalogue, NextItems(store, catalogue), api
    if traces:
        listing: Lists = TracedLists(*parts, experiments=book, traces=traces)
    else:
        listing = Lists(*parts, experiments=book)
    shown = everybody, listing, book
    return Service(
        settings=settings,
        gate=make_gate(settings, environ),
        audit=make_audit(settings, pseudonyms),
        pages=load_pages(conf_dir, settings.serving.default_language),
        store=store,
        people=everybody,
        catalogue=catalogue,
        lists=listing,
        slots=TracedSlots(*shown, traces) if traces else Slots(*shown),
        experiments=book,
        assigning=Assigning(everybody, book),
        traces=traces,
        streams=SegmentStreams(store, everybody, settings.api, metrics),
        identifiers=load_identifiers(settings, pseudonyms, conf_dir),
        decisions=DecisionLog(sink, settings.api.max_pending_decisions, metrics.dropped.inc),
        metrics=metrics,
        content=content,
        mailer=make_mailer(settings, environ, content.rulebook, conf_dir),
        countries=country_codes(settings.ingest.country_aliases),
    )


def _routes(service: Service) -> list[BaseRoute]:
    return [
        *lists.routes(service),
        *slots.routes(service),
        *experiments.routes(service),
        *ofrep.routes(service),
        *people.routes(service),
        *stream.routes(service),
        *email.routes(service),
        *health.routes(service),
    ]


def _lifespan(
    service: Service, hooks: ContentHooks, grpc: Address | None
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Returns how the application starts and ends: no decision that was answered is left behind."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            # Ended in the opposite order.
            await stack.enter_async_context(impatience(service.settings.api.limits.body_seconds))
            if service.traces:
                stack.push_async_callback(asyncio.to_thread, service.traces.close)
            stack.push_async_callback(service.store.reader.close)
            await service.decisions.start()
            stack.push_async_callback(service.decisions.close)
            await service.store.refresh()
            await stack.enter_async_context(hooks.open())
            await service.streams.start()
            stack.push_async_callback(service.streams.end)
            collect_rarely()
            await service.gate.start()
            stack.push_async_callback(service.gate.close)
            await service.audit.start()
            stack.push_async_callback(service.audit.close)
            stack.push_async_callback(_end, asyncio.create_task(service.store.follow()))
            stack.push_async_callback(_end, asyncio.create_task(_look(service)))
            if grpc is not None:
                await stack.enter_async_context(rpc.serving(service, grpc))
            yield

    return lifespan


async def _look(service: Service) -> None:
    """Keeps what this worker tells of itself fresh: another one may be asked for it."""
    while True:
        service.look()
        await asyncio.sleep(LOOK_SECONDS)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
