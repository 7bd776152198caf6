"""What a request is shown in each slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from sparkperso.config.content.assets import Body, format_of
from sparkperso.config.content.slots import PERSONAL_LISTS, ItemList, ListKind, Slot
from sparkperso.core.errors import UsageError
from sparkperso.core.hashing import share_of, variant_at
from sparkperso.decisions.explain import Trace, judge
from sparkperso.decisions.facts import Facts
from sparkperso.decisions.offers import specificity
from sparkperso.decisions.rulebook import Asset, Candidate, Rulebook

WEB = "web"
"""The channel of a request that names none."""
POPULAR: Literal["popular"] = "popular"
Reason = Literal["rule", "tags", "default", "nothing", "experiment"]
"""Why it is shown: a rule, or the content's tags, hold; nothing did, and the slot has a default, or
none; an experiment shows it, whatever rules say."""
AS_RULES_SAY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Choice:
    """What one slot shows."""

    slot: str
    reason: Reason
    rule: str | None = None
    """The rule that won; None where none did."""
    content_id: str | None = None
    variant: str | None = None
    """None for content without variants."""
    format: Literal["html", "json"] | None = None
    body: Body | None = None
    language: str | None = None
    """The one of the body that was found; `any`: of every language."""
    items: ItemList | None = None
    """The list that stands in it: kind, and how many."""
    looked_at: tuple[Trace, ...] = ()
    """Every rule of the slot in its order, where an explanation was asked for."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a request is shown."""

    slots: dict[str, Choice]
    """In the order asked for."""
    strategy: Literal["rules", "no_consent"]
    """no_consent: only rules that ask for the request alone had a say."""


def decide(
    book: Rulebook,
    facts: Facts,
    slots: Sequence[str],
    *,
    explain: bool = False,
    shows: Mapping[str, str] = AS_RULES_SAY,
) -> Decision:
    """Returns what each slot shows for these facts; the same for the same facts, always.

    1. The slot's candidates are asked in their total order (`offers.Offer.order`); the first that
       is valid, allowed without the person's consent or with it, and whose condition holds, wins.
    2. Where none does, the slot's default is shown, and nothing where it has none.
    3. `shows` (slot → content) is what an experiment has a slot show, if the content is there now.
    4. A variant of the content is dealt out by the hash of content and unit; the first one where
       there is no unit, or no consent.
    5. Its body is looked for by language and channel (`content.places`).

    Raises UsageError for a slot that is not there, or not in the request's channel.
    """
    channel = facts.context.get("channel", WEB)
    choices = {}
    for name in slots:
        slot = book.slot(name)
        if channel not in slot.channels:
            raise UsageError(
                f"Slot '{name}' is one of the channels {', '.join(slot.channels)}",
                f"The request is of the channel '{channel}'",
                "Name the channel in its context, or the slot's channels in conf/slots",
            )
        candidates = book.candidates(name)
        winner = _first(candidates, facts)
        traces = _traces(candidates, winner, facts) if explain else ()
        choices[name] = _choice(book, slot, winner, facts, traces=traces, shown=shows.get(name))
    return Decision(choices, "rules" if facts.may_personalise else "no_consent")


def _first(candidates: Sequence[Candidate], facts: Facts) -> Candidate | None:
    may_personalise, at = facts.may_personalise, facts.at
    # One loop without a call of its own: with many rules it is the time of a decision.
    for one in candidates:
        if (
            (may_personalise or not one.is_personal)
            and (one.test is None or one.test(facts))
            and one.start <= at < one.end
        ):
            return one
    return None


def _choice(
    book: Rulebook,
    slot: Slot,
    winner: Candidate | None,
    facts: Facts,
    *,
    traces: tuple[Trace, ...],
    shown: str | None,
) -> Choice:
    name: str | None
    if shown is not None and book.can_show(shown, slot.name, facts.at):
        name, rule, items = shown, None, book.items_with(shown)
        reason: Reason = "experiment"
    elif winner is None:
        name, rule, items = slot.default, None, book.default_items(slot.name)
        reason = "default" if name else "nothing"
    else:
        offer = winner.offer
        name, items, reason = offer.content, offer.items, offer.kind
        rule = offer.name if reason == "rule" else None
    items = _list_for(items, slot, facts)
    if name is None:
        return Choice(slot.name, reason, rule, items=items, looked_at=traces)
    asset = book.assets[name]
    variant, channel = _variant(asset, facts), facts.context.get("channel", WEB)
    found = asset.find(variant, channel, facts.context.get("language", ()))
    # Every content of a slot has a body for its channels: the rulebook was checked.
    assert found is not None, (name, variant, channel)
    return Choice(
        slot.name,
        reason,
        rule,
        name,
        variant,
        format_of(found.body),
        found.body,
        found.language,
        items,
        traces,
    )


def _variant(asset: Asset, facts: Facts) -> str | None:
    if not asset.variants:
        return None
    place = None
    if facts.unit is not None and facts.may_personalise:
        place = variant_at(share_of(asset.name, facts.unit), asset.weights)
    return asset.variants[place or 0]


def _list_for(items: ItemList | None, slot: Slot, facts: Facts) -> ItemList | None:
    if items is None:
        return None
    n = min(facts.context.get("n", items.n), slot.max_items)
    return ItemList(kind=allowed_kind(items.kind, facts), n=n)


def allowed_kind(kind: ListKind, facts: Facts) -> ListKind:
    """Returns the kind of list that a person may be shown: of what is popular, without consent."""
    return kind if facts.may_personalise or kind not in PERSONAL_LISTS else POPULAR


def _traces(
    candidates: Sequence[Candidate], winner: Candidate | None, facts: Facts
) -> tuple[Trace, ...]:
    traces = []
    for one in candidates:
        offer = one.offer
        outcome, why = judge(offer.condition, offer.window, facts, is_personal=one.is_personal)
        if outcome is None and one is not winner:
            outcome = "outranked"
            assert winner is not None
            why = f"{why}; {winner.offer.name} goes first"
        traces.append(
            Trace(
                offer.name,
                offer.kind,
                outcome or "won",
                why,
                offer.priority,
                specificity(offer.condition),
            )
        )
    return tuple(traces)
