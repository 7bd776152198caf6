"""What the records of a source can say, by its kind: the names on the left side of `columns`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from sparkperso.core.suggest import nearest

Kind = Literal["events", "items", "users", "transactions", "decisions", "reads"]
CONSENT = "consent"
ARRIVAL = "received_at"
COLLECTED = "collected"
COLLECTED_FIELDS = ("site", "basis", "purpose", "region", "opted_out")

_CONTEXT = {
    "context.device_type": "kind of device, such as mobile",
    "context.os": "operating system",
    "context.country": "country: a code or a name of ISO 3166",
    "context.region": "part of a country",
    "context.page_url": "address of the page",
    "context.referrer": "address that led to it",
    "context.campaign": "campaign that led to it",
}
_PERSON = {
    "user_id": "identified user",
    "anonymous_id": "device, browser or till, where no user is known",
    "session_id": "session; derived from pauses where none is given",
}
_RECORD = {
    "consent": "condition that is true where the record may be kept",
    "received_at": "when it was taken in; the time of the run where none is given",
    "event_id": "identifier; derived from the record where none is given",
}
_WHEN = (
    "when this record became so; the latest record of a key wins. Else the file's time; "
    "within a file the order says nothing"
)

FIELDS: Final[Mapping[Kind, Mapping[str, str]]] = {
    "events": {
        **_PERSON,
        "timestamp": "when it happened: ISO 8601, or a number since 1970",
        "event_type": "a type of the tracking plan",
        "item_id": "item concerned",
        "value": "amount: what a purchase or refund comes to, a rating",
        "currency": "code of ISO 4217",
        "channel": "web, mobile, email or server",
        "context": "all of context as one object",
        "metadata": "all of metadata as one object",
        **_CONTEXT,
        "schema_version": "version of the event model",
        **_RECORD,
        **{f"collected.{name}": f"what the collector noted: {name}" for name in COLLECTED_FIELDS},
    },
    "transactions": {
        **_PERSON,
        "order_id": "order that the line belongs to",
        "timestamp": "when it was ordered: ISO 8601, or a number since 1970",
        "item_id": "item that was bought",
        "quantity": "how many; 1 where it is not mapped, a refund where below zero",
        "unit_price": "price of one",
        "value": "amount of the line; quantity × unit_price where it is not mapped",
        "currency": "code of ISO 4217",
        "status": "what `statuses` makes a purchase or a refund of",
        "title": "title of the item",
        "category": "category of the item",
        "channel": "web, mobile, email or server",
        **_CONTEXT,
        **_RECORD,
    },
    "items": {
        "item_id": "identifier of the item, as events have it",
        "title": "what it is called",
        "category": "category; brought into the standard form",
        "tags": "array of labels, or a text with commas between them",
        "price": "unit price",
        "updated_at": _WHEN,
    },
    "users": {
        "user_id": "identifier of the user, as events have it",
        "birth_year": "year of birth",
        "country": "country: a code or a name of ISO 3166",
        "consent": "condition that is true where the record may be kept",
        "updated_at": _WHEN,
    },
    "reads": {
        "read_id": "identifier of the read",
        "timestamp": "when it was: ISO 8601, or a number since 1970",
        "reader": "who read: an API key's name, else a pseudonym",
        "reader_kind": "key, service, user or browser",
        "field": "what the person was named by: user_id or anonymous_id",
        "person": "whose profile or segments it were: a pseudonym",
        "route": "what was read, as the route's pattern",
    },
    "decisions": {
        "decision_id": "identifier of the answer, as exposure and click events refer to it",
        "timestamp": "when it was decided: ISO 8601, or a number since 1970",
        "user_id": "whom it was for, with their consent",
        "anonymous_id": "the same, of a browser",
        "kind": "slot, experiments, or a list: new, again, mixed, similar, popular, next",
        "slot": "slot of the page, app or mail",
        "content_id": "content that the slot showed",
        "rule": "rule that chose it",
        "variant": "variant of the content",
        "propensity": "probability of this choice, given what was known: above 0, at most 1",
        "strategy": "what made the list, or the choice",
        "model_version": "model that made the list",
        "store_version": "version of the serving store that was read",
        "fallback": "why it was not what it should be",
        "item_ids": "items of the list, in their order",
        "experiments": "experiment → variant, of those that count what was seen: an object",
        "item_propensities": "per item, the probability that it stands in its place: an array",
    },
}
"""Kind → field → what it means. `metadata.<key>` or `attributes.<key>` come beside them."""

ONE: Final[Mapping[Kind, str]] = {
    "events": "an event",
    "transactions": "a transaction",
    "items": "an item",
    "users": "a user",
    "decisions": "a decision",
    "reads": "a read",
}

FREE: Final[Mapping[Kind, str]] = {
    "events": "metadata",
    "transactions": "metadata",
    "items": "attributes",
    "users": "attributes",
    "decisions": "",
    "reads": "",
}
"""Kind → the group whose keys anybody may choose; "" where there is none."""

MAPPED: Final[Mapping[Kind, tuple[str, ...]]] = {
    "events": (),
    "transactions": ("timestamp",),
    "items": ("item_id",),
    "users": ("user_id",),
    "decisions": ("decision_id", "timestamp", "kind"),
    "reads": ("read_id", "timestamp", "reader", "person"),
}
"""Kind → the fields without which no record of it would be valid."""

METADATA_KEYS: Final[Mapping[str, str]] = {
    "title": "title of the item: fills silver/items where no catalogue says it",
    "category": "category of the item: features, segments, lists, silver/items",
    "unit_price": "price of one: fills silver/items where no catalogue says it",
    "order_id": "order of a purchase: an order counts once, however many lines it has",
    "quantity": "how many of the item; zero or more",
    "feature": "feature of a product that was used: features of users",
    "depth": "of a scroll, how far: 0 to 100 percent",
    "seconds": "of a dwell, how long",
    "traits": "of an identify event, an object of what is known of the person",
    "previous_id": "of an alias event, the identifier before",
    "group_id": "of a group event, the group",
    "purposes": "of a consent event, an object of purpose and true or false",
    "policy_version": "of a consent event, the policy agreed to",
    "method": "of a consent event, how it was given",
    "region": "of a consent event, the region whose law holds",
}
"""Key of metadata that the suite reads → what for; others are kept as they are."""


def is_field(kind: Kind, name: str) -> bool:
    """Says whether a source of a kind may map onto `name`.

    >>> is_field("items", "attributes.stock"), is_field("events", "title")
    (True, False)
    """
    group, _, part = name.partition(".")
    return name in FIELDS[kind] or (group == FREE[kind] and bool(part))


def unknown_field(kind: Kind, name: str) -> str:
    """Returns what is wrong with a name that is no field of a kind, and the nearest that is one."""
    free = FREE[kind]
    keys = METADATA_KEYS if free == "metadata" else ()
    known = {**{key: f"{free}.{key}" for key in keys}, **{one: one for one in FIELDS[kind]}}
    near = nearest(name, known) or nearest(name.partition(".")[2], keys)
    says = (
        f"Did you mean '{known[near]}'?"
        if near
        else f"It has {', '.join(FIELDS[kind])}"
        + (f" and {free}.<key>; {free}.{name} would be one" if free else "")
    )
    return f"'{name}' is no field of {ONE[kind]}. {says}"
