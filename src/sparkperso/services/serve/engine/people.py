"""Whom a request is about: consent, what was done a moment ago, segments, profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from sparkperso.config import Settings
from sparkperso.core.consent import Decision, decision_of
from sparkperso.core.times import now
from sparkperso.decisions.facts import Facts, may_personalise
from sparkperso.experiments.assignment.assign import Units
from sparkperso.rules.context import RequestContext
from sparkperso.services.serve.engine.store_access import StoreAccess
from sparkperso.services.stores.base import Address
from sparkperso.services.stores.overlay import RECENT
from sparkperso.services.stores.records import (
    CONSENTS,
    PROFILES,
    SEGMENTS,
    subject_id,
)
from sparkperso.users.attributes import attributes_of

USER, ANONYMOUS = "user_id", "anonymous_id"
PURPOSE = "personalisation"


class Subject(NamedTuple):
    """Whom a request names, by the ids that the lake has for them."""

    user_id: str | None = None
    anonymous_id: str | None = None
    region: str | None = None
    """Where they are (ISO 3166-1 or -2); None where that is not known."""
    opted_out: bool = False
    """Whether the browser sent Global Privacy Control or Do Not Track."""

    @property
    def visitor_id(self) -> str | None:
        """Returns the anonymous id, unless it is only another reading of the user id."""
        return None if self.anonymous_id == self.user_id else self.anonymous_id

    @property
    def unit(self) -> str | None:
        """Returns the id that variants go by.

        What the lake has of people goes by `user_id` alone: a browser may call itself by anybody's.
        """
        return self.user_id if self.user_id is not None else self.anonymous_id

    @property
    def units(self) -> Units:
        """Returns the ids that experiments go by."""
        return Units(self.user_id, self.anonymous_id)


@dataclass(slots=True)
class Person:
    """What the store says of a subject now."""

    subject: Subject
    may_personalise: bool
    more: Sequence[bytes | None] = ()
    """The records that the caller asked for beside it."""
    recent: tuple[str, ...] = ()
    """Items that they saw, carted, bought or dismissed a moment ago, the latest last."""
    segments: Sequence[Mapping[str, Any]] = ()
    """One object per segment, as gold/segments has it."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    has_profile: bool = False
    """Whether segments and profile were looked for, found or not."""

    def facts(self, context: RequestContext, at: datetime | None = None) -> Facts:
        """Returns what decisions are made by."""
        return Facts(
            at or now(),
            context,
            self.subject.unit,
            self.attributes,
            frozenset(one["segment_id"] for one in self.segments),
            self.may_personalise,
        )


class People:
    """Reads people from the store: one round trip, whatever is asked of them."""

    def __init__(self, settings: Settings, store: StoreAccess) -> None:
        self._store = store
        # Asked with every request; a region is what a request says.
        self._may_personalise = lru_cache(1024)(
            lambda decision, region, opted_out: may_personalise(
                settings, decision, region, opted_out=opted_out
            )
        )

    async def person(
        self,
        subject: Subject,
        more: Sequence[Address] = (),
        *,
        with_profile: bool = True,
        with_recent: bool = True,
    ) -> Person:
        """Returns a person, and the records at the addresses of `more`.

        Lists leave out what is `recent`; variants, which go by the rest, need not know it. Without
        consent to personalisation nothing but that is known of them. Raises
        StoreUnavailable.
        """
        decisions, traces = _decisions_of(subject), _traces_of(subject, with_profile, with_recent)
        records = await self._store.get_many([*decisions, *traces, *more])
        n_decisions, n_own = len(decisions), len(decisions) + len(traces)
        decision = _decision_in(decisions, records) if any(records[:n_decisions]) else None
        may = self._may_personalise(decision, subject.region, subject.opted_out)
        is_nobody = subject.user_id is None
        person = Person(subject, may, records[n_own:], has_profile=with_profile or is_nobody)
        if may and any(records[n_decisions:n_own]):
            self._remember(person, traces, records[n_decisions:n_own])
        return person

    def _remember(
        self, person: Person, traces: Sequence[Address], records: Sequence[bytes | None]
    ) -> None:
        for (namespace, _), record in zip(traces, records, strict=True):
            if record is None:
                continue
            value = orjson.loads(record)
            if namespace == RECENT:
                person.recent += tuple(one["item_id"] for one in value)
            elif namespace == SEGMENTS:
                person.segments = value
            else:
                person.attributes = self._attributes(value)

    def _attributes(self, profile: Mapping[str, Any]) -> Mapping[str, Any]:
        manifest = self._store.manifest
        as_of = manifest.as_of if manifest else None
        return attributes_of(profile.get("features") or {}, {**profile, "as_of": as_of or now()})


def _decision_in(decisions: Sequence[Address], records: Sequence[bytes | None]) -> bool | None:
    """What was decided by the user id and by the browser's id together."""
    states: dict[str, Mapping[str, Decision]] = {USER: {}, ANONYMOUS: {}}
    for (_, subject), record in zip(decisions, records, strict=False):
        if record is not None:
            state = orjson.loads(record)
            name = subject.partition(":")[0]
            states[name] = {PURPOSE: Decision(state["granted"], state["decided_at"])}
    return decision_of(states[USER], states[ANONYMOUS], PURPOSE)


def _decisions_of(subject: Subject) -> list[Address]:
    named = ((USER, subject.user_id), (ANONYMOUS, subject.anonymous_id))
    return [(CONSENTS, subject_id(name, one)) for name, one in named if one is not None]


def _traces_of(subject: Subject, with_profile: bool, with_recent: bool) -> list[Address]:
    """Where there may be something of a person: what they did lately, segments, profile."""
    addresses: list[Address] = []
    if with_recent:
        named = ((ANONYMOUS, subject.anonymous_id), (USER, subject.user_id))
        addresses += [(RECENT, subject_id(name, one)) for name, one in named if one is not None]
    if with_profile and subject.user_id is not None:
        addresses += [(SEGMENTS, subject.user_id), (PROFILES, subject.user_id)]
    return addresses
