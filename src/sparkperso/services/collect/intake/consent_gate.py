"""Whether an event may be kept, and what of it: consent, pseudonyms, masks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import orjson

from sparkperso.config.consent import ConsentConfig
from sparkperso.core.consent import Decisions, after, decision_of, is_allowed
from sparkperso.privacy import (
    PersonalFields,
    Pseudonyms,
    mask_identifier,
    mask_tree,
    may_find,
    may_hold,
    pseudonym_of,
)
from sparkperso.services.collect.intake.event_validation import Invalid
from sparkperso.services.collect.intake.request_context import RequestContext
from sparkperso.services.http.signals import place_of
from sparkperso.services.http.write_keys import SiteKey

Event = dict[str, Any]
PERSONS = ("user_id", "anonymous_id")
NO_PROOF = (
    "a yes for a user_id should come with the site's server key, or with the anonymous_id of the"
    " browser or device that agrees"
)
UNDECIDED: Decisions = {}


class DecisionStore(Protocol):
    """What people decided, by site, kind of identifier and identifier."""

    def get(self, site: str, kind: str, subject: str) -> Decisions:
        """Returns purpose → decision of one identifier; empty when it never decided."""

    def put_all(
        self, site: str, decisions: Iterable[tuple[str, str, Mapping[str, bool], str]]
    ) -> None:
        """Keeps decisions of identifiers and their times; those of other purposes stay."""


class StatedDecisions(NamedTuple):
    """What a consent event decides: purpose → yes or no, and when, as ISO 8601."""

    event: Event
    purposes: Mapping[str, bool]
    decided_at: str


Places = tuple[str | None, ...]
"""Countries or parts of them where an event may have happened; None is an unknown one."""
Pending = dict[tuple[str, str], Decisions]
"""Kind of identifier, identifier → what it has decided, once a request's decisions are stored."""


class ConsentGate:
    """Asks for consent and takes out what is personal.

    An event's identifiers become pseudonyms before consent is asked, since decisions are kept by
    them; the rest of it only once it may be kept.
    """

    def __init__(
        self, pseudonyms: Pseudonyms, policy: ConsentConfig, decisions: DecisionStore
    ) -> None:
        self.pseudonyms, self.decisions = pseudonyms, decisions
        # Bounded, since a region is what an event says.
        self._regime_of = lru_cache(1024)(policy.regime_of)

    def is_allowed(
        self,
        purpose: str,
        key: SiteKey,
        facts: RequestContext,
        places: Places,
        decision: bool | None,
    ) -> bool:
        """Says whether an event's person agreed to its purpose, or needed not to.

        Where it may have happened in several places, it has to be allowed in all of them.
        """
        return all(
            is_allowed(purpose, key.basis, self._regime_of(place), decision, facts.opted_out)
            for place in places
        )

    def strictest(self, places: Places) -> str | None:
        """Returns the place that an event is judged by: the strictest of several."""
        if len(places) == 1:
            return places[0]
        return next((place for place in places if self._regime_of(place) == "opt_in"), places[0])

    def decision(
        self, event: Event, purpose: str, key: SiteKey, pending: Pending | None = None
    ) -> bool | None:
        """Returns what the event's person decided on a purpose, None without a decision.

        The event's identifiers are as they are kept; `pending` are decisions of the same request.
        """
        user, browser = [
            self._decisions(name, event, key, pending) if name in event else UNDECIDED
            for name in PERSONS
        ]
        return decision_of(user, browser, purpose) if user or browser else None

    def _decisions(
        self, name: str, event: Event, key: SiteKey, pending: Pending | None
    ) -> Decisions:
        own = pending.get((name, event[name])) if pending else None
        return self.decisions.get(key.site, name, event[name]) if own is None else own

    def add(self, stated: StatedDecisions, key: SiteKey, pending: Pending) -> None:
        """Adds a decision to those that hold for what follows in its request."""
        event = stated.event
        for name in PERSONS:
            if name in event:
                before = self._decisions(name, event, key, pending)
                pending[name, event[name]] = after(before, stated.purposes, stated.decided_at)

    def identify(self, event: Event, personal: PersonalFields, is_odd: bool = True) -> int:
        """Puts pseudonyms into whom the event names, in place; returns how many were hidden.

        A mask would make many people one. `is_odd` is what `may_hold` says of the event.
        """
        personal.pseudonymise_identifiers(event, self.pseudonyms)
        hidden = 0
        for name in PERSONS:
            if is_odd and name in event and may_find(event[name]):
                event[name], count = mask_identifier(name, event[name], self._hide)
                hidden += count
        return hidden

    def clean(
        self, event: Event, personal: PersonalFields, is_odd: bool = True
    ) -> tuple[Event, int]:
        """Returns the event without what is personal, and how many values were masked.

        First pseudonyms, in the fields of the plan and those known by name; then masks, where what
        is left may hold an e-mail address or a card number.
        """
        replaced = personal.pseudonymise(event, self.pseudonyms)
        # Asked anew once pseudonyms are in: often they stand for all that was suspicious.
        if not is_odd or (replaced and not may_hold(orjson.dumps(event))):
            return event, 0
        masked: tuple[Event, int] = mask_tree(event, self._hide)
        return masked

    def _hide(self, name: str, text: str) -> str:
        return pseudonym_of(name, text, self.pseudonyms)

    def record(self, stated: Sequence[StatedDecisions], key: SiteKey, only: bool) -> None:
        """Keeps the decisions of consent events, those that are yes or those that are no.

        Raises a 503 Problem when they cannot be stored.
        """
        decisions = [
            (
                name,
                one.event[name],
                {purpose: answer for purpose, answer in one.purposes.items() if answer is only},
                one.decided_at,
            )
            for one in stated
            for name in PERSONS
            if name in one.event
        ]
        if any(own for _, _, own, _ in decisions):
            self.decisions.put_all(key.site, decisions)


