"""Messages of the tracking API (track, page, screen, identify, alias, group) → events.

docs/tracking-api.md has the table: what becomes what, and where traits lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sparkperso.services.collect.intake.clock import corrected
from sparkperso.services.collect.intake.event_validation import Invalid, shown
from sparkperso.services.collect.intake.sales import SaleLimits, products_of
from sparkperso.services.collect.intake.typed_fields import currency_of, identifier_of, number_of
from sparkperso.services.collect.routes.event_names import event_type_of
from sparkperso.services.collect.routes.tracking_context import channel_of, context_of, part_of

Message = Mapping[str, Any]
Event = dict[str, Any]
KINDS = {
    "page": "page_view",
    "screen": "page_view",
    "identify": "identify",
    "alias": "alias",
    "group": "group",
}
SALES = frozenset({"purchase", "refund"})
ITEMS = ("product_id", "sku", "productId")
VALUES = ("value", "revenue", "total")
OF_RATING = ("rating", *VALUES)


def events_of(
    message: Any, kind: str | None, received_at: str, room: SaleLimits | None = None
) -> list[Event]:
    """Returns the events of one message; a sale of several products is one event for each.

    `kind` is the route's; a message of a batch names its own. `room` is what the sales of the
    request may still take. Raises Invalid for a message of no known type, a track call without a
    name, and an order beyond `room`.

    >>> message = {"userId": "17", "event": "Product Viewed", "properties": {"sku": "A-1"}}
    >>> [event] = events_of(message, "track", "2026-01-01T00:00:00.000000Z")
    >>> event["event_type"], event["item_id"]
    ('item_view', 'A-1')
    """
    if not isinstance(message, dict):
        raise Invalid("a message should be an object")
    kind = kind or message.get("type")
    base = _base(message, received_at, kind)
    if kind == "track":
        return list(_track(message, base, room or SaleLimits()))
    if not isinstance(kind, str) or kind not in KINDS:
        raise Invalid(
            f"type should be track, page, screen, identify, alias or group: {shown(kind)}"
        )
    metadata = {**_object(message, "properties"), **_about(kind, message)}
    return [{**base, "event_type": KINDS[kind], "metadata": metadata}]


def _base(message: Message, received_at: str, kind: Any) -> Event:
    base = {
        "event_id": message.get("messageId"),
        "user_id": message.get("userId"),
        "anonymous_id": message.get("anonymousId"),
        "timestamp": time_of(message, received_at),
        "channel": "mobile" if kind == "screen" else channel_of(message),
        "context": context_of(message),
    }
    return {name: value for name, value in base.items() if value not in (None, "")}


def time_of(message: Message, received_at: str) -> Any:
    """Returns when it happened: `timestamp` or `originalTimestamp` less the clock's error.

    A message that has both went through a server that set `timestamp` right.
    """
    at, original = (message.get(name) or None for name in ("timestamp", "originalTimestamp"))
    if at is not None and original is not None:
        return at
    at = original if at is None else at
    return received_at if at is None else corrected(at, message.get("sentAt"), received_at)


def _track(message: Message, base: Event, room: SaleLimits) -> Iterator[Event]:
    name = message.get("event")
    kind = event_type_of(name) if isinstance(name, str) else ""
    if not kind:
        raise Invalid("event, the name of what happened, is missing")
    properties = _object(message, "properties")
    sold = _sold(properties, (base, name), room) if kind in SALES else []
    event = {**base, "event_type": kind, "metadata": {"event": name, **properties}}
    if not sold:
        yield _with_item(event, properties, kind)
        return
    # Each line has its own product; all of them in each would grow with their square.
    del properties["products"]
    for place, product in enumerate(sold):
        own = {**event, "metadata": {"event": name, **properties, **product}}
        if "event_id" in own:
            # By its place, so that the order sent again gives the same ids.
            own["event_id"] = f"{own['event_id']}:{place}"
        yield _with_line(own, product, properties, is_only=len(sold) == 1)


def _sold(order: Message, beside: Any, room: SaleLimits) -> list[dict[str, Any]]:
    """Returns an order's lines; none when only the order as a whole has a worth.

    `beside` is what they all have of their message, beside the order's properties.
    """
    sent = order.get("products")
    if isinstance(sent, list | dict):
        own = {name: order[name] for name in order if name != "products"}
        room.take(len(sent), (beside, own))
    products = products_of(sent)
    is_priced = len(products) == 1 or any(_price(product) is not None for product in products)
    return products if is_priced or _first(order, VALUES, number_of) is None else []


def _with_item(event: Event, properties: Message, kind: str) -> Event:
    """Adds the item and a value: what the event says it is worth, else price × quantity."""
    value = _first(properties, OF_RATING if kind == "rating" else VALUES, number_of)
    value = _price(properties) if value is None else value
    return _with(event, properties, value)


def _with_line(event: Event, product: Message, order: Message, is_only: bool) -> Event:
    """Adds the item and price × quantity. The order's worth is that of its only line at most."""
    value = _price(product)
    if value is None and is_only:
        value = _first(order, VALUES, number_of)
    return _with(event, {**order, **product}, value)


def _with(event: Event, properties: Message, value: float | None) -> Event:
    fields = {
        "item_id": _first(properties, ITEMS, identifier_of),
        "value": value,
        "currency": currency_of(properties.get("currency")),
    }
    return event | {name: each for name, each in fields.items() if each is not None}


def _first(properties: Message, names: tuple[str, ...], read: Any) -> Any:
    """Returns the first of several properties that fits; the others stay in metadata."""
    values = (read(properties.get(name)) for name in names)
    return next((value for value in values if value is not None), None)


def _price(properties: Message) -> float | None:
    price, quantity = (number_of(properties.get(name)) for name in ("price", "quantity"))
    return None if price is None else number_of(price * (1 if quantity is None else quantity))


def _about(kind: str, message: Message) -> Event:
    """Returns what the other calls say beside properties.

    Traits of identify are the person's, and lie at the top, where rules and profiles read them;
    those of other calls stay together, and pseudonymised as traits (docs/privacy.md).
    """
    traits = _object(message, "traits")
    if kind == "identify":
        return {**part_of(part_of(message, "context"), "traits"), **traits}
    fields = {
        "name": message.get("name"),
        "category": message.get("category"),
        "screen": message.get("name") if kind == "screen" else None,
        "traits": traits,
        "previous_id": message.get("previousId"),
        "group_id": message.get("groupId"),
    }
    return {name: value for name, value in fields.items() if value not in (None, {}, "")}


def _object(message: Message, name: str) -> dict[str, Any]:
    """Returns an object of a message; PHP writes an empty one as an empty list."""
    value = message.get(name) or {}
    if not isinstance(value, dict):
        raise Invalid(f"{name} should be an object")
    return dict(value)
