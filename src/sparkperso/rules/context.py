"""What a rule may ask of a request, beside its person: the fields of `context:` conditions.

What a caller sends is read by `decisions.request`; here is what conditions compare with.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sparkperso.core.suggest import nearest
from sparkperso.rules import conditions as c
from sparkperso.rules.attributes import NUMBER, TEXT, invalid_attribute, trait_of
from sparkperso.rules.traverse import parts_of

TEXTS = "texts"
RequestContext = Mapping[str, Any]
"""Field → text, tuple of texts, or number; a field that is not known is absent."""

SENT: Mapping[str, str] = {
    "channel": TEXT,
    "device_type": TEXT,
    "os": TEXT,
    "country": TEXT,
    "language": TEXTS,
    "campaign": TEXT,
    "page": TEXT,
    "category": TEXT,
    "in_view": TEXT,
    "cart": TEXTS,
    "recent": TEXTS,
    "n": NUMBER,
}
"""Fields that a request may send → their type. `in_view`, `cart` and `recent` are item ids."""
SIZES = {"cart_size": "cart", "recent_size": "recent"}
"""Fields that count the texts of another."""
CLOCK = ("hour", "weekday")
"""Fields that the time of the request says, in a zone: hours since midnight, `mon` to `sun`."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FIELDS: Mapping[str, str] = {
    **SENT,
    **dict.fromkeys(SIZES, NUMBER),
    "hour": NUMBER,
    "weekday": TEXT,
}
"""All fields that conditions may name → their type."""
PERSONAL = frozenset({"recent", "recent_size"})
"""Fields that tell what somebody did before: without consent no rule may ask for them."""


def value_of(name: str, zone: str | None, context: RequestContext, at: datetime) -> Any:
    """Returns the value of a field for a request at the time `at`; None where it is not known.

    >>> from datetime import timezone
    >>> noon = datetime(2026, 7, 3, 12, 30, tzinfo=timezone.utc)
    >>> value_of("hour", "Europe/Berlin", {}, noon), value_of("weekday", None, {}, noon)
    (14.5, 'fri')
    """
    if name in SIZES:
        return len(context.get(SIZES[name], ()))
    if name not in CLOCK:
        return context.get(name)
    local = at.astimezone(zone_info(zone))
    if name == "weekday":
        return WEEKDAYS[local.weekday()]
    return local.hour + local.minute / 60 + local.second / 3600


@cache
def zone_info(name: str | None) -> ZoneInfo:
    """Returns a zone of the IANA list, UTC for None."""
    return ZoneInfo(name or "UTC")


def is_personal(condition: c.Condition) -> bool:
    """Says whether a condition asks for more than the request: its person, or what they did."""
    return any(
        part.context in PERSONAL
        if isinstance(part, c.Context)
        else not isinstance(part, c.All | c.Either | c.Not)
        for part in parts_of(condition)
    )


def invalid_at_request(condition: c.Condition, own: Collection[str] = ()) -> list[str]:
    """Returns what no request could be asked, one sentence each.

    Unknown fields and columns, texts compared as numbers, and what only the events of a person
    would tell: those are at hand when segments are built, not when a page is. `own` are the
    features of conf/features. Segments are left to whoever knows them.
    """
    faults = []
    for part in parts_of(condition):
        if isinstance(part, c.Context):
            faults += _invalid_context(part)
        elif isinstance(part, c.Attribute):
            name = part.attribute
            faults += (
                [f"'{name}' is of events, {_AS_SEGMENT}"]
                if trait_of(name)
                else invalid_attribute(part, own)
            )
        elif not isinstance(part, c.All | c.Either | c.Not | c.InSegment):
            kind = next(name for name, form in c.CONDITIONS.items() if type(part) is form)
            faults.append(f"'{kind}' is of events, {_AS_SEGMENT}")
    return faults


_AS_SEGMENT = "which no request knows: make a segment of it in conf/segments, and name that"


def _invalid_context(part: c.Context) -> list[str]:
    name, kind = part.context, FIELDS.get(part.context)
    if kind is None:
        near = nearest(name, FIELDS)
        known = f" (did you mean '{near}'?)" if near else f": {', '.join(FIELDS)}"
        return [f"no field '{name}' in a request{known}"]
    faults = []
    if kind == NUMBER and part.is_text:
        faults.append(f"'{name}' is {NUMBER}, and is compared with texts")
    if kind != NUMBER and part.bounds:
        faults.append(f"'{name}' is text, and is compared with numbers")
    if part.zone and name not in CLOCK:
        faults.append(f"'{name}' has no time zone: only {' and '.join(CLOCK)} do")
    return faults