def stated_by(event: Event, received_at: str) -> StatedDecisions:
    """Returns what a consent event decides. A clock that is ahead must not outrun those to come."""
    return StatedDecisions(event, _purposes(event), min(event["timestamp"], received_at))


def places_of(event: Event, facts: RequestContext) -> Places:
    """Returns where an event may have happened; None stands for an unknown region.

    A trusted proxy's word goes before the event's own, which may name a part of that country.
    Where a proxy should know and does not, the event's own word makes nothing less strict.
    """
    context = event["context"]
    own = place_of(context.get("country"), context.get("region"))
    if facts.region is not None:
        is_part = own is not None and own.startswith(f"{facts.region}-")
        return (own, facts.region) if is_part else (facts.region,)
    return (own, None) if facts.has_region_header and own is not None else (own,)


def decisions_within(event: Event, key: SiteKey) -> list[Event]:
    """Returns what a consent event decides, in events that its key may decide; raises Invalid.

    A write key is known to everybody. A no under it holds for all who are named; a yes holds for
    the browser or device whose random id stands beside it, and for no user id.
    """
    granted = {purpose for purpose, is_granted in _purposes(event).items() if is_granted}
    if key.is_server or "user_id" not in event or not granted:
        return [event]
    if "anonymous_id" not in event:
        raise Invalid(NO_PROOF)
    own = {name: value for name, value in event.items() if name != "user_id"}
    return [own, *_refusal_of_user(event, granted)]


def _refusal_of_user(event: Event, granted: Collection[str]) -> list[Event]:
    refused = {name: answer for name, answer in _purposes(event).items() if name not in granted}
    if not refused:
        return []
    user = {name: value for name, value in event.items() if name != "anonymous_id"}
    user["metadata"] = {**event["metadata"], "purposes": refused}
    if "event_id" in event:
        user["event_id"] = f"{event['event_id']}:user"
    return [user]


def _purposes(event: Event) -> Mapping[str, bool]:
    purposes: Mapping[str, bool] = event["metadata"]["purposes"]
    return purposes
