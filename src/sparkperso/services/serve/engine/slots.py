"""What slots show: content by rules, and the lists that stand in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sparkperso.decisions.decision import Choice, decide
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.experiments.assignment.assign import Assignment
from sparkperso.experiments.assignment.book import ExperimentBook, Treatment
from sparkperso.services.serve.engine.lists import ListAnswer, Lists
from sparkperso.services.serve.engine.people import People, Person
from sparkperso.services.serve.engine.requests import ListRequest, SlotsRequest
from sparkperso.services.serve.engine.store_access import Fallback, StoreUnavailable


@dataclass(frozen=True, slots=True)
class SlotAnswer:
    """One slot, with its list where it has one."""

    choice: Choice
    items: ListAnswer | None = None
    experiments: tuple[Assignment, ...] = ()
    """Those that count what is seen of it, with the variant that it is."""


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

    def __init__(self, people: People, lists: Lists, experiments: ExperimentBook) -> None:
        self._people, self._lists, self._experiments = people, lists, experiments

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
        treatment = self._experiments.served.treatment(facts, person.subject.units)
        book = book.switched(*treatment.switches)
        shows, explain = treatment.contents, request.explain
        decision = decide(book, facts, request.slots, explain=explain, shows=shows)
        slots = {}
        for name, choice in decision.slots.items():
            items = await self._items(request, book, person, choice, (why, treatment))
            if items and items.fallback and why is None:
                why = items.fallback
            kind = choice.items.kind if choice.items else None
            slots[name] = SlotAnswer(choice, items, treatment.counted_in(name, kind))
        return SlotsAnswer(slots, decision.strategy, person.segments, person.may_personalise, why)

    async def _items(
        self,
        request: SlotsRequest,
        book: Rulebook,
        person: Person,
        choice: Choice,
        state: tuple[Fallback | None, Treatment],
    ) -> ListAnswer | None:
        if choice.items is None:
            return None
        why, treatment = state
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
                wanted, book, replace(person, more=()), choice.slot, treatment
            )
        except StoreUnavailable as error:
            return await self._lists.without_store(wanted, book, error.why, choice.slot)
