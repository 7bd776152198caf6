"""All slots, content and rules as they are asked for every request: compiled once, at load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sparkperso.config.content.assets import Body, BodyKey, Content, Found, places
from sparkperso.config.content.rules import Rule
from sparkperso.config.content.slots import ItemList, ListKind, Slot
from sparkperso.config.content.window import BEGINNING, END
from sparkperso.core.errors import UsageError
from sparkperso.core.suggest import did_you_mean
from sparkperso.decisions.compile import Test, compile_condition
from sparkperso.decisions.offers import Offer, offers_of, specificity
from sparkperso.rules.attributes import attributes_of
from sparkperso.rules.conditions import Condition
from sparkperso.rules.context import is_personal
from sparkperso.rules.traverse import references

Switches = tuple[frozenset[str], frozenset[str]]
"""Rules that are switched on, and off."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An offer that can be asked."""

    offer: Offer
    test: Test | None
    """None where it is for everybody."""
    is_personal: bool
    start: datetime
    end: datetime
    """It is valid from `start` until before `end`."""


@dataclass(frozen=True, slots=True)
class ItemRule:
    """A rule that changes lists of items."""

    rule: Rule
    test: Test | None
    is_personal: bool

    def is_for(self, slot: str, kind: ListKind) -> bool:
        """Says whether it has a say in lists of a kind in a slot; "" is none, of a list alone."""
        slots, lists = self.rule.slots, self.rule.lists
        return (not slots or slot in slots) and (not lists or kind in lists)


class Asset:
    """Content whose bodies are looked up: sanitised, by variant, channel and language."""

    def __init__(self, content: Content, default_language: str) -> None:
        self.name, self._default = content.name, default_language
        self.content = content
        self.variants = tuple(content.variants)
        weights = [one.weight for one in content.variants.values()]
        self.weights = tuple(weight / sum(weights) for weight in weights)
        self._bodies: dict[str | None, dict[BodyKey, Body]] = {
            variant: content.bodies_of(variant) for variant in self.variants or (None,)
        }

    def find(self, variant: str | None, channel: str, languages: Sequence[str]) -> Found | None:
        """Returns the body of a variant for a channel and a reader; None where there is none."""
        bodies = self._bodies[variant]
        for key in places(channel, languages, self._default):
            if key in bodies:
                return Found(*key, bodies[key])
        return None


class Rulebook:
    """What is decided by.

    Takes assets that were checked (`decisions.assets.load_rulebook`): their references lead
    somewhere, their segments are ids.
    """

    def __init__(
        self,
        slots: Mapping[str, Slot],
        contents: Mapping[str, Content],
        rules: Mapping[str, Rule],
        default_language: str = "en",
    ) -> None:
        self.slots = dict(slots)
        self._given = (contents, rules, default_language)
        self._switched: dict[Switches, Rulebook] = {}
        self.assets = {n: Asset(content, default_language) for n, content in contents.items()}
        self._candidates = {
            name: tuple(_candidate(offer) for offer in offers_of(name, rules.values(), contents))
            for name in slots
        }
        self._defaults = {
            slot.name: contents[slot.default].items for slot in slots.values() if slot.default
        }
        self._has_item_rules: dict[tuple[str, ListKind], bool] = {}
        changing = [rule for rule in rules.values() if rule.enabled and rule.action != "show"]
        self.item_rules = tuple(
            ItemRule(
                rule,
                compile_condition(rule.if_) if rule.if_ else None,
                rule.if_ is not None and is_personal(rule.if_),
            )
            for rule in sorted(changing, key=lambda r: (-r.priority, -specificity(r.if_), r.name))
        )

    def switched(self, on: frozenset[str], off: frozenset[str]) -> Rulebook:
        """Returns the book in which some rules count that are not enabled, and others do not.

        Each is made once, and kept. Names of rules that are not there mean nothing.
        """
        if not on and not off:
            return self
        found = self._switched.get((on, off))
        if found is None:
            contents, rules, language = self._given
            changed = {
                name: rule.model_copy(
                    update={"enabled": name in on or (rule.enabled and name not in off)}
                )
                for name, rule in rules.items()
            }
            found = self._switched[on, off] = Rulebook(self.slots, contents, changed, language)
        return found

    def can_show(self, content: str, slot: str, at: datetime) -> bool:
        """Says whether content is there for a slot, and valid at a time."""
        asset = self.assets.get(content)
        return (
            asset is not None and slot in asset.content.slots and asset.content.valid.holds_at(at)
        )

    def items_with(self, content: str) -> ItemList | None:
        """Returns the list that stands with content."""
        return self.assets[content].content.items

    def has_item_rules(self, slot: str, kind: ListKind) -> bool:
        """Says whether any rule for items may have a say in lists of a kind in a slot."""
        found = self._has_item_rules.get((slot, kind))
        if found is None:
            found = any(one.is_for(slot, kind) for one in self.item_rules)
            self._has_item_rules[slot, kind] = found
        return found

    @cached_property
    def has_personal_item_rules(self) -> bool:
        """Says whether any rule for items asks for the person."""
        return any(one.is_personal for one in self.item_rules)

    def slot(self, name: str) -> Slot:
        """Returns a slot; raises UsageError, with the nearest name, where there is none."""
        if name not in self.slots:
            raise UsageError(
                f"A slot is one of {', '.join(self.slots) or 'none: conf/slots is empty'}",
                f"There is no '{name}'",
                did_you_mean(name, self.slots, f"Write conf/slots/{name}.yaml, or name another"),
            )
        return self.slots[name]

    def candidates(self, slot: str) -> tuple[Candidate, ...]:
        """Returns who competes for a slot, in the order in which they are considered."""
        return self._candidates[slot]

    def default_items(self, slot: str) -> ItemList | None:
        """Returns the list of a slot's default content."""
        return self._defaults.get(slot)

    @cached_property
    def attributes(self) -> frozenset[str]:
        """Returns the attributes of people that any rule asks for: what must be at hand."""
        return frozenset().union(*(attributes_of(one) for one in self._conditions))

    @cached_property
    def segments(self) -> frozenset[str]:
        """Returns the ids of the segments that any rule asks for."""
        return frozenset().union(*(references(one) for one in self._conditions))

    @property
    def _conditions(self) -> list[Condition]:
        offers = [one.offer.condition for each in self._candidates.values() for one in each]
        changing = [one.rule.if_ for one in self.item_rules]
        return [condition for condition in (*offers, *changing) if condition is not None]


def _candidate(offer: Offer) -> Candidate:
    condition, window = offer.condition, offer.window
    # A rule and its content that are never valid together are refused before: an empty span.
    start, end = (window.from_, window.until) if window else (END, BEGINNING)
    test = compile_condition(condition) if condition else None
    return Candidate(offer, test, offer.is_personal, start, end)
