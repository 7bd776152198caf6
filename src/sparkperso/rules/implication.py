"""What follows from a condition by its form: for rules that nothing can reach.

Both answers are sure where they are yes, and may be no where only arithmetic or knowledge of people
would tell: tests hold them against `rules.evaluate.holds` on random facts.
"""

from __future__ import annotations

from itertools import combinations

from sparkperso.rules import conditions as c
from sparkperso.rules.context import FIELDS, TEXTS
from sparkperso.rules.interval import interval_of
from sparkperso.rules.traverse import inside, parts_of

COMPOUND = (c.All, c.Either, c.Not)


def implies(one: c.Condition, other: c.Condition) -> bool:
    """Says whether `other` surely holds wherever `one` does.

    >>> from sparkperso.rules.conditions import Attribute
    >>> implies(Attribute(attribute="age", above=30), Attribute(attribute="age", at_least=18))
    True
    """
    # What is taken apart first must lose nothing: `all` on the right and `any` on the left do not.
    if isinstance(other, c.All):
        return all(implies(one, part) for part in other.all)
    if isinstance(one, c.Either):
        return all(implies(part, other) for part in one.any)
    if isinstance(one, c.All) and any(implies(part, other) for part in one.all):
        return True
    if isinstance(other, c.Either):
        return any(implies(one, part) for part in other.any)
    if isinstance(other, c.Not):
        return excludes(one, other.not_)
    return _leaf_implies(one, other)


def excludes(one: c.Condition, other: c.Condition) -> bool:
    """Says whether the two surely never hold together."""
    if isinstance(one, c.Not):
        return implies(other, one.not_)
    if isinstance(other, c.Not):
        return implies(one, other.not_)
    for parts, whole in ((one, other), (other, one)):
        if isinstance(parts, c.Either):
            return all(excludes(part, whole) for part in parts.any)
    for parts, whole in ((one, other), (other, one)):
        if isinstance(parts, c.All):
            return any(excludes(part, whole) for part in parts.all)
    return _leaf_excludes(one, other)


def is_impossible(condition: c.Condition) -> bool:
    """Says whether a condition surely never holds.

    >>> from sparkperso.rules.conditions import All, InSegment, Not
    >>> inside = InSegment(segment="new")
    >>> is_impossible(All(all=(inside, Not(**{"not": inside}))))
    True
    """
    if isinstance(condition, c.Either):
        return all(is_impossible(part) for part in condition.any)
    if isinstance(condition, c.All):
        pairs = combinations(condition.all, 2)
        return any(map(is_impossible, condition.all)) or any(excludes(*pair) for pair in pairs)
    return False


Subjects = frozenset[tuple[str, str]]
"""What conditions compare: kind (attribute, context, segment) and name."""


def subjects(condition: c.Condition) -> Subjects:
    """Returns all that a condition compares."""
    return frozenset(
        _subject(part) for part in parts_of(condition) if not isinstance(part, COMPOUND)
    )


def needed_subjects(condition: c.Condition, *, is_negated: bool = False) -> Subjects:
    """Returns what another condition must compare too, to imply this one.

    So most pairs need no comparison: `implies(one, other)` is no unless
    `needed_subjects(other) <= subjects(one)`. Of all parts each is needed, of any no more than all
    have in common; `not` turns them round.
    """
    if isinstance(condition, c.Not):
        return needed_subjects(condition.not_, is_negated=not is_negated)
    if not isinstance(condition, c.All | c.Either):
        return frozenset((_subject(condition),))
    parts = [needed_subjects(part, is_negated=is_negated) for part in inside(condition)]
    is_all = isinstance(condition, c.All) is not is_negated
    return frozenset.union(*parts) if is_all else frozenset.intersection(*parts)


def _subject(leaf: c.Condition) -> tuple[str, str]:
    if isinstance(leaf, c.Attribute):
        return "attribute", leaf.attribute
    if isinstance(leaf, c.Context):
        return "context", leaf.context
    if isinstance(leaf, c.InSegment):
        return "segment", leaf.segment
    return "other", repr(leaf)


def _leaf_implies(one: c.Condition, other: c.Condition) -> bool:
    pair = _of_one_value(one, other)
    if pair is None or one == other:
        return one == other
    have, want = pair
    if want.exists is not None:
        return _has_value(have) is want.exists
    if want.bounds:
        return bool(have.bounds) and interval_of(have).lies_in(interval_of(want))
    return _text_implies(have, want)


def _text_implies(have: c.ValueCondition, want: c.ValueCondition) -> bool:
    if want.none_of is not None:
        return _never_in(have, want.none_of)
    if want.one_of is not None:
        return have.one_of is not None and set(have.one_of) <= set(want.one_of)
    starts = have.one_of or _beginnings(have)
    return bool(starts) and all(text.startswith(_beginnings(want)) for text in starts)


def _leaf_excludes(one: c.Condition, other: c.Condition) -> bool:
    pair = _of_one_value(one, other)
    if pair is None:
        return False
    first, second = pair
    if {_has_value(first), _has_value(second)} == {True, False}:
        return True
    if first.bounds and second.bounds:
        return not interval_of(first).meets(interval_of(second))
    return (second.one_of is not None and _never_in(first, second.one_of)) or (
        first.one_of is not None and _never_in(second, first.one_of)
    )


def _never_in(one: c.ValueCondition, texts: tuple[str, ...]) -> bool:
    """Says whether the value is none of `texts` wherever `one` holds."""
    if one.exists is False:
        return True
    if one.none_of is not None:
        return set(one.none_of) >= set(texts)
    # A cart of several items may hold one of these and one of those.
    is_single = not (isinstance(one, c.Context) and FIELDS.get(one.context) == TEXTS)
    return is_single and one.one_of is not None and set(one.one_of).isdisjoint(texts)


def _has_value(one: c.ValueCondition) -> bool | None:
    """Says whether there is a value where `one` holds; None where there may be either."""
    if one.exists is not None:
        return one.exists
    return None if one.none_of is not None else True


def _beginnings(one: c.ValueCondition) -> tuple[str, ...]:
    return (one.begins_with or ()) if isinstance(one, c.Context) else ()


def _of_one_value(
    one: c.Condition, other: c.Condition
) -> tuple[c.Attribute | c.Context, c.Attribute | c.Context] | None:
    """Returns both where they compare the same value, None otherwise."""
    if isinstance(one, c.Attribute) and isinstance(other, c.Attribute):
        return (one, other) if one.attribute == other.attribute else None
    if isinstance(one, c.Context) and isinstance(other, c.Context):
        is_same = one.context == other.context and (one.zone or "UTC") == (other.zone or "UTC")
        return (one, other) if is_same else None
    return None
