"""Random rules and people to ask them about: for laws that hold whatever they are."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from pydantic import TypeAdapter

from sparkperso.rules.conditions import Condition

AS_OF = datetime(2026, 6, 30, 10, 30, tzinfo=timezone.utc)
CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
TYPES = ("item_view", "purchase", "add_to_cart", "search")
DAYS = (0.5, 1, 3, 7, 30)
MEASURES = ("count", "sum_value", "visits", "days_since_last")


def random_events(chance: random.Random, user: str, n_events: int) -> list[dict[str, Any]]:
    """Returns events of one user in the forty days before AS_OF, some after it."""
    return [_event(chance, user, number) for number in range(n_events)]


def random_rule(chance: random.Random, depth: int = 2) -> Condition:
    """Returns a condition that some people fulfil and some do not, more or less."""
    return CONDITION.validate_python(_rule(chance, depth))


def random_request_rule(chance: random.Random, depth: int = 2) -> Condition:
    """Returns a condition that can be asked of a request: no events in it."""
    return CONDITION.validate_python(_request_rule(chance, depth))


def random_context(chance: random.Random) -> dict[str, Any]:
    """Returns a request's context, as `decisions.read_context` would; any field may be missing."""
    fields = {
        "device_type": chance.choice(("mobile", "desktop")),
        "page": chance.choice(("/", "/sale", "/sale/lamps")),
        "language": chance.choice((("de",), ("de-at", "de"), ("fr",))),
        "cart": tuple(chance.sample("abcd", chance.randrange(1, 4))),
        "in_view": chance.choice("abc"),
        "n": chance.randrange(1, 9),
    }
    return {name: value for name, value in fields.items() if chance.random() < 0.7}


def random_profile(chance: random.Random) -> dict[str, Any]:
    """Returns attributes of a person, any of which may be missing."""
    fields = {
        "age": chance.choice((17, 25, 34, 35)),
        "country": chance.choice(("DE", "FR", "GB")),
        "monetary": chance.choice((0.0, 10.0, 10.5)),
    }
    return {name: value for name, value in fields.items() if chance.random() < 0.7}


def _event(chance: random.Random, user: str, number: int) -> dict[str, Any]:
    # Few moments, so that events coincide, and lie on the borders of windows.
    at = AS_OF - timedelta(minutes=30 * chance.randrange(-4, 2 * 24 * 40))
    kind = chance.choice(TYPES)
    return {
        "event_id": f"{user}-{number}",
        "user_id": user,
        "timestamp": at,
        "event_type": kind,
        "channel": chance.choice(("web", "mobile")),
        "session_id": chance.choice((None, f"s{chance.randrange(6)}")),
        "item_id": chance.choice((None, "a", "b", "c")),
        "value": chance.choice((None, 5.25, 10.0)) if kind == "purchase" else None,
        "context": {"device_type": chance.choice((None, "mobile", "desktop"))},
        "metadata": {"feature": chance.choice(("wishlist", "finder"))} if number % 3 else {},
    }


def _rule(chance: random.Random, depth: int) -> Mapping[str, Any]:
    if depth and chance.random() < 0.6:
        kind = chance.choice(("all", "any", "not"))
        if kind == "not":
            return {"not": _rule(chance, depth - 1)}
        return {kind: [_rule(chance, depth - 1) for _ in range(chance.randrange(1, 4))]}
    return chance.choice((_measured, _measured, _used, _sequence, _attribute))(chance)


