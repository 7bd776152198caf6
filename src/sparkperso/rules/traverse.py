"""Walks through conditions: what is inside them, and what they refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sparkperso.rules.conditions import All, Condition, Either, InSegment, Not


def parts_of(condition: Condition) -> Iterator[Condition]:
    """Yields a condition and all inside it, depth first; references are not followed.

    >>> from sparkperso.rules.conditions import All, InSegment
    >>> condition = All(all=(InSegment(segment="new"), InSegment(segment="loyal")))
    >>> [type(part).__name__ for part in parts_of(condition)]
    ['All', 'InSegment', 'InSegment']
    """
    yield condition
    for inner in inside(condition):
        yield from parts_of(inner)


def inside(condition: Condition) -> tuple[Condition, ...]:
    """Returns the conditions that one directly holds."""
    if isinstance(condition, All):
        return condition.all
    if isinstance(condition, Either):
        return condition.any
    return (condition.not_,) if isinstance(condition, Not) else ()


def rewrite(condition: Condition, change: Callable[[Condition], Condition]) -> Condition:
    """Returns the condition with everything in it that holds no others put through `change`.

    >>> from sparkperso.rules.conditions import InSegment, Not
    >>> inner = Not(**{"not": {"segment": "new"}})
    >>> rewrite(inner, lambda part: InSegment(segment=f"tiers-{part.segment}")).not_.segment
    'tiers-new'
    """
    parts = tuple(rewrite(part, change) for part in inside(condition))
    if isinstance(condition, All):
        return condition.model_copy(update={"all": parts})
    if isinstance(condition, Either):
        return condition.model_copy(update={"any": parts})
    return condition.model_copy(update={"not_": parts[0]}) if parts else change(condition)


def references(condition: Condition) -> list[str]:
    """Returns the segments that a condition names."""
    return [part.segment for part in parts_of(condition) if isinstance(part, InSegment)]


def order_of(rules: Mapping[str, Condition]) -> list[str]:
    """Returns the names of rules so that each comes after those that it refers to; else as given.

    Depth first. Raises ValueError for a name that is none of theirs and for a cycle, which it
    spells out.
    """
    done: dict[str, None] = {}
    for name in rules:
        _visit(name, rules, [], done)
    return list(done)


def _visit(
    name: str, rules: Mapping[str, Condition], path: list[str], done: dict[str, None]
) -> None:
    if name in done:
        return
    if name in path:  # still open, so it is above itself
        cycle = " → ".join([*path[path.index(name) :], name])
        raise ValueError(f"segments refer to each other in a cycle: {cycle}")
    for other in references(rules[name]):
        if other not in rules:
            raise ValueError(f"segment '{name}' refers to '{other}', which is not there")
        _visit(other, rules, [*path, name], done)
    done[name] = None
