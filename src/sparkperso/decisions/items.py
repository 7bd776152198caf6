"""Rules for items: what a list may hold, and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparkperso.config.content.rules import ItemFilter
from sparkperso.config.content.slots import ListKind
from sparkperso.core.columns import CATEGORY, ITEM_ID
from sparkperso.decisions.explain import Outcome, Trace, judge
from sparkperso.decisions.facts import Facts
from sparkperso.decisions.offers import specificity
from sparkperso.decisions.rulebook import ItemRule
from sparkperso.rules.interval import interval_of

Item = Mapping[str, Any]
"""item_id; category, tags and price where they are known."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a list."""

    item: Item
    rules: tuple[str, ...] = ()
    """The rules that moved it, in their order."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An item that is not listed, and the rule that says so."""

    item_id: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class ListedItems:
    """A list after its rules."""

    places: tuple[Place, ...]
    left_out: tuple[LeftOut, ...]
    """In the order of the list before."""


def active_rules(
    rules: Sequence[ItemRule], facts: Facts, slot: str, kind: ListKind
) -> tuple[ItemRule, ...]:
    """Returns the rules that count for a list in a slot, in their order."""
    return tuple(
        one
        for one in rules
        if one.is_for(slot, kind)
        and (facts.may_personalise or not one.is_personal)
        and one.rule.valid.holds_at(facts.at)
        and (one.test is None or one.test(facts))
    )


def apply_item_rules(
    items: Sequence[Item],
    rules: Sequence[ItemRule],
    facts: Facts,
    n: int,
    *,
    excluded: Collection[str] = (),
    catalogue: Mapping[str, Item] | None = None,
) -> ListedItems:
    """Returns up to `n` places: the items of a list as the active `rules` want them.

    `items` come in their order, each once. `excluded` are ids that may not be listed whatever a
    rule says: what a request dismissed. `catalogue` (item_id → item) knows pinned items that are
    not in the list. The order of `rules` is that of `active_rules`.

    1. What a rule blocks, or makes available at another time, is left out.
    2. Boosts divide places (1, 2, …): an item moves to where its place divided by all of its
       factors belongs. So a list's scores, which only compare within one model, count for nothing,
       and items that no rule moves keep their order.
    3. Pinned items, in the list or not, take their places; one that is taken leaves the next free
       one, and a place beyond the list its end.
    4. The others fill what is left, but for those that are one too many of their category. Pinned
       items count for it, and stay.
    """
    open_items = [item for item in items if item[ITEM_ID] not in excluded]
    reasons = _Reasons(rules, facts)
    found = [(item, reasons.of(item)) for item in open_items]
    left_out = [LeftOut(item[ITEM_ID], *reason) for item, reason in found if reason]
    rest = _boosted([item for item, reason in found if not reason], rules)
    known = {**(catalogue or {}), **{item[ITEM_ID]: item for item in items}}
    pins = _pins(rules, known, reasons, excluded)
    pinned = {place.item[ITEM_ID] for place in pins.values()}
    rest = [place for place in rest if place.item[ITEM_ID] not in pinned]
    rest, crowded = _within_limits(rest, list(pins.values()), rules)
    return ListedItems(tuple(_merged(rest, pins)[:n]), (*left_out, *crowded))


def explain_item_rules(
    rules: Sequence[ItemRule], facts: Facts, slot: str, kind: ListKind
) -> tuple[Trace, ...]:
    """Returns every rule for items, in its order, and why it does or does not count for a list."""
    traces = []
    for one in rules:
        rule, parts = one.rule, specificity(one.rule.if_)
        if not one.is_for(slot, kind):
            names = ", ".join((*rule.slots, *rule.lists))
            outcome: Outcome | None = "elsewhere"
            why = f"is for {names}"
        else:
            outcome, why = judge(rule.if_, rule.valid, facts, is_personal=one.is_personal)
            why = f"{rule.action}: {why}"
        traces.append(Trace(rule.name, "rule", outcome or "applied", why, rule.priority, parts))
    return tuple(traces)


