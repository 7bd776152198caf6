"""The one way of an event from any route to a sink: checked, agreed to, pseudonymised, kept.

1. A request is counted; too many events are refused, and a no among them holds all the same.
2. Each event is checked (`event_validation`), its person named as in the stored decisions.
3. Consent: decisions of the request hold for what follows in it; what is not allowed is refused.
4. Every no is stored, before anything can fail.
5. What may be kept gets pseudonyms and masks, a line of its own, a warning from the tracking plan.
6. The sinks make the lines durable; then every yes is stored, and the sender hears of it.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from sparkperso.config.collect import LimitsConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.consent import NECESSARY, OPTIONAL
from sparkperso.privacy import PersonalFields, may_hold
from sparkperso.services.collect.intake.consent_gate import (
    PERSONS,
    ConsentGate,
    Event,
    Pending,
    Places,
    StatedDecisions,
    decisions_within,
    places_of,
    stated_by,
)
from sparkperso.services.collect.intake.consent_outbox import PERSONALISATION
from sparkperso.services.collect.intake.event_validation import (
    RECORDING,
    Invalid,
    check_consent,
    check_event,
    check_length,
    check_size,
    consent_alone,
    type_of,
)
from sparkperso.services.collect.intake.lane import Lane
from sparkperso.services.collect.intake.plan_check import PlanCheck
from sparkperso.services.collect.intake.request_context import RequestContext, later
from sparkperso.services.collect.metrics import Metrics
from sparkperso.services.http.limits import Rates
from sparkperso.services.http.problems import Problem
from sparkperso.services.http.write_keys import SiteKey
from sparkperso.services.sinks.base import Line, Sink

log = logging.getLogger("sparkperso.collect")
Result = dict[str, Any]
Watcher = Callable[[SiteKey, Sequence[bytes], Sequence[Result]], None]
CONSENT = "consent"


class RecentEvents(Protocol):
    """Takes what people did a moment ago, for their lists."""

    event_types: frozenset[str]

    def add(self, key: SiteKey, events: Sequence[Event]) -> None:
        """Takes events that are durable, as they are kept; keeps nobody waiting."""


HEAVY_BYTES = 32_768
"""Bytes of JSON that are searched for personal values between other requests; more are searched in
a lane of their own, for at worst a microsecond each."""
LONG_BYTES = 4_096
"""An event of this length counts as searched: it may have thousands of values."""
SHORT_SHARE = 4
"""Of shorter ones a part counts, since many of them may have as many values together."""


@dataclass(slots=True)
class _AllowedEvent:
    """An event that may be kept, before what is personal within it is taken out."""

    event: Event
    purpose: str
    facts: RequestContext
    places: Places
    may_hold: bool
    """Whether it can hold an e-mail address or a card number."""
    size: int
    """Bytes of JSON that will be looked at one by one."""
    masked: int = 0
    is_recent: bool = False
    """Whether its person's lists may heed it."""


class _NoPerson(Invalid):
    """An event of nobody: its sender may have lost the cookie, and can have another."""


@dataclass(slots=True)
class _Intake:
    """What one request brings to the sinks."""

    events: list[Line] = field(default_factory=list)
    recordings: list[Line] = field(default_factory=list)
    recent: list[Event] = field(default_factory=list)
    stated: list[StatedDecisions] = field(default_factory=list)
    pending: Pending = field(default_factory=dict)


Judged = Result | list[_AllowedEvent]
"""What became of an event that is not kept, or what is kept of it."""


