"""Rules and decisions as lines, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from textwrap import indent, shorten
from typing import Any

from sparkperso.cli.rules.person import Person
from sparkperso.config.content.assets import Body
from sparkperso.config.content.rules import Rule
from sparkperso.core.consent import REQUIRED
from sparkperso.decisions.decision import Choice, Decision
from sparkperso.decisions.explain import Trace, in_words
from sparkperso.decisions.items import ListedItems
from sparkperso.decisions.offers import Offer, specificity
from sparkperso.decisions.rulebook import Rulebook

MARKS = {"won": "✓", "applied": "✓", "outranked": "·"}
"""Outcome → its mark; all others: ✗."""
LONGEST_BODY = 2_000
"""Characters of a body that are shown."""


def rulebook_lines(book: Rulebook) -> Iterator[str]:
    """Yields all rules: slot by slot in their order, then those for items."""
    if not book.slots:
        yield "There are no slots in conf/slots"
    for name, slot in book.slots.items():
        yield f"slot {name} ({', '.join(slot.channels)})"
        for one in book.candidates(name):
            yield f"  {_offer_line(one.offer)}"
        yield f"  otherwise: {slot.default or 'what the page has'}"
    if book.item_rules:
        yield "items"
    for changing in book.item_rules:
        rule = changing.rule
        yield f"  {_order(rule.priority, specificity(rule.if_))}  {rule.name}: {_item_line(rule)}"


def lines_of(
    person: Person,
    decision: Decision,
    items: Mapping[str, ListedItems],
    looked_at: Mapping[str, Sequence[Trace]],
    basis: str,
) -> Iterator[str]:
    """Yields a decision: the person, then slot by slot what is shown, and every rule's outcome."""
    yield _person_line(person, decision, basis)
    for name, choice in decision.slots.items():
        yield ""
        yield f"slot {name}: {_shown(choice)}"
        if choice.body is not None:
            yield indent(_text_of(choice.body), "  | ")
        if choice.items is not None:
            yield f"  list: {choice.items.kind}, {choice.items.n} items"
        if name in items:
            yield from _item_lines(items[name])
        traces = (*choice.looked_at, *looked_at.get(name, ()))
        width = max((len(trace.name) for trace in traces), default=0)
        for trace in traces:
            order = _order(trace.priority, trace.specificity)
            words = f"{trace.outcome.replace('_', ' ')}: {trace.why}"
            yield f"  {MARKS.get(trace.outcome, '✗')} {order}  {trace.name:<{width}}  {words}"


def slot_record(
    choice: Choice, listed: ListedItems | None, looked_at: Sequence[Trace], explain: bool
) -> dict[str, Any]:
    """Returns what a slot shows as the API answers it; with `explain` also every rule."""
    names = ("content_id", "format", "body", "language", "rule", "variant", "reason")
    record: dict[str, Any] = {name: getattr(choice, name) for name in names}
    if choice.items is not None:
        record["list"] = choice.items.kind
    if listed is not None:
        record["items"] = [
            {"rank": rank, **place.item, "rules": list(place.rules)}
            for rank, place in enumerate(listed.places, start=1)
        ]
    if explain:
        record["looked_at"] = [asdict(trace) for trace in (*choice.looked_at, *looked_at)]
        record["left_out"] = [asdict(one) for one in listed.left_out] if listed else []
    return record


def _offer_line(offer: Offer) -> str:
    who = in_words(offer.condition) if offer.condition else "everybody"
    shown = offer.content or (f"list {offer.items.kind}" if offer.items else "")
    kind = "" if offer.kind == "rule" else " (by its tags)"
    when = "" if str(offer.window) == "always" else f", {offer.window}"
    order = _order(offer.priority, specificity(offer.condition))
    return f"{order}  {offer.name}{kind}: {shown} for {who}{when}"


def _item_line(rule: Rule) -> str:
    who = f" for {in_words(rule.if_)}" if rule.if_ else ""
    where = ", ".join((*rule.slots, *rule.lists))
    when = "" if str(rule.valid) == "always" else f", {rule.valid}"
    return f"{rule.action}{who}{f' in {where}' if where else ''}{when}"


def _order(priority: int, n_parts: int) -> str:
    return f"{priority:>5} /{n_parts}"


def _person_line(person: Person, decision: Decision, basis: str) -> str:
    if person.user_id is None:
        who = "An unknown visitor"
    else:
        named = [f"{label} ({one})" for one, label in person.segments.items()]
        who = f"User {person.user_id}: {'; '.join(named) or 'in no segment'}"
    if decision.strategy == "no_consent":
        said = "said no to it" if person.decision is False else "no yes, and none is assumed"
        return f"{who}. Not personalised: {said}"
    basis = "nobody need ask in their region" if basis == REQUIRED else basis
    return f"{who}. Personalised: {'agreed' if person.decision else basis}"


def _shown(choice: Choice) -> str:
    what = choice.content_id or (f"list {choice.items.kind}" if choice.items else "nothing")
    variant = f", variant {choice.variant}" if choice.variant else ""
    language = f", language {choice.language}" if choice.language else ""
    why = {
        "rule": f"by rule {choice.rule}",
        "tags": "by its tags",
        "default": "the slot's default",
        "nothing": "no rule holds, and the slot has no default",
        "experiment": "by an experiment",
    }[choice.reason]
    return f"{what} ({why}{variant}{language})"


def _item_lines(listed: ListedItems) -> Iterator[str]:
    for rank, place in enumerate(listed.places, start=1):
        title = shorten(str(place.item.get("title") or ""), 60, placeholder="…")
        by = f"  ({', '.join(place.rules)})" if place.rules else ""
        yield f"  {rank:>4}  {place.item['item_id']}  {title}{by}"
    for one in listed.left_out:
        yield f"  left out: {one.item_id} ({one.rule}: {one.why})"


def _text_of(body: Body) -> str:
    text = str(body).strip()
    return text if len(text) <= LONGEST_BODY else f"{text[:LONGEST_BODY]}…"
