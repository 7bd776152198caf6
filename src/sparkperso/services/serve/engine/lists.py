"""Lists of items for requests: found, filtered, ruled, filled up, or fallen back to.

1. One round trip reads consent, what was done a moment ago, and the list asked for.
2. Who has no such list goes down the ladder: what is popular in their segments, in their country,
   in the shop. Without consent it is the shop's at once, and says so.
3. Items of the request, of a moment ago and of other categories are left out; where no rule for
   items counts, the stored bytes are cut and joined as they are, else they are read and ruled.
4. A list that became too short is filled up by what is popular.
5. Where the store does not answer, what was popular when it last did, then the configured items.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from sparkperso.config.api import ApiConfig
from sparkperso.config.content.slots import PERSONAL_LISTS
from sparkperso.core.columns import CATEGORY, ITEM_ID, RANK
from sparkperso.decisions.explain import Trace
from sparkperso.decisions.facts import Facts
from sparkperso.decisions.items import active_rules, apply_item_rules, explain_item_rules
from sparkperso.decisions.rulebook import ItemRule, Rulebook
from sparkperso.experiments.assignment.assign import Assignment
from sparkperso.experiments.assignment.book import NO_TREATMENT, ExperimentBook, Treatment
from sparkperso.services.serve.engine.catalogue import Catalogue
from sparkperso.services.serve.engine.decision_log import ITEM_IDS
from sparkperso.services.serve.engine.next_items import NextItems
from sparkperso.services.serve.engine.people import People, Person
from sparkperso.services.serve.engine.requests import ListRequest
from sparkperso.services.serve.engine.store_access import (
    Fallback,
    StoreAccess,
    StoreUnavailable,
)
from sparkperso.services.stores.base import Address
from sparkperso.services.stores.records import (
    BETWEEN,
    CANDIDATE_LISTS,
    GLOBAL,
    LIST_KINDS,
    LISTS,
    POPULAR,
    SIMILAR,
    count_items,
    first_items,
    items_without,
    json_text,
    make_list,
    popular_scopes,
    split_list,
)

DECIMALS = 9
"""Of probabilities."""
MORE = 20
"""Items of a session beyond those asked for, where rules or a category may leave some out."""
POPULARITY, CANDIDATE = "popularity", "candidate"
"""A strategy, and a model, that experiments compare with."""
NO_CONSENT = b'"strategy":"no_consent"'
DEFAULTS = b'"strategy":"default"'
NO_MODEL = b',"model_version":null'


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a list has to obey: rules that count, for these facts, and items that are left out."""

    rules: Sequence[ItemRule]
    facts: Facts
    excluded: Collection[str]


@dataclass(slots=True)
class ListAnswer:
    """A list as it is answered with: bytes of JSON."""

    head: bytes
    """Members of an object: strategy, model_version, window where there is one."""
    items: bytes
    """The inside of an array."""
    fallback: Fallback | None = None
    may_personalise: bool = False
    """Whether the person agreed, as far as the store could say: else nobody may be named."""
    left_out: Sequence[tuple[str, str, str]] = ()
    """item_id, rule and why; only where an explanation was asked for."""
    traces: Sequence[Trace] = ()
    experiments: tuple[Assignment, ...] = ()
    """Those that count what is seen of it, with the variant that it is."""
    item_propensities: Sequence[float] = ()
    """Per place, the probability that its item stands there whichever variant is drawn; () where
    that is not known."""

    @property
    def n_items(self) -> int:
        """Returns how many items there are."""
        return count_items(self.items)