class Pipeline:
    """Takes events; all routes of the collector call `take`."""

    def __init__(
        self,
        limits: LimitsConfig,
        plan: TrackingPlan,
        guard: ConsentGate,
        metrics: Metrics,
        *,
        events: Sink,
        recordings: Sink,
        plan_check: PlanCheck | None = None,
        recent: RecentEvents | None = None,
    ) -> None:
        self._limits, self._plan, self._guard = limits, plan, guard
        public = plan.public_traits
        self._personal = {
            kind: PersonalFields(plan.personal_of(kind), public) for kind in plan.event_types
        }
        self._personal_of_all = PersonalFields(plan.personal, public)
        self._metrics, self._rates = metrics, Rates(limits)
        self._events, self._recordings = events, recordings
        self._plan_check = plan_check or PlanCheck(plan)
        self._lane, self._recent = Lane(), recent
        self.watchers: list[Watcher] = []
        """Called with what was kept of each request, once it is durable."""

    async def take(
        self, events: Sequence[Any], key: SiteKey, facts: RequestContext
    ) -> list[Result]:
        """Returns what became of each event, once all that were accepted are durable.

        A result's `status` is `accepted` (with a `warning` where ingest is sure to keep the event
        in quarantine), `refused` (its person did not agree to `purpose`) or `invalid` (`problem`
        says why; `reason` is `no_person` where nobody is named, as when a browser has lost its
        cookie). Raises a Problem: 429 or 503, and then nothing is accepted.
        """
        # Counted first: what is refused for its number costs no more than that.
        self._admit(events, key, facts)
        intake = _Intake()
        judged = self._judge_all(events, key, facts, intake)
        # A no holds at once, whatever becomes of its request.
        self._guard.record(intake.stated, key, only=False)
        results = await self._finish_all(judged, key, intake)
        await self._store(intake, key)
        self._count(events, results, key)
        self._show(key, intake, results)
        return results

    def _show(self, key: SiteKey, intake: _Intake, results: Sequence[Result]) -> None:
        """Calls the watchers. What is durable is answered so, whatever they make of it."""
        for watch in self.watchers:
            try:
                watch(key, [line for _, line in (*intake.events, *intake.recordings)], results)
            except Exception:
                log.exception("an observer of accepted events failed")

    def _admit(self, events: Sequence[Any], key: SiteKey, facts: RequestContext) -> None:
        """Counts a request; raises a 429 Problem. A no within it holds all the same."""
        stated = [raw for raw in events if isinstance(raw, dict) and type_of(raw) == CONSENT]
        self._rates.take_decisions(key, facts.sender, len(stated))
        try:
            self._rates.take_events(key, facts.sender, len(events) - len(stated))
        except Problem:
            intake = _Intake()
            self._judge_all(stated, key, facts, intake)
            self._guard.record(intake.stated, key, only=False)
            raise

    async def _store(self, intake: _Intake, key: SiteKey) -> None:
        """Stores what was taken. A yes holds for other requests when its proof is durable."""
        started = time.perf_counter()
        if intake.events:
            await self._events.put(intake.events)
        if intake.recordings:
            await self._recordings.put(intake.recordings)
        self._metrics.seconds.observe(time.perf_counter() - started)
        self._guard.record(intake.stated, key, only=True)
        if self._recent and intake.recent:
            self._recent.add(key, intake.recent)

    def decisions(self, key: SiteKey, person: Event) -> dict[str, bool | None]:
        """Returns purpose → what a person decided, None where they did not.

        `person` has their identifiers as they are sent.
        """
        names = {name: person[name].strip(" ") for name in PERSONS if name in person}
        event = {**names, "metadata": {}, "context": {}}
        self._guard.identify(event, self._fields_of(CONSENT))
        return {purpose: self._guard.decision(event, purpose, key) for purpose in OPTIONAL}

    def _fields_of(self, kind: str) -> PersonalFields:
        return self._personal.get(kind, self._personal_of_all)

    def _judge_all(
        self, events: Sequence[Any], key: SiteKey, facts: RequestContext, intake: _Intake
    ) -> list[Judged]:
        """Returns what may be kept, in order: a decision holds for what follows in its request."""
        judged: list[Judged] = []
        for raw in events:
            is_later = judged and isinstance(raw, dict) and type_of(raw) == CONSENT
            facts = later(facts, 1) if is_later else facts
            judged.append(self._judge(raw, key, facts, intake))
        return judged

    def _judge(self, raw: Any, key: SiteKey, facts: RequestContext, intake: _Intake) -> Judged:
        """Bounds come first, then consent; what costs more is left for what is kept."""
        try:
            data = check_size(raw, self._limits)
            event = _complete(check_event(raw, self._limits), key, facts)
            if event["event_type"] == CONSENT:
                check_consent(event["metadata"])
                event = consent_alone(event)
                return [
                    self._decide(part, key, facts, intake) for part in decisions_within(event, key)
                ]
        except _NoPerson as error:
            return {"status": "invalid", "reason": "no_person", "problem": str(error)}
        except Invalid as error:
            return {"status": "invalid", "problem": str(error)}
        allowed = self._identified(event, facts, data)
        decision = self._guard.decision(event, allowed.purpose, key, intake.pending)
        if self._guard.is_allowed(allowed.purpose, key, facts, allowed.places, decision):
            allowed.is_recent = self._may_be_heeded(allowed, key, intake.pending)
            return [allowed]
        return {"status": "refused", "reason": "no_consent", "purpose": allowed.purpose}

    def _may_be_heeded(self, allowed: _AllowedEvent, key: SiteKey, pending: Pending) -> bool:
        """Says whether lists may heed an event: its person allows that purpose as well."""
        event = allowed.event
        if self._recent is None or event["event_type"] not in self._recent.event_types:
            return False
        decision = self._guard.decision(event, PERSONALISATION, key, pending)
        return "item_id" in event and self._guard.is_allowed(
            PERSONALISATION, key, allowed.facts, allowed.places, decision
        )

    def _identified(self, event: Event, facts: RequestContext, data: bytes) -> _AllowedEvent:
        """Returns an event whose person is named as in the stored decisions."""
        kind, is_odd = event["event_type"], may_hold(data)
        masked = self._guard.identify(event, self._fields_of(kind), is_odd)
        size = len(data) if is_odd or len(data) > LONG_BYTES else len(data) // SHORT_SHARE
        places = places_of(event, facts)
        return _AllowedEvent(
            event, self._plan.purpose_of(kind), facts, places, is_odd, size, masked
        )

    def _decide(
        self, event: Event, key: SiteKey, facts: RequestContext, intake: _Intake
    ) -> _AllowedEvent:
        """Returns a consent event, and lets it hold for what follows."""
        allowed = self._identified(event, facts, orjson.dumps(event))
        allowed.purpose = NECESSARY
        stated = stated_by(allowed.event, facts.received_at)
        self._guard.add(stated, key, intake.pending)
        intake.stated.append(stated)
        return allowed

    async def _finish_all(
        self, judged: Sequence[Judged], key: SiteKey, intake: _Intake
    ) -> list[Result]:
        # A request of much text would hold up the loop, and with it everybody: it goes beside.
        size = sum(allowed.size for one in judged if isinstance(one, list) for allowed in one)

        def finish() -> list[Result]:
            results: list[Result] = []
            for one in judged:
                if isinstance(one, list):
                    # A decision may have become two events: its sender hears of the first.
                    first, *_ = [self._finish(allowed, key, intake) for allowed in one]
                    results.append(first)
                else:
                    results.append(one)
            return results

        return finish() if size <= HEAVY_BYTES else await self._lane.run(finish, size)

    def _finish(self, allowed: _AllowedEvent, key: SiteKey, intake: _Intake) -> Result:
        """Takes out what is personal, and makes the event's line."""
        event, kind = allowed.event, allowed.event["event_type"]
        event, masked = self._guard.clean(event, self._fields_of(kind), allowed.may_hold)
        masked += allowed.masked
        if masked:
            self._metrics.masked.labels(key.site).inc(masked)
        if "event_id" not in event:
            # The same event sent again is a duplicate; taken after pseudonyms and masks are in, so
            # that it gives no personal value away.
            canonical = orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
            event["event_id"] = hashlib.sha256(canonical).hexdigest()
        event["collected"] = self._collected(key, allowed, masked)
        line = orjson.dumps(event)
        try:
            check_length(line, kind == RECORDING, self._limits)
        except Invalid as error:
            return {"status": "invalid", "problem": str(error)}
        person = str(event.get("user_id") or event["anonymous_id"])
        (intake.recordings if kind == RECORDING else intake.events).append((person, line))
        if allowed.is_recent:
            intake.recent.append(event)
        return {"status": "accepted", "event_id": event["event_id"], **self._warning(event, key)}

    def _warning(self, event: Event, key: SiteKey) -> Result:
        """Returns why ingest will keep an accepted event in quarantine, where that is sure."""
        if event["event_type"] == RECORDING:  # recordings are stored apart
            return {}
        refusal = self._plan_check.refusal(event, event["collected"]["received_at"])
        if refusal is None:
            return {}
        self._metrics.warnings.labels(key.site, refusal.code).inc()
        return {"warning": f"{refusal.message}; it is kept in quarantine"}

    def _collected(self, key: SiteKey, allowed: _AllowedEvent, masked: int) -> Event:
        """Returns what the collector adds: ingest checks consent again by it."""
        return {
            "received_at": allowed.facts.received_at,
            "site": key.site,
            "basis": key.basis,
            "purpose": allowed.purpose,
            "region": self._guard.strictest(allowed.places),
            "opted_out": allowed.facts.opted_out,
            "masked": masked,
            "key_id": self._guard.pseudonyms.key_id,
        }

    def _count(self, events: Sequence[Any], results: Sequence[Result], key: SiteKey) -> None:
        counts: Counter[tuple[str, str, str]] = Counter()
        for raw, result in zip(events, results, strict=True):
            kind = type_of(raw) if isinstance(raw, dict) else None
            name = kind if isinstance(kind, str) else ""
            counts[name, result["status"], result.get("purpose", "")] += 1
        for (name, status, purpose), count in counts.items():
            self._metrics.event(key.site, name, status, purpose, count)


def _complete(event: Event, key: SiteKey, facts: RequestContext) -> Event:
    event.setdefault("channel", key.channel)
    if "anonymous_id" not in event and facts.anonymous_id:
        event["anonymous_id"] = facts.anonymous_id
    if "user_id" not in event and "anonymous_id" not in event:
        raise _NoPerson("user_id or anonymous_id is missing")
    return event
