"""Whether an event may be kept, and what of it: consent, pseudonyms, masks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import orjson

from sparkperso.collect.checks import Invalid
from sparkperso.collect.facts import Facts
from sparkperso.collect.keys import SiteKey
from sparkperso.config.consent import ConsentConfig
from sparkperso.consent import Decisions, decision_of, is_allowed
from sparkperso.privacy import (
    PersonalFields,
    Pseudonyms,
    mask_tree,
    may_hold,
    pseudonym_of,
)

Event = dict[str, Any]
PERSONS = ("user_id", "anonymous_id")
NO_PROOF = (
    "a yes for a user_id should come with the site's server key, or with the anonymous_id of the"
    " browser or device that agrees"
)
UNDECIDED: Decisions = {}


class Memory(Protocol):
    """What people decided, by site, kind of identifier and identifier."""

    def get(self, site: str, kind: str, subject: str) -> Decisions:
        """Returns purpose → decision of one identifier; empty when it never decided."""

    def put_all(
        self, site: str, decisions: Iterable[tuple[str, str, Mapping[str, bool], str]]
    ) -> None:
        """Keeps decisions of identifiers and their times; those of other purposes stay."""


class Guard:
    """Asks for consent and takes out what is personal."""

    def __init__(self, pseudonyms: Pseudonyms, policy: ConsentConfig, decisions: Memory) -> None:
        self.pseudonyms, self.decisions = pseudonyms, decisions
        self._regime_of = lru_cache(1024)(policy.regime_of)

    def is_allowed(self, event: Event, purpose: str, key: SiteKey, facts: Facts) -> bool:
        """Says whether the event's person agreed to its purpose, or needed not to."""
        decision = self.decision(event, purpose, key)
        regime = self._regime_of(facts.region or _country(event))
        return is_allowed(purpose, key.basis, regime, decision, facts.opted_out)

    def decision(self, event: Event, purpose: str, key: SiteKey) -> bool | None:
        """Returns what the event's person decided on a purpose; its identifiers as kept."""
        user, browser = (
            self.decisions.get(key.site, name, event[name]) if name in event else UNDECIDED
            for name in PERSONS
        )
        return decision_of(user, browser, purpose)

    def protect(self, event: Event, personal: PersonalFields) -> None:
        """Puts pseudonyms into the personal fields, in place."""
        personal.pseudonymise(event, self.pseudonyms)

    def mask(self, event: Event) -> tuple[Event, int]:
        """Returns the event without e-mail addresses and card numbers, and how many there were."""
        if not may_hold(orjson.dumps(event)):
            return event, 0
        masked: tuple[Event, int] = mask_tree(event, self._hide)
        return masked

    def _hide(self, name: str, text: str) -> str:
        """Returns what stands for an identifier: a mask in one would make many people one."""
        return pseudonym_of(name, text, self.pseudonyms)

    def record(self, events: Sequence[Event], key: SiteKey, only: bool) -> None:
        """Keeps the decisions of consent events, those that are yes or those that are no."""
        decisions = [
            (
                name,
                event[name],
                {p: given for p, given in _purposes(event).items() if given is only},
                # A clock that is ahead must not outrun the decisions to come.
                min(event["timestamp"], event["collected"]["received_at"]),
            )
            for event in events
            for name in PERSONS
            if name in event
        ]
        if any(said for _, _, said, _ in decisions):
            self.decisions.put_all(key.site, decisions)


def decisions_within(event: Event, key: SiteKey) -> list[Event]:
    """Returns what a consent event decides, in events that its key may decide; raises Invalid.

    A write key is known to everybody. A no under it holds for all who are named; a yes holds for
    the browser or device whose random id stands beside it, and for no user id.
    """
    granted = {purpose for purpose, given in _purposes(event).items() if given}
    if key.is_server or "user_id" not in event or not granted:
        return [event]
    if "anonymous_id" not in event:
        raise Invalid(NO_PROOF)
    own = {name: value for name, value in event.items() if name != "user_id"}
    return [own, *_refusal_of_user(event, granted)]


def _refusal_of_user(event: Event, granted: Collection[str]) -> list[Event]:
    refused = {name: given for name, given in _purposes(event).items() if name not in granted}
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


def _country(event: Event) -> str | None:
    country = event["context"].get("country")
    return country if isinstance(country, str) else None