class Lists:
    """Answers requests for lists."""

    def __init__(
        self,
        store: StoreAccess,
        people: People,
        catalogue: Catalogue,
        next_items: NextItems,
        config: ApiConfig,
        *,
        experiments: ExperimentBook,
    ) -> None:
        self._store, self._people, self._catalogue = store, people, catalogue
        self._next_items, self._experiments = next_items, experiments
        self._logs_decisions = config.log_decisions
        self._defaults = make_list(
            DEFAULTS, [_default(*one) for one in enumerate(config.default_items, 1)]
        )

    async def answer(self, request: ListRequest, book: Rulebook, slot: str = "") -> ListAnswer:
        """Returns the list for a request; raises nothing, whatever the store does."""
        served = self._experiments.on_list(slot, request.kind)
        with_profile = book.has_personal_item_rules or served.asks_people
        try:
            person = await self._people.person(
                request.subject, self._addresses(request), with_profile=with_profile
            )
            treatment = NO_TREATMENT
            if served.is_any:
                treatment = served.treatment(person.facts(request.context), person.subject.units)
            if treatment.shown:
                book = book.switched(*treatment.switches)
            return await self.for_person(request, book, person, slot, treatment)
        except StoreUnavailable as error:
            return await self.without_store(request, book, error.why, slot)

    async def for_person(
        self,
        request: ListRequest,
        book: Rulebook,
        person: Person,
        slot: str = "",
        treatment: Treatment = NO_TREATMENT,
    ) -> ListAnswer:
        """Returns the list for a person who was read, with the stored lists as `more` or without.

        `treatment` is what experiments change of it. Raises StoreUnavailable.
        """
        fallback = self._store.fallback
        is_refused = request.kind in PERSONAL_LISTS and not person.may_personalise
        is_popular = treatment.strategy == POPULARITY and request.kind in LIST_KINDS
        record = None
        if request.kind == "next" and not is_refused:
            is_ruled = book.has_item_rules(slot, "next") or request.category
            n = request.n + (MORE if is_ruled else 0)
            record = await self._next_items.record(request, person, n)
        elif not is_refused and not is_popular:
            record = await self._stored(request, person, treatment.model)
        if record is None:
            is_missing = not is_refused and not is_popular and request.kind != "popular"
            if is_missing and fallback is None:
                fallback = "unknown_item" if request.kind == "similar" else "unknown_user"
            record = await self._popular(request, person)
        answer = await self._listed(request, book, person, record, slot)
        if is_refused:
            answer.head = NO_CONSENT
        answer.fallback, answer.may_personalise = fallback, person.may_personalise
        if treatment.shown:
            answer.experiments = treatment.counted_in(slot, request.kind)
            # Nobody reads them but the log, and they cost the lists of all other variants.
            if self._logs_decisions and answer.experiments and request.kind in LIST_KINDS:
                of_makers = await self._of_makers(request, book, person, slot, treatment)
                answer.item_propensities = propensities_in(answer.items, of_makers)
        return answer

    async def _stored(
        self, request: ListRequest, person: Person, model: str | None
    ) -> bytes | None:
        """Returns the stored list of a model; None where there is none."""
        records = person.more or await self._store.get_many(self._addresses(request))
        return records[self._place_of(model, len(records))]

    async def _of_makers(
        self,
        request: ListRequest,
        book: Rulebook,
        person: Person,
        slot: str,
        treatment: Treatment,
    ) -> list[tuple[float, bytes | None]]:
        """Returns the lists of all variants that could have been drawn, and how probable each is.

        None stands for what is answered. So that what other lists would have earned can be told
        from this one (docs/off-policy.md): to go by the variant's propensity alone is to take what
        all variants show for rarer than it is.
        """
        found: list[tuple[float, bytes | None]] = []
        for (model, strategy), share in treatment.makers(slot, request.kind).items():
            if (model, strategy) == (treatment.model, treatment.strategy):
                found.append((share, None))
                continue
            is_popular = strategy == POPULARITY
            record = None if is_popular else await self._stored(request, person, model)
            record = record or await self._popular(request, person)
            found.append((share, (await self._listed(request, book, person, record, slot)).items))
        return found

    def _addresses(self, request: ListRequest) -> list[Address]:
        """Where the list is stored, the champion's first; one of a session is nowhere."""
        if request.kind == "next":
            return []
        if request.kind == "popular":
            return [(POPULAR, GLOBAL)]
        if request.kind == "similar":
            return [(SIMILAR, request.in_view or "")]
        user_id = request.subject.user_id or ""
        addresses = [(f"{LISTS}{request.kind}", user_id)]
        if self._experiments.serves_models:
            addresses.append((f"{CANDIDATE_LISTS}{request.kind}", user_id))
        return addresses

    def _place_of(self, model: str | None, n_records: int) -> int:
        """Which of the stored lists a model's is: the candidate's is the last."""
        if model is None or n_records == 1:
            return 0
        manifest = self._store.manifest
        return -1 if manifest and model in (CANDIDATE, manifest.candidate_version) else 0

    async def without_store(
        self, request: ListRequest, book: Rulebook, why: Fallback, slot: str = ""
    ) -> ListAnswer:
        """Returns what was popular when the store last answered, or the configured items."""
        nobody = Person(request.subject, may_personalise=False)
        record = self._store.last_popular or self._defaults
        answer = await self._listed(request, book, nobody, record, slot)
        answer.fallback = why
        return answer

    async def _popular(self, request: ListRequest, person: Person) -> bytes:
        """Returns the first list there is of the scopes that a person is in."""
        if person.may_personalise and not person.has_profile:
            person = await self._people.person(request.subject)
        country = request.context.get("country") or person.attributes.get("country")
        scopes = popular_scopes([one["segment_id"] for one in person.segments], country)
        records = await self._store.get_many([(POPULAR, scope) for scope in scopes])
        return next((record for record in records if record), None) or self._defaults

    async def _listed(
        self, request: ListRequest, book: Rulebook, person: Person, record: bytes, slot: str
    ) -> ListAnswer:
        excluded = request.own_items.union(person.recent)
        if book.has_item_rules(slot, request.kind) or request.category or request.explain:
            facts = person.facts(request.context)
            rules = active_rules(book.item_rules, facts, slot, request.kind)
            if rules or request.category or request.explain:
                answer = await self._ruled(request, record, Conditions(rules, facts, excluded))
                if request.explain:
                    answer.traces = explain_item_rules(book.item_rules, facts, slot, request.kind)
                return answer
        head, items = split_list(record)
        if excluded:
            items = items_without(items, request.n, set(map(json_text, excluded)))
        elif (n_listed := count_items(items)) >= request.n:
            # As nearly all requests end.
            return ListAnswer(
                head, items if n_listed == request.n else first_items(items, request.n)
            )
        answer = ListAnswer(head, items)
        if answer.n_items < request.n:
            listed = await self._with_popular(items_in(items), excluded)
            answer.items = _ranked(listed[: request.n])
        return answer

    async def _ruled(
        self, request: ListRequest, record: bytes, conditions: Conditions
    ) -> ListAnswer:
        """Returns the list as rules want it, of popular items too where it would be too short."""
        head, items = split_list(record)
        answer = await self._places(request, head, items_in(items), conditions)
        if answer.n_items < request.n:
            listed = await self._with_popular(items_in(items), conditions.excluded)
            answer = await self._places(request, head, listed, conditions)
        return answer

    async def _places(
        self,
        request: ListRequest,
        head: bytes,
        listed: list[dict[str, Any]],
        conditions: Conditions,
    ) -> ListAnswer:
        rules, excluded = conditions.rules, frozenset(conditions.excluded)
        pinned = sorted({item_id for one in rules for item_id in one.rule.pin or ()})
        known = await self._catalogue.items([*(one[ITEM_ID] for one in listed), *pinned])
        if request.category:
            only = request.category
            listed = [one for one in listed if known[one[ITEM_ID]].get(CATEGORY) == only]
            # A rule's pin is no way into another category.
            others = (item_id for item_id in pinned if known[item_id].get(CATEGORY) != only)
            excluded = excluded.union(others)
        ruled = apply_item_rules(
            [known[one[ITEM_ID]] for one in listed],
            rules,
            conditions.facts,
            request.n,
            excluded=excluded,
            catalogue={item_id: known[item_id] for item_id in pinned},
        )
        stored = {one[ITEM_ID]: one for one in listed}
        places = [
            stored.get(place.item[ITEM_ID]) or _pinned(place.item, place.rules)
            for place in ruled.places
        ]
        left_out = [(one.item_id, one.rule, one.why) for one in ruled.left_out]
        return ListAnswer(head, _ranked(places), left_out=left_out)

    async def _with_popular(
        self, listed: list[dict[str, Any]], excluded: Collection[str]
    ) -> list[dict[str, Any]]:
        """Returns a list, and after it the shop's popular items that are not in it."""
        try:
            (popular,) = await self._store.get_many([(POPULAR, GLOBAL)])
        except StoreUnavailable:
            popular = None
        more = items_in(split_list(popular or self._store.last_popular or self._defaults)[1])
        have = {*excluded, *(one[ITEM_ID] for one in listed)}
        return [*listed, *(one for one in more if one[ITEM_ID] not in have)]


