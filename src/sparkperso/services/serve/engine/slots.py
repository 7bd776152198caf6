"""What slots show: content by rules, and the lists that stand in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sparkperso.decisions.decision import Choice, decide
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.services.serve.engine.lists import ListAnswer, Lists
from sparkperso.services.serve.engine.people import People, Person
from sparkperso.services.serve.engine.requests import ListRequest, SlotsRequest
from sparkperso.services.serve.engine.store_access import Fallback, StoreUnavailable


@dataclass(frozen=True, slots=True)
class SlotAnswer:
    """One slot, with its list where it has one."""

    choice: Choice
    items: ListAnswer | None = None


@dataclass(frozen=True, slots=True)
class SlotsAnswer:
    """All slots that were asked for."""

    slots: Mapping[str, SlotAnswer]
    strategy: str
    segments: Sequence[Mapping[str, Any]]
    """Without consent none."""
    may_personalise: bool
    fallback: Fallback | None = None


class Slots:
    """Answers requests for slots."""

    def __init__(self, people: People, lists: Lists) -> None:
        self._people, self._lists = people, lists

    async def answer(self, request: SlotsRequest, book: Rulebook) -> SlotsAnswer:
        """Returns what each slot shows; raises UsageError for a slot that is not there.

        What the store does, it raises nothing: without it nobody is known, and rules decide by the
        request alone.
        """
        why: Fallback | None = None
        try:
            person = await self._people.person(request.subject)
        except StoreUnavailable as error:
            person, why = Person(request.subject, may_personalise=False), error.why
        facts = person.facts(request.context)
        decision = decide(book, facts, request.slots, explain=request.explain)
        slots = {}
        for name, choice in decision.slots.items():
            items = await self._items(request, book, person, choice, why)
            if items and items.fallback and why is None:
                why = items.fallback
            slots[name] = SlotAnswer(choice, items)
        return SlotsAnswer(slots, decision.strategy, person.segments, person.may_personalise, why)

    async def _items(
        self,
        request: SlotsRequest,
        book: Rulebook,
        person: Person,
        choice: Choice,
        why: Fallback | None,
    ) -> ListAnswer | None:
        if choice.items is None:
            return None
        wanted = ListRequest(
            request.subject,
            choice.items.kind,
            choice.items.n,
            request.exclude,
            context=request.context,
            explain=request.explain,
        )
        if why in ("store_slow", "store_down", "no_version"):
            return await self._lists.without_store(wanted, book, why, choice.slot)
        try:
            return await self._lists.for_person(
                wanted, book, replace(person, more=()), slot=choice.slot
            )
        except StoreUnavailable as error:
            return await self._lists.without_store(wanted, book, error.why, choice.slot)
