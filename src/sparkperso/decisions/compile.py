"""A condition as a function, made once: what `rules.evaluate.holds` means, without looking again.

Conditions on events have none: nothing that `rules.context.invalid_at_request` lets through is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkperso.decisions.facts import Facts
from sparkperso.rules import conditions as c
from sparkperso.rules.context import CLOCK, SIZES, value_of
from sparkperso.rules.interval import interval_of

Test = Callable[[Facts], bool]
"""Says whether a condition holds."""
Getter = Callable[[Facts], Any]


def compile_condition(condition: c.Condition) -> Test:
    """Returns whether a condition holds, as a function of facts."""
    if isinstance(condition, c.All):
        return _all([compile_condition(part) for part in condition.all])
    if isinstance(condition, c.Either):
        return _any([compile_condition(part) for part in condition.any])
    if isinstance(condition, c.Not):
        inner = compile_condition(condition.not_)
        return lambda facts: not inner(facts)
    if isinstance(condition, c.InSegment):
        segment = condition.segment
        return lambda facts: segment in facts.segments
    assert isinstance(condition, c.Attribute | c.Context)
    return _value_test(condition, _getter(condition))


def _all(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    # Pairs, not a loop: an iterator costs as much as a test.
    first, rest = tests[0], _all(tests[1:])
    return lambda facts: first(facts) and rest(facts)


def _any(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    first, rest = tests[0], _any(tests[1:])
    return lambda facts: first(facts) or rest(facts)


def _getter(condition: c.Attribute | c.Context) -> Getter:
    if isinstance(condition, c.Attribute):
        attribute = condition.attribute
        return lambda facts: facts.attributes.get(attribute)
    name, zone = condition.context, condition.zone
    if name in CLOCK or name in SIZES:
        return lambda facts: value_of(name, zone, facts.context, facts.at)
    return lambda facts: facts.context.get(name)


def _value_test(condition: c.ValueCondition, get: Getter) -> Test:
    if condition.bounds:
        return _within(condition, get)
    if condition.exists is not None:
        is_wanted = condition.exists
        return lambda facts: (get(facts) not in (None, ())) is is_wanted
    if condition.one_of is not None:
        return _one_of(frozenset(condition.one_of), get, is_wanted=True)
    if condition.none_of is not None:
        return _one_of(frozenset(condition.none_of), get, is_wanted=False)
    assert isinstance(condition, c.Context)
    assert condition.begins_with is not None
    return _begins_with(condition.begins_with, get)


def _one_of(texts: frozenset[str], get: Getter, *, is_wanted: bool) -> Test:
    def test(facts: Facts) -> bool:
        value = get(facts)
        if value is None:
            return not is_wanted
        if isinstance(value, tuple):
            return texts.isdisjoint(value) is not is_wanted
        return (str(value) in texts) is is_wanted

    return test


def _begins_with(starts: tuple[str, ...], get: Getter) -> Test:
    def test(facts: Facts) -> bool:
        value = get(facts)
        if isinstance(value, tuple):
            return any(text.startswith(starts) for text in value)
        return value is not None and str(value).startswith(starts)

    return test


def _within(bounds: c.Comparison, get: Getter) -> Test:
    low, is_low_open, high, is_high_open = interval_of(bounds)

    def test(facts: Facts) -> bool:
        try:
            value = float(get(facts))
        except (TypeError, ValueError):
            return False
        # As Interval.contains, whose call would cost as much as all of this.
        return (value > low if is_low_open else value >= low) and (
            value < high if is_high_open else value <= high
        )

    return test
