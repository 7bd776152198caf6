"""Who competes for a slot, in which order: rules that fill it, and content by its tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sparkperso.config.content.assets import Content
from sparkperso.config.content.rules import Rule
from sparkperso.config.content.slots import ItemList
from sparkperso.config.content.window import Window
from sparkperso.rules import conditions as c
from sparkperso.rules.context import is_personal


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that a slot may show, for whom and when."""

    name: str
    """The rule's, or that of the content whose tags it comes from."""
    kind: Literal["rule", "tags"]
    slot: str
    condition: c.Condition | None
    """For whom; None: for everybody."""
    window: Window | None
    """When both the rule and its content are valid; None: never."""
    priority: int
    content: str | None = None
    items: ItemList | None = None

    @property
    def order(self) -> tuple[int, int, str, str]:
        """Returns what offers are sorted by, the first that holds is shown.

        The highest priority, then the most specific condition, then the name; a rule before
        content of the same name. No two are equal.
        """
        return (-self.priority, -specificity(self.condition), self.name, self.kind)

    @property
    def is_personal(self) -> bool:
        """Says whether it needs its person's consent to personalisation."""
        return self.condition is not None and is_personal(self.condition)


def offers_of(
    slot: str, rules: Iterable[Rule], contents: Mapping[str, Content]
) -> tuple[Offer, ...]:
    """Returns the offers of a slot in the order in which they are considered.

    Rules that are not enabled make none, nor does content without tags.
    """
    offers = [
        _of_rule(rule, contents)
        for rule in rules
        if rule.enabled and rule.show is not None and rule.show.slot == slot
    ]
    for content in contents.values():
        conditions = content.tags.conditions
        if slot in content.slots and conditions:
            whole = conditions[0] if len(conditions) == 1 else c.All(all=conditions)
            offers.append(
                Offer(
                    content.name,
                    "tags",
                    slot,
                    whole,
                    content.valid,
                    content.priority,
                    content.name,
                    content.items,
                )
            )
    return tuple(sorted(offers, key=lambda offer: offer.order))


def _of_rule(rule: Rule, contents: Mapping[str, Content]) -> Offer:
    assert rule.show is not None
    content = contents.get(rule.show.content or "")
    window = rule.valid.within(content.valid) if content else rule.valid
    items = rule.show.items or (content.items if content else None)
    name = content.name if content else None
    return Offer(rule.name, "rule", rule.show.slot, rule.if_, window, rule.priority, name, items)


def specificity(condition: c.Condition | None) -> int:
    """Returns how many parts must hold at least for a condition to hold; 0 for none.

    `all` adds up its parts, `any` is as specific as the least of its own; `not` turns them round.

    >>> from sparkperso.rules.conditions import All, Either, InSegment
    >>> parts = (InSegment(segment="a"), InSegment(segment="b"))
    >>> specificity(All(all=parts)), specificity(Either(any=parts)), specificity(None)
    (2, 1, 0)
    """
    return 0 if condition is None else _n_parts(condition, is_negated=False)


def _n_parts(condition: c.Condition, *, is_negated: bool) -> int:
    if isinstance(condition, c.Not):
        return _n_parts(condition.not_, is_negated=not is_negated)
    if not isinstance(condition, c.All | c.Either):
        return 1
    parts = condition.all if isinstance(condition, c.All) else condition.any
    counts = [_n_parts(part, is_negated=is_negated) for part in parts]
    return sum(counts) if isinstance(condition, c.All) is not is_negated else min(counts)
