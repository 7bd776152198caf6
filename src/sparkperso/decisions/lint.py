"""Faults of slots, content and rules that only show when they are held against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from sparkperso.config.content.assets import (
    CONTENT,
    Body,
    BodyKey,
    Content,
    format_of,
    places,
    size_of,
)
from sparkperso.config.content.html import left_out
from sparkperso.config.content.rules import RULES, Rule, Show
from sparkperso.config.content.section import ANY
from sparkperso.config.content.slots import SLOTS, ItemList, Slot
from sparkperso.config.content.window import Window
from sparkperso.core.suggest import nearest
from sparkperso.decisions.offers import Offer, offers_of
from sparkperso.rules.implication import implies, is_impossible, needed_subjects, subjects


@dataclass(frozen=True)
class Finding:
    """Something that was found in a file."""

    text: str
    """File, key and what is wrong."""
    is_fault: bool = True
    """False for what may be meant."""
    missing: str = ""
    """`<kind>/<name>` of the file that it misses, if that is what it says."""
    content: str = ""
    """The content whose own fault it is: without it all others were as they are."""


Places = Mapping[str, str]
"""Name of content that is in no file of conf/content → where it stands, as findings say it."""


def findings(
    slots: Mapping[str, Slot],
    contents: Mapping[str, Content],
    rules: Mapping[str, Rule],
    default_language: str,
    *,
    at: datetime,
    places: Places = MappingProxyType({}),
) -> list[Finding]:
    """Returns all that is wrong, or looks so, as of the time `at`.

    Linear in files, but for the offers of one slot, which are compared with each other.
    """
    lint = _Lint(slots, contents, rules, default_language, at=at, places=places)
    found: list[Finding] = []
    for slot in slots.values():
        found += lint.slot(slot)
    for content in contents.values():
        found += [replace(one, content=content.name) for one in lint.content(content)]
    for rule in rules.values():
        found += lint.rule(rule)
    for name in slots:
        found += unreachable(offers_of(name, rules.values(), contents), places)
    return found


def content_place(name: str, places: Places) -> str:
    """Returns where content stands, as findings begin."""
    return places.get(name) or f"conf/{CONTENT}/{name}.yaml"


def unreachable(
    offers: tuple[Offer, ...], places: Places = MappingProxyType({})
) -> Iterator[Finding]:
    """Yields what can never be shown, of the offers of a slot in their order.

    An offer is out of reach where one before it holds whenever it does: for whoever it is for, at
    all times at which it is valid, and with or without consent. Conditions are compared by their
    form (`rules.implication`), so what is said is sure, and more may be out of reach.
    """
    reaches: list[_Reach] = []
    for offer in offers:
        place = _place_of(offer, places)
        own = (offer.content or "") if offer.kind == "tags" else ""
        reach = _Reach(offer)
        if offer.condition is not None and is_impossible(offer.condition):
            text = f"{place}: the condition can never hold, it contradicts itself"
            yield Finding(text, content=own)
        elif shadow := next((one.offer for one in reaches if one.hides(reach)), None):
            yield Finding(
                f"{place}: is never reached in slot {offer.slot}: {_place_of(shadow, places)} goes "
                f"first (priority {shadow.priority}) and holds whenever it does",
                content=own,
            )
        reaches.append(reach)


class _Reach:
    """Whom and when an offer reaches; each is compared with all before it, so all is at hand."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self._is_personal = offer.is_personal
        condition = offer.condition
        self._subjects = subjects(condition) if condition else frozenset()
        self._needed = needed_subjects(condition) if condition else frozenset()

    def hides(self, other: _Reach) -> bool:
        """Says whether this offer, which goes before the other, surely holds whenever it does."""
        # Without consent a personal offer is not asked, and one that is not may be reached.
        if self._is_personal and not other._is_personal:
            return False
        if not self._needed <= other._subjects:
            return False
        one, later = self.offer, other.offer
        if one.window is None or later.window is None or not one.window.covers(later.window):
            return False
        if one.condition is None:
            return True
        return later.condition is not None and implies(later.condition, one.condition)


def _place_of(offer: Offer, places: Places) -> str:
    if offer.kind == "rule":
        return f"conf/{RULES}/{offer.name}.yaml, if"
    return f"{content_place(offer.name, places)}, tags"