class _Reasons:
    """Why items are left out: the first rule that says so."""

    def __init__(self, rules: Sequence[ItemRule], facts: Facts) -> None:
        self._closed: list[tuple[Callable[[Item], bool], str, str]] = []
        for one in rules:
            rule = one.rule
            if rule.block is not None:
                self._closed.append((_fits(rule.block), rule.name, "blocked"))
            elif rule.available is not None and not rule.available.during.holds_at(facts.at):
                words = f"available {rule.available.during}"
                self._closed.append((_fits(rule.available), rule.name, words))

    def of(self, item: Item) -> tuple[str, str] | None:
        """Returns rule and words; None for an item that may be listed."""
        return next(((name, why) for fits, name, why in self._closed if fits(item)), None)


def _boosted(items: Sequence[Item], rules: Sequence[ItemRule]) -> list[Place]:
    boosts = [
        (_fits(one.rule.boost), one.rule.boost.by, one.rule.name)
        for one in rules
        if one.rule.boost is not None
    ]
    keyed = []
    for place, item in enumerate(items, start=1):
        moving = [(by, name) for fits, by, name in boosts if fits(item)]
        divisor = 1.0
        for by, _ in moving:
            divisor *= by
        keyed.append((place / divisor, place, Place(item, tuple(name for _, name in moving))))
    return [place for _, _, place in sorted(keyed, key=lambda entry: entry[:2])]


def _pins(
    rules: Sequence[ItemRule],
    known: Mapping[str, Item],
    reasons: _Reasons,
    excluded: Collection[str],
) -> dict[int, Place]:
    """Returns place → pinned item; of several rules for an item the first counts."""
    pins: dict[int, Place] = {}
    taken = set(excluded)
    for one in rules:
        for item_id, wanted in sorted((one.rule.pin or {}).items(), key=lambda pin: pin[1]):
            item = known.get(item_id, {ITEM_ID: item_id})
            if item_id in taken or reasons.of(item):
                continue
            place = wanted
            while place in pins:
                place += 1
            pins[place] = Place(item, (one.rule.name,))
            taken.add(item_id)
    return pins


def _within_limits(
    places: Sequence[Place], pinned: Sequence[Place], rules: Sequence[ItemRule]
) -> tuple[list[Place], list[LeftOut]]:
    limits = [
        (_fits(one.rule.max_per_category), one.rule.max_per_category.n, one.rule.name)
        for one in rules
        if one.rule.max_per_category is not None
    ]
    counts: Counter[tuple[str, str]] = Counter()
    kept, crowded = [], []
    for number, place in enumerate((*pinned, *places)):
        category = str(place.item.get(CATEGORY) or "")
        fitting = [(name, n) for fits, n, name in limits if category and fits(place.item)]
        full = next((name for name, n in fitting if counts[name, category] >= n), None)
        is_pinned = number < len(pinned)
        if full and not is_pinned:
            crowded.append(LeftOut(place.item[ITEM_ID], full, f"enough of category {category}"))
            continue
        counts.update((name, category) for name, _ in fitting)
        kept += [] if is_pinned else [place]
    return kept, crowded


def _merged(rest: Sequence[Place], pins: Mapping[int, Place]) -> list[Place]:
    merged, others = [], iter(rest)
    for place in range(1, len(rest) + len(pins) + 1):
        one = pins.get(place) or next(others, None)
        if one is not None:
            merged.append(one)
    # Those beyond the end of the list, in the order of their places.
    return merged + [pins[place] for place in sorted(pins) if place > len(rest) + len(pins)]


def _fits(wanted: ItemFilter) -> Callable[[Item], bool]:
    """Returns whether an item is one of those that a rule names."""
    tests: list[Callable[[Item], bool]] = []
    if wanted.item_id is not None:
        ids = frozenset(wanted.item_id)
        tests.append(lambda item: item[ITEM_ID] in ids)
    if wanted.category is not None:
        categories = frozenset(wanted.category)
        tests.append(lambda item: item.get(CATEGORY) in categories)
    if wanted.tag is not None:
        tags = frozenset(wanted.tag)
        tests.append(lambda item: not tags.isdisjoint(item.get("tags") or ()))
    if wanted.price is not None:
        prices = interval_of(wanted.price)
        tests.append(
            lambda item: (price := item.get("price")) is not None and prices.contains(price)
        )
    return lambda item: all(test(item) for test in tests)