def propensities_in(
    items: bytes, of_makers: Sequence[tuple[float, bytes | None]]
) -> Sequence[float]:
    """Returns how probably each place shows the item that it shows; () where nothing was drawn.

    `of_makers` are the inside of each list that could have been shown, None for `items` themselves,
    with its probability.

    >>> a, b = b'{"item_id":"a"}', b'{"item_id":"b"}'
    >>> propensities_in(BETWEEN.join((a, b)), [(0.25, None), (0.75, BETWEEN.join((a, a)))])
    [1.0, 0.25]
    """
    if not of_makers:
        return ()
    own = ids_in(items)
    shares = [0.0] * len(own)
    for share, others in of_makers:
        listed = own if others is None else ids_in(others)
        for place, (one, other) in enumerate(zip(own, listed, strict=False)):
            if one == other:
                shares[place] += share
    # Shares of all variants may add up to a little more than 1.
    return [min(round(share, DECIMALS), 1.0) for share in shares]


def ids_in(items: bytes) -> list[bytes]:
    """Returns the item_ids of the inside of an array of items, as JSON's texts."""
    return ITEM_IDS.findall(items)


def items_in(items: bytes) -> list[dict[str, Any]]:
    """Returns the items of a stored list as JSON's values."""
    listed: list[dict[str, Any]] = orjson.loads(b"[%b]" % items)
    return listed


def _ranked(listed: Sequence[dict[str, Any]]) -> bytes:
    """The inside of an array of these items, ranked from 1."""
    return BETWEEN.join(orjson.dumps({**one, RANK: rank}) for rank, one in enumerate(listed, 1))


def _default(rank: int, item_id: str) -> bytes:
    return orjson.dumps({RANK: rank, ITEM_ID: item_id, "score": 0.0, "reason": "default"})


def _pinned(item: Any, rules: Sequence[str]) -> dict[str, Any]:
    one = {RANK: 0, ITEM_ID: item[ITEM_ID], "score": 0.0, "reason": f"rule:{rules[0]}"}
    return {**one, "title": item["title"]} if item.get("title") else one
