"""Why a rule did or did not win, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sparkperso.config.content.window import Window
from sparkperso.decisions.facts import Facts
from sparkperso.rules import conditions as c
from sparkperso.rules.context import value_of
from sparkperso.rules.evaluate import holds
from sparkperso.rules.traverse import references

Outcome = Literal["won", "applied", "outranked", "failed", "closed", "no_consent", "elsewhere"]
"""won: it is shown. applied: a rule for items that counts. outranked: its condition holds, but
another goes first. failed: its condition does not hold. closed: not valid now. no_consent: it asks
for the person, who did not agree to personalisation. elsewhere: it is for other lists."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One rule that was looked at."""

    name: str
    kind: Literal["rule", "tags"]
    outcome: Outcome
    why: str
    """The part of the condition that decided, or what else did."""
    priority: int = 0
    specificity: int = 0


def judge(
    condition: c.Condition | None, window: Window | None, facts: Facts, *, is_personal: bool
) -> tuple[Outcome | None, str]:
    """Returns what keeps a rule from counting, and why; None, and what holds, where nothing does.

    Validity, consent and condition are looked at in this order.
    """
    if window is None or not window.holds_at(facts.at):
        return "closed", f"valid {window or 'never'}; it is {facts.at:%Y-%m-%d %H:%M} UTC"
    if is_personal and not facts.may_personalise:
        return "no_consent", "asks for the person, without consent to personalisation"
    if condition is None:
        return None, "for everybody"
    fault = failure(condition, facts)
    return ("failed", fault) if fault else (None, in_words(condition))


def failure(condition: c.Condition, facts: Facts) -> str | None:
    """Returns the part of a condition that does not hold, with what was found; None if all does.

    Of `all`, the first; of `any`, each. By `rules.evaluate`, so that no explanation can rest on the
    compiled form that it explains.
    """
    if _holds(condition, facts):
        return None
    if isinstance(condition, c.All):
        return next(words for part in condition.all if (words := failure(part, facts)))
    if isinstance(condition, c.Either):
        return "; ".join(str(failure(part, facts)) for part in condition.any)
    found = "it does" if isinstance(condition, c.Not) else _found(condition, facts)
    return f"{in_words(condition)}: {found}"


def in_words(condition: c.Condition) -> str:
    """Returns a condition as text.

    >>> from sparkperso.rules.conditions import Attribute, Not
    >>> in_words(Not(**{"not": Attribute(attribute="age", between=(25, 34))}))
    'not (age between 25 and 34)'
    """
    if isinstance(condition, c.All | c.Either):
        parts, word = (
            (condition.all, " and ") if isinstance(condition, c.All) else (condition.any, " or ")
        )
        texts = [in_words(part) for part in parts]
        return texts[0] if len(texts) == 1 else f"({word.join(texts)})"
    if isinstance(condition, c.Not):
        return f"not ({in_words(condition.not_)})"
    if isinstance(condition, c.InSegment):
        return f"in segment {condition.segment}"
    assert isinstance(condition, c.Attribute | c.Context)
    name = condition.attribute if isinstance(condition, c.Attribute) else condition.context
    zone = f" in {condition.zone}" if isinstance(condition, c.Context) and condition.zone else ""
    return f"{name}{zone} {_comparison(condition)}"


def _comparison(condition: c.ValueCondition) -> str:
    if condition.exists is not None:
        return "is known" if condition.exists else "is not known"
    words = [f"{n.replace('_', ' ')} {', '.join(v)}" for n, v in condition.texts.items()]
    for name, bound in condition.bounds.items():
        value = f"{bound[0]:g} and {bound[1]:g}" if name == "between" else f"{bound:g}"
        words.append(f"{name.replace('_', ' ')} {value}")
    return " and ".join(words)


def _found(condition: c.Condition, facts: Facts) -> str:
    if isinstance(condition, c.InSegment):
        return "not in it"
    if isinstance(condition, c.Attribute):
        return _shown(facts.attributes.get(condition.attribute))
    assert isinstance(condition, c.Context)
    return _shown(value_of(condition.context, condition.zone, facts.context, facts.at))


def _shown(value: Any) -> str:
    if value is None or value == ():
        return "not known"
    text = ", ".join(value) if isinstance(value, tuple) else value
    text = f"{text:g}" if isinstance(text, float) else str(text)
    return f"found {text if len(text) <= 80 else text[:79] + '…'}"


def _holds(condition: c.Condition, facts: Facts) -> bool:
    others: Mapping[str, bool] = {n: n in facts.segments for n in references(condition)}
    return holds(condition, facts.attributes, (), facts.at, others, context=facts.context)
