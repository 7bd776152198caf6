"""The words of an event: its fields, its context, the codes of what may be wrong with it."""

from __future__ import annotations

from typing import Final, Literal, get_args

TEXT_FIELDS: Final = (
    "event_id",
    "user_id",
    "anonymous_id",
    "session_id",
    "event_type",
    "channel",
    "item_id",
    "currency",
)
CONTEXT_FIELDS: Final = (
    "device_type",
    "os",
    "country",
    "region",
    "page_url",
    "referrer",
    "campaign",
)
EVENT_FIELDS: Final = (*TEXT_FIELDS, "timestamp", "value", "context", "metadata", "schema_version")

Channel = Literal["web", "mobile", "email", "server"]
CHANNELS: Final = get_args(Channel)

ReasonCode = Literal[
    "missing",
    "malformed",
    "wrong_type",
    "out_of_range",
    "future",
    "too_old",
    "unknown_type",
    "too_large",
]

SCHEMA_VERSION: Final = 1


def is_event_field(name: str) -> bool:
    """Says whether a source may map onto `name`: a field, `context.<part>` or `metadata.<key>`.

    >>> [is_event_field(name) for name in ("user_id", "context.os", "metadata.colour", "colour")]
    [True, True, True, False]
    """
    group, dot, part = name.partition(".")
    if not dot:
        return name in EVENT_FIELDS
    return part in CONTEXT_FIELDS if group == "context" else group == "metadata" and bool(part)
