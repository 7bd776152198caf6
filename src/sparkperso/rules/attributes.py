"""What a rule may ask of a profile, and of which type it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.core.suggest import nearest
from sparkperso.rules import conditions as c
from sparkperso.rules.traverse import parts_of

NUMBER, TEXT = "a number", "text"
TRUTHS = frozenset({"true", "false"})
TRAIT = "traits."
"""Before the name of a trait: the latest value that an identify event gave it, as text."""
AGE = "age"
ATTRIBUTES: Mapping[str, str] = {
    AGE: NUMBER,
    "birth_year": NUMBER,
    "country": TEXT,
    "device_type": TEXT,
    "top_category": TEXT,
    **dict.fromkeys(NUMERIC_FEATURES, NUMBER),
}


def trait_of(attribute: str) -> str | None:
    """Returns the trait that `traits.<name>` names; None for other attributes."""
    return attribute.removeprefix(TRAIT) if attribute.startswith(TRAIT) else None


def attributes_of(condition: c.Condition) -> set[str]:
    """Returns the attributes that a condition asks for."""
    return {part.attribute for part in parts_of(condition) if isinstance(part, c.Attribute)}


def compared_traits(condition: c.Condition) -> set[str]:
    """Returns the traits that a condition compares, but for those compared with true and false."""
    asked = [part for part in parts_of(condition) if isinstance(part, c.Attribute)]
    given = {(part, (*(part.one_of or ()), *(part.none_of or ()))) for part in asked}
    return {
        trait
        for part, texts in given
        if (trait := trait_of(part.attribute))
        and (part.bounds or any(text.lower() not in TRUTHS for text in texts))
    }


def filters_of(condition: c.Condition) -> Iterator[c.EventFilter]:
    """Yields the kinds of events that a condition asks for."""
    for part in parts_of(condition):
        values = part.sequence if isinstance(part, c.SequenceCondition) else part
        for name in type(values).model_fields:
            value = getattr(values, name)
            if isinstance(value, c.EventFilter):
                yield value


def invalid_references(
    condition: c.Condition, event_types: Collection[str] | None = None
) -> list[str]:
    """Returns what no person could be asked: unknown columns and types, texts as numbers.

    `event_types` are those of the tracking plan; None leaves them unchecked.
    """
    found = []
    for part in parts_of(condition):
        if isinstance(part, c.Attribute):
            found += _attribute(part)
    if event_types is not None:
        named = {kind for wanted in filters_of(condition) for kind in wanted.event_type or ()}
        for kind in sorted(named - set(event_types)):
            found.append(f"event type '{kind}' is in no tracking plan{_near(kind, event_types)}")
    return found


def _attribute(part: c.Attribute) -> list[str]:
    name, kind = part.attribute, ATTRIBUTES.get(part.attribute)
    if trait_of(name):
        return []
    if kind is None:
        return [f"no column '{name}' in a profile{_near(name, ATTRIBUTES)}"]
    if kind == NUMBER and part.is_text:
        return [f"column '{name}' is {NUMBER}, and is compared with texts"]
    if kind == TEXT and part.bounds:
        return [f"column '{name}' is {TEXT}, and is compared with numbers"]
    return []


def _near(name: str, known: Collection[str]) -> str:
    near = nearest(name, known)
    return f" (did you mean '{near}'?)" if near else f": {', '.join(sorted(known))}"