class _Lint:
    def __init__(
        self,
        slots: Mapping[str, Slot],
        contents: Mapping[str, Content],
        rules: Mapping[str, Rule],
        default_language: str,
        *,
        at: datetime,
        places: Places,
    ) -> None:
        self._slots, self._contents, self._rules = slots, contents, rules
        self._language, self._at, self._places = default_language, at, places
        self._shown = {slot.default for slot in slots.values()}
        self._shown |= {rule.show.content for rule in rules.values() if rule.show}

    def slot(self, slot: Slot) -> Iterator[Finding]:
        """Yields what is wrong with a slot's default."""
        place = f"conf/{SLOTS}/{slot.name}.yaml, default"
        if slot.default is None:
            return
        yield from self._content_in(slot.default, slot.name, place)
        content = self._contents.get(slot.default)
        if content is not None and content.valid != Window():
            yield Finding(f"{place}: '{slot.default}' is not valid at all times: nothing would be")

    def content(self, content: Content) -> Iterator[Finding]:
        """Yields what is wrong with content in its slots, and what is left out of its HTML."""
        place = content_place(content.name, self._places)
        for name in content.slots:
            if name not in self._slots:
                yield _unknown(SLOTS, name, self._slots, f"{place}, slots")
            else:
                yield from self._fits(content, self._slots[name], place)
        if content.valid.until <= self._at:
            yield Finding(f"{place}, valid: it ended, {content.valid}", is_fault=False)
        if content.name not in self._shown and not content.tags.conditions:
            yield Finding(f"{place}: no rule, tag or slot shows it", is_fault=False)
        if not content.trusted:
            for key, html in content.written.items():
                if parts := left_out(html):
                    words = f"{place}, {key}: left out by sanitising: {', '.join(parts)}"
                    yield Finding(words, is_fault=False)

    def rule(self, rule: Rule) -> Iterator[Finding]:
        """Yields what is wrong with what a rule names."""
        place = f"conf/{RULES}/{rule.name}.yaml"
        for name in rule.slots:
            if name not in self._slots:
                yield _unknown(SLOTS, name, self._slots, f"{place}, slots")
        if rule.valid.until <= self._at:
            yield Finding(f"{place}, valid: it ended, {rule.valid}", is_fault=False)
        if rule.if_ is not None and rule.show is None and is_impossible(rule.if_):
            yield Finding(f"{place}, if: the condition can never hold, it contradicts itself")
        if rule.show is not None:
            yield from self._show(rule, rule.show, f"{place}, show")

    def _show(self, rule: Rule, show: Show, place: str) -> Iterator[Finding]:
        if show.slot not in self._slots:
            yield _unknown(SLOTS, show.slot, self._slots, f"{place}.slot")
        elif show.items is not None:
            yield from _list_in(show.items, self._slots[show.slot], f"{place}.items")
        if show.content is not None:
            yield from self._content_in(show.content, show.slot, f"{place}.content")
            content = self._contents.get(show.content)
            if content is not None and rule.valid.within(content.valid) is None:
                yield Finding(
                    f"{place}.content: the rule is valid {rule.valid}, '{content.name}' "
                    f"{content.valid}: never both"
                )

    def _content_in(self, name: str, slot: str, place: str) -> Iterator[Finding]:
        content = self._contents.get(name)
        if content is None:
            yield _unknown(CONTENT, name, self._contents, place)
        elif slot in self._slots and slot not in content.slots:
            yield Finding(
                f"{place}: '{name}' is for {', '.join(content.slots)}, not for slot '{slot}'"
            )

    def _fits(self, content: Content, slot: Slot, place: str) -> Iterator[Finding]:
        if content.items is not None:
            yield from _list_in(content.items, slot, f"{place}, items")
        for variant in content.variants or (None,):
            bodies = content.bodies_of(variant)
            key = f"{place}, variants.{variant}.bodies" if variant else f"{place}, bodies"
            for channel in slot.channels:
                if not any(one in bodies for one in places(channel, (), self._language)):
                    yield Finding(
                        f"{key}: none for channel {channel} of slot {slot.name} in '"
                        f"{self._language}' (serving.default_language) or 'any' language"
                    )
            yield from _body_faults(bodies, slot, key)


def _body_faults(bodies: Mapping[BodyKey, Body], slot: Slot, key: str) -> Iterator[Finding]:
    for (of_channel, language), body in bodies.items():
        if of_channel not in (*slot.channels, ANY):
            continue
        place = f"{key}.{of_channel}.{language}: slot {slot.name} takes"
        if format_of(body) != slot.format:
            yield Finding(f"{place} {slot.format}, and it is {format_of(body)}")
        if size_of(body) > slot.max_bytes:
            yield Finding(f"{place} {slot.max_bytes:,} bytes, and it has {size_of(body):,}")


def _list_in(items: ItemList, slot: Slot, place: str) -> Iterator[Finding]:
    if slot.max_items == 0:
        yield Finding(f"{place}: slot {slot.name} takes no list: its max_items is 0")
    elif items.n > slot.max_items:
        yield Finding(f"{place}.n: slot {slot.name} takes {slot.max_items} items, found {items.n}")


def _unknown(kind: str, name: str, known: Mapping[str, object], place: str) -> Finding:
    near = nearest(name, known)
    hint = f"did you mean '{near}'?" if near else f"there are {', '.join(known) or 'none'}"
    return Finding(f"{place}: no '{name}' in conf/{kind} ({hint})", missing=f"{kind}/{name}")
