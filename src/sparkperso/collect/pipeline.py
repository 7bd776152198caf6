"""The one way of an event from any route to a sink: checked, agreed to, pseudonymised, kept."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from sparkperso.collect.checks import Invalid, check_consent, check_event
from sparkperso.collect.facts import Facts
from sparkperso.collect.guard import PERSONS, Event, Guard, decisions_within
from sparkperso.collect.keys import SiteKey
from sparkperso.collect.limits import Rates
from sparkperso.collect.metrics import Metrics
from sparkperso.collect.plan_check import PlanCheck
from sparkperso.collect.problems import Problem
from sparkperso.collect.sinks.base import Line, Sink
from sparkperso.config.collect import LimitsConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.consent import OPTIONAL
from sparkperso.privacy import PersonalFields

log = logging.getLogger("sparkperso.collect")
Result = dict[str, Any]
Watcher = Callable[[SiteKey, Sequence[bytes], Sequence[Result]], None]
CONSENT, RECORDING = "consent", "session_recording"


class _NoPerson(Invalid):
    """An event of nobody: its sender may have lost the cookie, and can have another."""


@dataclass(slots=True)
class _Taken:
    """What one request brings to the sinks."""

    events: list[Line] = field(default_factory=list)
    recordings: list[Line] = field(default_factory=list)
    consents: list[Event] = field(default_factory=list)


class Pipeline:
    """Takes events; all routes of the collector call `take`."""

    def __init__(
        self,
        limits: LimitsConfig,
        plan: TrackingPlan,
        guard: Guard,
        metrics: Metrics,
        *,
        events: Sink,
        recordings: Sink,
        plan_check: PlanCheck | None = None,
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
        self.watchers: list[Watcher] = []
        """Called with what was kept of each request, once it is durable."""

    async def take(self, events: Sequence[Any], key: SiteKey, facts: Facts) -> list[Result]:
        """Returns what became of each event, once all that were accepted are durable.

        A result's `status` is `accepted` (with a `warning` where ingest is sure to keep the event
        in quarantine), `refused` (its person did not agree to `purpose`) or `invalid` (`problem`
        says why; `reason` is `no_person` where nobody is named, as when a browser has lost its
        cookie). Raises a Problem: 429 or 503, and then nothing is accepted.
        """
        self._admit(events, key, facts)
        taken = _Taken()
        results = [self._take_one(raw, key, facts, taken) for raw in events]
        await self._store(taken, key)
        self._count(events, results, key)
        self._show(key, taken, results)
        return results

    def _show(self, key: SiteKey, taken: _Taken, results: Sequence[Result]) -> None:
        """Calls the watchers. What is durable is answered so, whatever they make of it."""
        for watch in self.watchers:
            try:
                watch(key, [line for _, line in (*taken.events, *taken.recordings)], results)
            except Exception:
                log.exception("a watcher failed")

    def _admit(self, events: Sequence[Any], key: SiteKey, facts: Facts) -> None:
        """Counts a request; raises a 429 Problem. A no within it holds all the same."""
        said = [raw for raw in events if isinstance(raw, dict) and raw.get("event_type") == CONSENT]
        self._rates.take_decisions(key, facts.sender, len(said))
        try:
            self._rates.take_events(key, facts.sender, len(events) - len(said))
        except Problem:
            taken = _Taken()
            for raw in said:
                self._take_one(raw, key, facts, taken)
            self._guard.record(taken.consents, key, only=False)
            raise

    async def _store(self, taken: _Taken, key: SiteKey) -> None:
        """Stores what was taken. A no holds at once, a yes when its proof is durable."""
        self._guard.record(taken.consents, key, only=False)
        started = time.perf_counter()
        if taken.events:
            await self._events.put(taken.events)
        if taken.recordings:
            await self._recordings.put(taken.recordings)
        self._metrics.seconds.observe(time.perf_counter() - started)
        self._guard.record(taken.consents, key, only=True)

    def decisions(self, key: SiteKey, person: Event) -> dict[str, bool | None]:
        """Returns purpose → what a person decided, whose identifiers are given as they are sent."""
        names = {name: person[name] for name in PERSONS if name in person}
        event = {**names, "metadata": {}, "context": {}}
        self._guard.protect(event, self._personal.get(CONSENT, self._personal_of_all))
        event, _ = self._guard.mask(event)
        return {purpose: self._guard.decision(event, purpose, key) for purpose in OPTIONAL}

    def _take_one(self, raw: Any, key: SiteKey, facts: Facts, taken: _Taken) -> Result:
        try:
            event = _complete(check_event(raw, self._limits), key, facts)
            if event["event_type"] != CONSENT:
                return self._keep(event, key, facts, taken)
            check_consent(event["metadata"])
            kept = [self._keep(part, key, facts, taken) for part in decisions_within(event, key)]
            return kept[0]
        except _NoPerson as error:
            return {"status": "invalid", "reason": "no_person", "problem": str(error)}
        except Invalid as error:
            return {"status": "invalid", "problem": str(error)}

    def _keep(self, event: Event, key: SiteKey, facts: Facts, taken: _Taken) -> Result:
        kind = event["event_type"]
        purpose = self._plan.purpose_of(kind)
        self._guard.protect(event, self._personal.get(kind, self._personal_of_all))
        event, masked = self._guard.mask(event)
        if not self._guard.is_allowed(event, purpose, key, facts):
            return {"status": "refused", "reason": "no_consent", "purpose": purpose}
        if masked:
            self._metrics.masked.labels(key.site).inc(masked)
        if "event_id" not in event:
            event["event_id"] = _identity(event)
        event["collected"] = self._collected(key, facts, purpose, masked)
        line = orjson.dumps(event)
        self._check_length(line, kind == RECORDING)
        if kind == CONSENT:
            taken.consents.append(event)
        (taken.recordings if kind == RECORDING else taken.events).append((_person(event), line))
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

    def _check_length(self, line: bytes, is_recording: bool) -> None:
        limits = self._limits
        most = limits.max_recording_bytes if is_recording else limits.max_event_bytes
        if len(line) > most:
            raise Invalid(f"an event of this type should have {most} bytes at most: {len(line)}")

    def _collected(self, key: SiteKey, facts: Facts, purpose: str, masked: int) -> Event:
        """Returns what the collector adds: ingest checks consent again by it."""
        return {
            "received_at": facts.received_at,
            "site": key.site,
            "basis": key.basis,
            "purpose": purpose,
            "region": facts.region,
            "opted_out": facts.opted_out,
            "masked": masked,
            "key_id": self._guard.pseudonyms.key_id,
        }

    def _count(self, events: Sequence[Any], results: Sequence[Result], key: SiteKey) -> None:
        for raw, result in zip(events, results, strict=True):
            kind = raw.get("event_type") if isinstance(raw, dict) else None
            name = kind if isinstance(kind, str) else ""
            self._metrics.event(key.site, name, result["status"], result.get("purpose", ""))


def _complete(event: Event, key: SiteKey, facts: Facts) -> Event:
    event.setdefault("channel", key.channel)
    if "anonymous_id" not in event and facts.anonymous_id:
        event["anonymous_id"] = facts.anonymous_id
    if "user_id" not in event and "anonymous_id" not in event:
        raise _NoPerson("user_id or anonymous_id is missing")
    return event


def _identity(event: Event) -> str:
    """Returns the SHA-256 of the event's canonical JSON: the same event sent again is a duplicate.

    It is taken after pseudonyms and masks are in, so that it gives no personal value away.
    """
    return hashlib.sha256(orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _person(event: Mapping[str, Any]) -> str:
    return str(event.get("user_id") or event["anonymous_id"])
