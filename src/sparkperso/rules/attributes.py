"""What a rule may ask of a profile, and of which type it is.

>>> from sparkperso.rules.conditions import Attribute
>>> invalid_references(Attribute(attribute="countri", one_of=("DE",)))
["no column 'countri' in a profile (did you mean 'country'?)"]
"""

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
    """Returns the attributes that a condition asks for, those within `all`, `any` and `not` too."""
    return {part.attribute for part in parts_of(condition) if isinstance(part, c.Attribute)}


def compared_traits(condition: c.Condition) -> set[str]:
    """Returns the traits that a condition compares, but for those compared with true and false.

    Those are the ones whose values must be kept in clear: a pseudonym compares with nothing.
    """
    traits = set()
    for part in parts_of(condition):
        if not isinstance(part, c.Attribute) or (trait := trait_of(part.attribute)) is None:
            continue
        texts = (*(part.one_of or ()), *(part.none_of or ()))
        if part.bounds or any(text.lower() not in TRUTHS for text in texts):
            traits.add(trait)
    return traits


def filters_of(condition: c.Condition) -> Iterator[c.EventFilter]:
    """Yields the kinds of events that a condition counts, those of a sequence too."""
    for part in parts_of(condition):
        values = part.sequence if isinstance(part, c.SequenceCondition) else part
        for name in type(values).model_fields:
            value = getattr(values, name)
            if isinstance(value, c.EventFilter):
                yield value


def invalid_references(
    condition: c.Condition,
    event_types: Collection[str] | None = None,
    own: Collection[str] = (),
) -> list[str]:
    """Returns what no person could be asked: unknown columns and types, texts as numbers.

    One sentence each, with the nearest known name. `event_types` are those of the tracking plan;
    None leaves them unchecked. `own` are the features of conf/features.
    """
    faults = []
    for part in parts_of(condition):
        if isinstance(part, c.Attribute):
            faults += invalid_attribute(part, own)
        if isinstance(part, c.Context):
            faults.append(
                f"'{part.context}' is of a request, and segments are of people: ask for it in a "
                "rule of conf/rules"
            )
    if event_types is not None:
        named = {kind for events in filters_of(condition) for kind in events.event_type or ()}
        for kind in sorted(named - set(event_types)):
            faults.append(f"event type '{kind}' is in no tracking plan{_near(kind, event_types)}")
    return faults


def invalid_attribute(part: c.Attribute, own: Collection[str] = ()) -> list[str]:
    """Returns what is wrong with a comparison of an attribute, one sentence; none for a trait."""
    known = {**ATTRIBUTES, **dict.fromkeys(own, NUMBER)}
    name, kind = part.attribute, known.get(part.attribute)
    if trait_of(name):
        return []
    if kind is None:
        return [f"no column '{name}' in a profile{_near(name, known)}"]
    if kind == NUMBER and part.is_text:
        return [f"column '{name}' is {NUMBER}, and is compared with texts"]
    if kind == TEXT and part.bounds:
        return [f"column '{name}' is {TEXT}, and is compared with numbers"]
    return []


def _near(name: str, known: Collection[str]) -> str:
    near = nearest(name, known)
    return f" (did you mean '{near}'?)" if near else f": {', '.join(sorted(known))}"