def _request_rule(chance: random.Random, depth: int) -> Mapping[str, Any]:
    if depth and chance.random() < 0.6:
        kind = chance.choice(("all", "any", "not"))
        if kind == "not":
            return {"not": _request_rule(chance, depth - 1)}
        return {kind: [_request_rule(chance, depth - 1) for _ in range(chance.randrange(1, 4))]}
    return chance.choice(
        (
            {"segment": chance.choice(("a", "b"))},
            {"attribute": "age", **_bounds(chance, (17, 25, 34, 35))},
            {"attribute": "monetary", **_bounds(chance, (0, 10, 10.5))},
            {"attribute": "country", **_texts(chance, ("DE", "FR", "GB"))},
            {"attribute": "country", "exists": chance.random() < 0.5},
            {"context": "device_type", **_texts(chance, ("mobile", "desktop", "tablet"))},
            {"context": "page", **_texts(chance, ("/", "/sale", "/sale/lamps"))},
            {"context": "page", "begins_with": chance.choice(("/", "/sale", "/sale/l"))},
            {"context": "language", **_texts(chance, ("de", "de-at", "fr"))},
            {"context": "cart", **_texts(chance, "abcd")},
            {"context": "cart", "exists": chance.random() < 0.5},
            {"context": "cart_size", **_bounds(chance, (0, 1, 2, 3))},
            {"context": "n", **_bounds(chance, (1, 4, 8))},
            {"context": "hour", **_bounds(chance, (0, 9, 10.5, 12))},
            {"context": "hour", "zone": "Asia/Tokyo", **_bounds(chance, (0, 9, 19.5, 23))},
            {"context": "weekday", **_texts(chance, ("mon", "tue", "sun"))},
        )
    )


def _bounds(chance: random.Random, values: Sequence[float]) -> dict[str, Any]:
    if chance.random() < 0.3:
        return {"between": sorted(chance.choices(values, k=2))}
    names = chance.sample(("at_least", "at_most", "above", "below"), chance.randrange(1, 3))
    return {name: chance.choice(values) for name in names}


def _texts(chance: random.Random, values: Sequence[str]) -> dict[str, Any]:
    texts = chance.sample(list(values), chance.randrange(1, len(values)))
    return {chance.choice(("one_of", "none_of")): texts}


def _filter(chance: random.Random) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if chance.random() < 0.7:
        fields["event_type"] = chance.sample(TYPES, chance.randrange(1, 3))
    if chance.random() < 0.3:
        fields["channel"] = "mobile"
    if chance.random() < 0.2:
        fields["device_type"] = "mobile"
    if chance.random() < 0.2:
        fields["metadata"] = {"feature": "wishlist"}
    return fields


def _window(chance: random.Random) -> dict[str, Any]:
    return {"within_days": chance.choice(DAYS)} if chance.random() < 0.8 else {}


def _measured(chance: random.Random) -> dict[str, Any]:
    kind = chance.choice(MEASURES)
    most = {"count": 6, "sum_value": 30, "visits": 4, "days_since_last": 20}[kind]
    bound = chance.choice(("at_least", "at_most", "above", "below"))
    value = chance.choice((chance.randrange(most), chance.randrange(most) + 0.5))
    return {kind: _filter(chance), **_window(chance), bound: value}


def _used(chance: random.Random) -> dict[str, Any]:
    return {"uses": ["wishlist", "finder"], **_window(chance), "at_least": chance.choice((1, 2))}


def _sequence(chance: random.Random) -> dict[str, Any]:
    within, happens = chance.choice((0.5, 1, 3)), chance.random() < 0.5
    back = {"in_last_days": chance.choice((7, 30))} if chance.random() < 0.7 else {}
    same = chance.choice((None, "item_id", "session_id"))
    kinds = {"first": _filter(chance), "then": _filter(chance)}
    return {"sequence": {**kinds, "within_days": within, "happens": happens, "same": same, **back}}


def _attribute(chance: random.Random) -> dict[str, Any]:
    return chance.choice(
        (
            {"attribute": "age", "between": [25, 34]},
            {"attribute": "country", "one_of": ["DE", "FR"]},
            {"attribute": "country", "none_of": "DE"},
            {"attribute": "monetary", "above": 10},
            {"attribute": "traits.plan", "one_of": "pro"},
            {"attribute": "traits.score", "at_least": 3},
            {"attribute": "age", "exists": False},
        )
    )
