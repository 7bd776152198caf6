"""What all routes of the API share: who asks, the engine, the log of decisions, the counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from time import perf_counter
from typing import Any

from starlette.types import Scope

from sparkperso.config import Settings
from sparkperso.core.times import now
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.experiments.assignment.book import ExperimentBook, propensity_of, variants_of
from sparkperso.mail.render import Mailer
from sparkperso.privacy.identifiers import Identifiers
from sparkperso.rules.context import RequestContext
from sparkperso.services.access.audit import Audit
from sparkperso.services.access.caller import FOR_ANYONE, Caller
from sparkperso.services.access.gate import Gate
from sparkperso.services.content.cache import ContentCache
from sparkperso.services.http.body import Bodies
from sparkperso.services.http.problems import Problem
from sparkperso.services.http.process.drain import DRAIN
from sparkperso.services.http.signals import has_opted_out, region_in
from sparkperso.services.http.traces import Traces
from sparkperso.services.serve.engine.assigning import Assigned, Assigning
from sparkperso.services.serve.engine.catalogue import Catalogue
from sparkperso.services.serve.engine.decision_log import Decided, DecisionIds, DecisionLog
from sparkperso.services.serve.engine.lists import ListAnswer, Lists
from sparkperso.services.serve.engine.people import ANONYMOUS, USER, People, Subject
from sparkperso.services.serve.engine.requests import (
    ExperimentsRequest,
    ListRequest,
    SlotsRequest,
)
from sparkperso.services.serve.engine.segment_streams import SegmentStreams
from sparkperso.services.serve.engine.slots import Slots, SlotsAnswer
from sparkperso.services.serve.engine.store_access import StoreAccess
from sparkperso.services.serve.metrics import ApiMetrics
from sparkperso.services.serve.page import Pages
from sparkperso.services.stores.manifest import Manifest

RECOMMEND, DECIDE = "recommend", "decide"
"""The scopes of lists and content, and of experiments."""
OF_EXPERIMENTS = b'"strategy":"experiments"'
STRATEGY = b'"strategy":"'


@dataclass
class Service:
    """The parts of one process of the API."""

    settings: Settings
    gate: Gate
    audit: Audit
    pages: Pages
    mailer: Mailer
    store: StoreAccess
    people: People
    catalogue: Catalogue
    lists: Lists
    slots: Slots
    experiments: ExperimentBook
    assigning: Assigning
    streams: SegmentStreams
    identifiers: Identifiers
    decisions: DecisionLog
    metrics: ApiMetrics
    content: ContentCache
    traces: Traces | None
    countries: Mapping[str, str]
    """Names and codes in capitals → alpha-2 code."""
    bodies: Bodies = field(init=False)
    ids: DecisionIds = field(default_factory=DecisionIds)

    def __post_init__(self) -> None:
        api = self.settings.api
        self.bodies = Bodies(api.limits)
        header = api.region_header
        self._region_header = header.lower().encode() if header else None

    @property
    def book(self) -> Rulebook:
        """Returns what is decided by now: another one where content has changed."""
        return self.content.rulebook

    @property
    def store_version(self) -> str | None:
        """Returns the name of the version that is read."""
        manifest = self.store.manifest
        return manifest.name if manifest else None

    @property
    def as_of(self) -> datetime | None:
        """Returns when what the version says of people is of."""
        manifest = self.store.manifest
        return manifest.as_of if manifest else None

    async def require_ready(self) -> Manifest:
        """Returns the manifest of the version that is read.

        Raises a 503 Problem without one, where decisions or the audit cannot be kept, and once this
        process was told to end.
        """
        if DRAIN.is_begun:
            raise Problem(503, "not_ready", "This process was told to end.")
        for what, record in (("Decisions", self.decisions), ("The audit", self.audit)):
            if failure := await record.check():
                raise Problem(503, "not_ready", f"{what} cannot be kept now: {failure}")
        manifest = self.store.manifest
        if manifest is None:
            why = self.store.reader.problem or "No version was published yet"
            raise Problem(503, "not_ready", f"There is nothing to answer from. {why}")
        return manifest

    def look(self) -> None:
        """Notes what is not counted request by request: ages, hits of caches."""
        metrics, manifest, moment = self.metrics, self.store.manifest, now()
        if manifest:
            metrics.version_age.set((moment - manifest.created).total_seconds())
            if manifest.lists_at:
                metrics.lists_age.set((moment - manifest.lists_at).total_seconds())
        metrics.is_behind.set(self.store.reader.problem is not None)
        metrics.caches.set("tokens", *self.gate.tokens_found)
        metrics.caches.set("items", self.catalogue.hits, self.catalogue.misses)
        for source in self.content.statuses:
            if source.age_seconds is not None:
                metrics.content_age.labels(source.name).set(source.age_seconds)
            metrics.content_failures.labels(source.name).set(source.state.failures)

    def admit(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Caller:
        """Returns who asks; raises a Problem: 401 without a token, 429 beyond the limits."""
        client = scope.get("client")
        caller = self.gate.admit(headers, client[0] if client else None)
        scope["caller"] = caller.kind
        return caller

    def subject(
        self,
        caller: Caller,
        headers: Mapping[bytes, bytes],
        user_id: str | None,
        anonymous_id: str | None,
        context: RequestContext,
        *,
        scope: str = RECOMMEND,
    ) -> Subject:
        """Returns whom a request is about, by the ids of the lake.

        An id that a service or a visitor names as a person's may be an anonymous one. Raises a 403
        Problem for somebody whom the caller may not ask for.
        """
        caller.require(scope)
        if caller.kind in FOR_ANYONE:
            anonymous_id = user_id if anonymous_id is None else anonymous_id
        else:
            if caller.is_anonymous and anonymous_id is None:
                user_id, anonymous_id = None, user_id
            if user_id is not None:
                caller.require_user(scope, user_id)
            if anonymous_id is not None:
                caller.require_visitor(scope, anonymous_id)
        region = region_in(headers, self._region_header) or context.get("country")
        return Subject(
            None if user_id is None else self.identifiers.known_as(USER, user_id),
            None if anonymous_id is None else self.identifiers.known_as(ANONYMOUS, anonymous_id),
            region,
            has_opted_out(headers),
        )

    async def list(self, request: ListRequest, route: str) -> tuple[ListAnswer, str]:
        """Returns a list and the id of the decision, which is logged and counted."""
        started = perf_counter()
        answer = await self.lists.answer(request, self.book)
        decision_id = self.ids.new()
        self.decisions.add(
            Decided(
                decision_id,
                now(),
                request.kind,
                answer.head,
                answer.items,
                request.subject.user_id if answer.may_personalise else None,
                request.subject.visitor_id if answer.may_personalise else None,
                fallback=answer.fallback,
                store_version=self.store_version,
                propensity=propensity_of(answer.experiments),
                experiments=variants_of(answer.experiments),
                item_propensities=answer.item_propensities,
            )
        )
        self._count(route, answer.head, answer.fallback, started)
        return answer, decision_id

    async def decide(self, request: SlotsRequest, route: str) -> tuple[SlotsAnswer, str]:
        """Returns what slots show and the id of the decision; raises UsageError as `Slots` does."""
        started = perf_counter()
        answer = await self.slots.answer(request, self.book)
        decision_id = self.ids.new()
        subject, moment = request.subject, now()
        for name, slot in answer.slots.items():
            head = slot.items.head if slot.items else b'"strategy":"%b"' % answer.strategy.encode()
            self.decisions.add(
                Decided(
                    decision_id,
                    moment,
                    "slot",
                    head,
                    slot.items.items if slot.items else b"",
                    subject.user_id if answer.may_personalise else None,
                    subject.visitor_id if answer.may_personalise else None,
                    name,
                    slot.choice.content_id,
                    slot.choice.rule,
                    slot.choice.variant,
                    answer.fallback,
                    self.store_version,
                    propensity_of(slot.experiments),
                    variants_of(slot.experiments),
                    slot.items.item_propensities if slot.items else (),
                )
            )
        self._count(route, b'"strategy":"%b"' % answer.strategy.encode(), answer.fallback, started)
        return answer, decision_id

    async def assign(self, request: ExperimentsRequest, route: str) -> tuple[Assigned, str]:
        """Returns variants and the id of the decision, logged where anybody is counted.

        Raises KeyError as `Assigning` does.
        """
        started = perf_counter()
        answer = await self.assigning.answer(request)
        decision_id = self.ids.new()
        if counted := answer.counted:
            subject = request.subject
            self.decisions.add(
                Decided(
                    decision_id,
                    now(),
                    "experiments",
                    OF_EXPERIMENTS,
                    user_id=subject.user_id,
                    anonymous_id=subject.visitor_id,
                    store_version=self.store_version,
                    propensity=propensity_of(counted),
                    experiments=variants_of(counted),
                )
            )
        self._count(route, OF_EXPERIMENTS, answer.fallback, started)
        return answer, decision_id

    def _count(self, route: str, head: bytes, fallback: Any, started: float) -> None:
        self.metrics.latencies.observe(route, strategy_in(head), perf_counter() - started)
        if fallback is not None:
            self.metrics.fallbacks.labels(fallback).inc()


@lru_cache(4096)
def strategy_in(head: bytes) -> str:
    """Returns the strategy that the head of a list names; there are few different heads.

    >>> strategy_in(b'"strategy":"hybrid","model_version":"7"')
    'hybrid'
    """
    begin = head.index(STRATEGY) + len(STRATEGY)
    return head[begin : head.index(b'"', begin)].decode()
