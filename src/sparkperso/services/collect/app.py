"""Puts the collector together: its parts, its routes, its answers to what goes wrong."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from sparkperso.config import Settings, load_named
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import ConfigError
from sparkperso.privacy import Pseudonyms
from sparkperso.privacy import load_keys as load_pseudonym_keys
from sparkperso.services.collect import health
from sparkperso.services.collect.intake.consent_gate import ConsentGate, Event
from sparkperso.services.collect.intake.consent_outbox import PERSONALISATION
from sparkperso.services.collect.intake.consent_store import ConsentStore
from sparkperso.services.collect.intake.cookies import Cookies
from sparkperso.services.collect.intake.pipeline import Pipeline
from sparkperso.services.collect.intake.plan_check import PlanCheck
from sparkperso.services.collect.intake.request_services import RequestServices
from sparkperso.services.collect.metrics import Metrics
from sparkperso.services.collect.routes import (
    consent,
    events,
    mail,
    tracking_api,
    tracking_settings,
    unsubscribe,
    web,
    websocket,
)
from sparkperso.services.collect.routes.demo import pages as demo_pages
from sparkperso.services.collect.routes.demo import shop as demo_shop
from sparkperso.services.collect.routes.demo.feed import SITE as DEMO_SITE
from sparkperso.services.http.addresses import Addresses
from sparkperso.services.http.body import Bodies
from sparkperso.services.http.cors import Cors
from sparkperso.services.http.error_handlers import ErrorHandlers
from sparkperso.services.http.fast_path import FastPath
from sparkperso.services.http.header_timeout import impatience
from sparkperso.services.http.write_keys import SiteKey, load_keys
from sparkperso.services.sinks.factory import Sinks, make_sinks, spool_folder
from sparkperso.services.stores.factory import open_overlay

if TYPE_CHECKING:
    from sparkperso.services.collect.overlay_feed import OverlayFeed
    from sparkperso.services.stores.overlay import Overlay

log = logging.getLogger("sparkperso.collect")


def make_app(
    settings: Settings, environ: Mapping[str, str], conf_dir: Path | None = None
) -> ASGIApp:
    """Returns the collector as an ASGI application.

    From outside in: CORS, the short way of POST /v1/events, Starlette with all other routes.
    Decisions are put under the current pseudonym key first. Raises ConfigError for a secret that is
    missing and for a site that is not usable.
    """
    ring = load_keys(settings.collect.sites, settings.env, environ)
    plan = load_named("tracking_plans", settings.ingest.tracking_plan, TrackingPlan, conf_dir)
    metrics = Metrics(plan.event_types)
    sinks = make_sinks(settings)
    keys = load_pseudonym_keys(settings.privacy, settings.env, environ)
    pseudonyms = Pseudonyms(keys)
    overlay = _find_overlay(settings)
    file = spool_folder(settings) / "consents.sqlite"
    store = ConsentStore(file, has_outbox=overlay is not None)
    # Before the first request: one that asks by the new name must find what was decided.
    store.rename(lambda name: pseudonyms.rekey(name) if pseudonyms.knows(name) else name)
    guard = ConsentGate(pseudonyms, settings.consent, store)
    feed = _make_feed(settings, overlay, store, guard, metrics)
    pipeline = Pipeline(
        settings.collect.limits,
        plan,
        guard,
        metrics,
        events=sinks.events,
        recordings=sinks.recordings,
        plan_check=PlanCheck(plan, settings.ingest),
        recent=feed,
    )
    # An unknown address is taken for https: browsers may then not send the cookie over http.
    is_secure = not (settings.collect.public_url or "").startswith("http:")
    cookies = Cookies(settings.collect.cookie, is_secure)
    bodies = Bodies(settings.collect.limits)
    addresses = Addresses(settings.collect.trusted_proxies)
    service = RequestServices(settings.collect, bodies, ring, pipeline, cookies, metrics, addresses)
    errors = ErrorHandlers(metrics.problems)
    application = Starlette(
        routes=[
            *_routes(service, sinks, settings),
            *mail.routes(service, settings, environ),
            *unsubscribe.routes(service, settings, environ),
        ],
        lifespan=_lifespan(sinks, store, feed, settings.collect.limits.body_seconds),
        exception_handlers=errors.handlers,
    )
    application.router.redirect_slashes = False  # a redirect would be made of the Host header
    app = FastPath([events.PostEvents(service)], application, errors, log)
    return Cors(app, ring.is_origin, credentials=True)


def _find_overlay(settings: Settings) -> Overlay | None:
    """Returns what the serving store is told by; raises ConfigError where it has to be there."""
    if not settings.collect.overlay:
        return None
    try:
        return open_overlay(settings)
    except ConfigError as error:
        if settings.collect.overlay is True:
            raise
        log.info("the serving store is not told of decisions and events: %s", error)
        return None


def _make_feed(
    settings: Settings,
    overlay: Overlay | None,
    store: ConsentStore,
    guard: ConsentGate,
    metrics: Metrics,
) -> OverlayFeed | None:
    if overlay is None or store.outbox is None:
        return None
    # Here: what it imports is only there with the extra `serve`.
    from sparkperso.services.collect.overlay_feed import OverlayFeed

    def decision_of(event: Event, key: SiteKey) -> bool | None:
        return guard.decision(event, PERSONALISATION, key)

    feed = OverlayFeed(overlay, store.outbox, settings.collect.recent, metrics, decision_of)
    store.listeners.append(feed.wake)
    return feed


def _routes(service: RequestServices, sinks: Sinks, settings: Settings) -> list[BaseRoute]:
    """Returns all routes; the most used come first, since they are tried in order."""
    return [
        *events.routes(service),
        *tracking_api.routes(service),
        *tracking_settings.routes(service),
        *consent.routes(service, settings.consent),
        *websocket.routes(service),
        *health.routes(service, sinks.all),
        *web.sdk_routes(),
        *(_demo_routes(service) if DEMO_SITE in settings.collect.sites else ()),
    ]


def _demo_routes(service: RequestServices) -> list[Route]:
    # The page of any address comes last.
    return [*demo_shop.routes(service, service.config.shop), *demo_pages.routes(service)]


def _lifespan(
    sinks: Sinks, store: ConsentStore, feed: OverlayFeed | None, seconds: float
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Returns how the application starts and ends: nothing accepted is left behind."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            # Ended in the opposite order: sinks first, which hand over what they have.
            await stack.enter_async_context(impatience(seconds))
            stack.callback(store.close)
            if feed is not None:
                await feed.start()
                stack.push_async_callback(feed.close)
            for sink in sinks.all:
                await sink.start()
                stack.push_async_callback(sink.close)
            yield

    return lifespan
