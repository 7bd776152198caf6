"""Messages of the tracking API (track, page, screen, identify, alias, group) → events.

The names of the commerce events are those of the specification that the Segment and RudderStack
clients follow; docs/tracking-api.md has the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sparkperso.collect.checks import Invalid, shown
from sparkperso.collect.tracking_context import channel_of, context_of

Message = Mapping[str, Any]
Event = dict[str, Any]
NAMES = {
    "Product Viewed": "item_view",
    "Product Clicked": "click",
    "Product Added": "add_to_cart",
    "Product Removed": "remove_from_cart",
    "Order Completed": "purchase",
    "Order Refunded": "refund",
    "Products Searched": "search",
    "Product Reviewed": "rating",
    "Email Opened": "email_open",
    "Email Link Clicked": "email_click",
}
KINDS = {"page": "page_view", "screen": "page_view", "identify": "identify", "alias": "alias"}
SALES = frozenset({"purchase", "refund"})
VALUES = ("value", "revenue", "total", "rating")
NO_WORD = re.compile(r"[^a-z0-9]+")
WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def events_of(message: Any, kind: str | None, received_at: str) -> list[Event]:
    """Returns the events of one message; a sale of several products is one event for each.

    `kind` is the route's; a message of a batch names its own. Raises Invalid.
    """
    if not isinstance(message, dict):
        raise Invalid("a message should be an object")
    kind = kind or message.get("type")
    base = _base(message, received_at, kind)
    if kind == "track":
        return list(_track(message, base))
    if kind not in (*KINDS, "group"):
        raise Invalid(
            f"type should be track, page, screen, identify, alias or group: {shown(kind)}"
        )
    metadata = {**_object(message, "properties"), **_about(kind, message)}
    return [{**base, "event_type": KINDS.get(kind, kind), "metadata": metadata}]


def event_type_of(name: str) -> str:
    """Returns the event type of a track call: a known one, else its name in snake_case."""
    return NAMES.get(name) or NO_WORD.sub("_", WORD_START.sub("_", name).lower()).strip("_")


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
    """Returns when it happened: `timestamp`, else `originalTimestamp` less the clock's error.

    A client's clock is wrong by what its `sentAt` is ahead of the time of arrival.
    """
    if message.get("timestamp") is not None:
        return message["timestamp"]
    original, sent = message.get("originalTimestamp"), message.get("sentAt")
    if original is None:
        return received_at
    try:
        error = _moment(sent) - _moment(received_at)
        return (_moment(original) - error).isoformat()
    except (ValueError, TypeError, OverflowError):
        return original


def _moment(text: Any) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))


def _track(message: Message, base: Event) -> Iterator[Event]:
    name = message.get("event")
    if not isinstance(name, str) or not event_type_of(name):
        raise Invalid("event, the name of what happened, is missing")
    properties = _object(message, "properties")
    kind = event_type_of(name)
    products = properties.pop("products", None)
    event = {**base, "event_type": kind, "metadata": {"event": name, **properties}}
    if kind not in SALES or not isinstance(products, list) or not products:
        yield _with_item(event, properties, kind)
        return
    for place, product in enumerate(products):
        sold = {**properties, **(product if isinstance(product, dict) else {})}
        own = {**event, "metadata": {"event": name, **sold}}
        if "event_id" in own:
            own["event_id"] = f"{own['event_id']}:{place}"
        yield _with_item(own, sold, kind, is_line=True)


def _with_item(event: Event, properties: Message, kind: str, is_line: bool = False) -> Event:
    """Adds the item and a value: of a line, price × quantity, and never its order's total."""
    item = next(
        (properties[k] for k in ("product_id", "sku", "productId") if properties.get(k)), None
    )
    value = None if is_line else next((properties[k] for k in VALUES if k in properties), None)
    if value is None and isinstance(properties.get("price"), int | float):
        value = properties["price"] * _quantity(properties)
    found = {"item_id": item, "value": value, "currency": properties.get("currency")}
    return event | {name: each for name, each in found.items() if each is not None}


def _quantity(properties: Message) -> float:
    quantity = properties.get("quantity", 1)
    return quantity if isinstance(quantity, int | float) else 1


def _about(kind: str, message: Message) -> Event:
    """Returns what the other calls say beside properties."""
    found = {
        "name": message.get("name"),
        "category": message.get("category"),
        "screen": message.get("name") if kind == "screen" else None,
        "traits": _object(message, "traits") or _object(message, "context").get("traits"),
        "previous_id": message.get("previousId"),
        "group_id": message.get("groupId"),
    }
    return {name: value for name, value in found.items() if value not in (None, {}, "")}


def _object(message: Message, name: str) -> dict[str, Any]:
    value = message.get(name) or {}
    if not isinstance(value, dict):
        raise Invalid(f"{name} should be an object")
    return dict(value)
