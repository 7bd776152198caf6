"""What one person's mail needs, decided before anything is read: what slots show, which lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sparkperso.config.content.slots import ItemList, ListKind
from sparkperso.config.mail.section import MailConfig
from sparkperso.config.mail.template import ItemFact
from sparkperso.core.event import Channel
from sparkperso.decisions.decision import Decision, allowed_kind, decide
from sparkperso.decisions.facts import Facts
from sparkperso.decisions.items import Item, active_rules, apply_item_rules
from sparkperso.decisions.rulebook import ItemRule, Rulebook
from sparkperso.mail.message import MailError
from sparkperso.mail.templates import MailTemplate
from sparkperso.mail.variables import MailItem, mail_item

EMAIL: Channel = "email"
SPARE = 50
"""Items of a list that are read beyond its places: rules leave some out, others lack a title."""


@dataclass(frozen=True)
class PlannedList:
    """A list of a mail: of a slot, or its own."""

    name: str
    is_of_slot: bool
    items: ItemList
    needs: tuple[ItemFact, ...]
    at_least: int
    rules: tuple[ItemRule, ...]


@dataclass(frozen=True)
class MailPlan:
    """A mail of one person, with all that is decided about it, and nothing that is read."""

    template: MailTemplate
    facts: Facts
    decision: Decision
    lists: tuple[PlannedList, ...]

    @property
    def wanted(self) -> dict[ListKind, int]:
        """Returns kind of list → how many items of it to read, at most."""
        wanted: Counter[ListKind] = Counter()
        for one in self.lists:
            wanted[one.items.kind] += one.items.n
        return {kind: n + SPARE for kind, n in wanted.items()}

    @property
    def pinned(self) -> frozenset[str]:
        """Returns the items that rules pin: they may stand in no list that is read."""
        return frozenset(
            item_id for one in self.lists for rule in one.rules for item_id in rule.rule.pin or ()
        )


def plan_mail(book: Rulebook, template: MailTemplate, facts: Facts) -> MailPlan:
    """Returns what a mail shows a person, and what of it is to be read.

    The request's channel is e-mail, whatever it says. Raises UsageError for a slot that is not
    there, or has no e-mail.
    """
    facts = replace(facts, context={**facts.context, "channel": EMAIL})
    form = template.form
    decision = decide(book, facts, form.slots)

    def planned(
        name: str, items: ItemList, needs: tuple[ItemFact, ...], at_least: int, *, is_of_slot: bool
    ) -> PlannedList:
        rules = active_rules(book.item_rules, facts, name, items.kind)
        return PlannedList(name, is_of_slot, items, needs, at_least, rules)

    lists = [
        planned(name, choice.items, ("title",), 0, is_of_slot=True)
        for name, choice in decision.slots.items()
        if choice.items
    ]
    for name, one in form.lists.items():
        items = ItemList(kind=allowed_kind(one.kind, facts), n=one.n)
        lists.append(planned(name, items, one.needs, one.at_least, is_of_slot=False))
    return MailPlan(template, facts, decision, tuple(lists))


def key_of_slot(name: str) -> str:
    """Returns the name of a slot's list; none of a mail's own is called so, having no colon."""
    return f"slot:{name}"


def filled_lists(
    plan: MailPlan,
    lists: Mapping[ListKind, Sequence[Item]],
    catalogue: Mapping[str, Item],
    config: MailConfig,
) -> dict[str, tuple[MailItem, ...]]:
    """Returns name → items of each list, ranked from 1; a slot's is named by `key_of_slot`.

    No item stands in two lists: those of slots go first. What is in cart or view is in none. Raises
    MailError for a list that has fewer items than it should.
    """
    context = plan.facts.context
    shown = {*context.get("cart", ()), context.get("in_view", "")}
    filled = {}
    for one in plan.lists:
        # Before the rules, which count places: an item without a title takes none.
        usable = [
            item
            for item in lists.get(one.items.kind, ())
            if mail_item(item, 1, config, one.needs) is not None
        ]
        listed = apply_item_rules(
            usable, one.rules, plan.facts, one.items.n, excluded=shown, catalogue=catalogue
        )
        # A pinned item is the catalogue's, and may lack what the list needs.
        made = [mail_item(place.item, 1, config, one.needs) for place in listed.places]
        kept = [item for item in made if item is not None]
        items = tuple(replace(item, rank=rank) for rank, item in enumerate(kept, start=1))
        if len(items) < one.at_least:
            found = f"it should have {one.at_least} items at least, and has {len(items)}"
            raise MailError("too_few_items", f"The list '{one.name}': {found}")
        shown |= {item.item_id for item in items}
        filled[key_of_slot(one.name) if one.is_of_slot else one.name] = items
    return filled
