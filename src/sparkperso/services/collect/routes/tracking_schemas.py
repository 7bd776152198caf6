"""JSON schemas of the tracking API's messages and answers, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def bodies(kinds: Mapping[str, tuple[str, ...]], batches: tuple[str, ...]) -> dict[str, Schema]:
    """Returns path → schema of its body, for the paths of each kind of call and of batches."""
    of_kinds = {path: _ref(kind.title()) for kind, paths in kinds.items() for path in paths}
    return of_kinds | dict.fromkeys(batches, _ref("MessageBatch"))


NAME: Schema = {
    "type": ["string", "integer", "null"],
    "maxLength": 512,
    "description": "Printable text, or a whole number",
}
OBJECT: Schema = {
    "description": "An object; an empty list stands for an empty one, as PHP writes it",
    "anyOf": [{"type": ["object", "null"]}, {"type": "array", "maxItems": 0}],
}
TIME: Schema = {"type": ["string", "number", "null"], "description": "As an event's timestamp"}
COMMON: Schema = {
    "messageId": NAME | {"description": "Becomes the event's id: what is sent twice counts once"},
    "userId": NAME,
    "anonymousId": NAME | {"description": "Needed where there is no userId and no cookie"},
    "timestamp": TIME,
    "originalTimestamp": TIME,
    "sentAt": TIME | {"description": "When the client sent, by its own clock, which it sets right"},
    "channel": {"description": "web, mobile, email or server; else the site's"},
    "context": {"description": "device.type, os.name, location, page, campaign.name are kept"},
    "writeKey": {"type": "string"},
}
PRODUCTS: Schema = {
    "description": "Of an order: objects of product_id or sku, price, quantity; or ids",
}
OWN: dict[str, tuple[Schema, tuple[str, ...]]] = {
    "track": (
        {
            "event": {"type": "string", "minLength": 1, "description": "What happened"},
            "properties": OBJECT | {"properties": {"products": PRODUCTS}},
        },
        ("event",),
    ),
    "page": ({"name": {}, "category": {}, "properties": OBJECT, "traits": OBJECT}, ()),
    "screen": ({"name": {}, "category": {}, "properties": OBJECT, "traits": OBJECT}, ()),
    "identify": ({"traits": OBJECT, "properties": OBJECT}, ()),
    "alias": ({"previousId": NAME, "traits": OBJECT, "properties": OBJECT}, ("previousId",)),
    "group": ({"groupId": NAME, "traits": OBJECT, "properties": OBJECT}, ("groupId",)),
}
"""Call → what it has beside COMMON, and what of it the default tracking plan needs."""


def schemas() -> dict[str, Schema]:
    """Returns the schemas by their names, as the document's components hold them."""
    messages = {
        kind.title(): {
            "type": "object",
            "required": list(required),
            "properties": {"type": {"const": kind}, **COMMON, **own},
        }
        for kind, (own, required) in OWN.items()
    }
    typed = [
        {**message, "required": ["type", *message["required"]]} for message in messages.values()
    ]
    batch = {
        "type": "object",
        "required": ["batch"],
        "properties": {
            "batch": {"type": "array", "minItems": 1, "items": {"oneOf": typed}},
            **{name: COMMON[name] for name in ("sentAt", "context", "writeKey")},
        },
    }
    return {**messages, "MessageBatch": batch, "Result": _result(), "Results": _results()}


def _result() -> Schema:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"enum": ["accepted", "refused", "invalid"]},
            "event_id": text,
            "warning": text
            | {"description": "Of an accepted event: why ingest will keep it in quarantine"},
            "reason": text,
            "purpose": text | {"description": "What its person did not agree to"},
            "problem": text,
            "events": {"type": "array", "items": _ref("Result")}
            | {"description": "Of an order, one per product"},
        },
    }


def _results() -> Schema:
    count = {"type": "integer", "minimum": 0}
    return {
        "type": "object",
        "required": ["accepted", "refused", "invalid", "results"],
        "properties": {
            "success": {"const": True},
            **dict.fromkeys(("accepted", "refused", "invalid"), count),
            "results": {"type": "array", "items": _ref("Result")}
            | {"description": "One per event or message, in the order in which they were sent"},
        },
    }
