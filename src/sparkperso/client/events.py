"""Events as the collector takes them, made whole before they are queued."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from sparkperso.core.errors import UsageError
from sparkperso.core.event import EVENT_FIELDS


def new_event(event_type: str, fields: dict[str, Any]) -> tuple[str, bytes]:
    """Returns an event's id and its JSON in UTF-8.

    Id and time are set now: sent twice, it counts once. Half a character, as careless slices leave
    it, becomes U+FFFD: no UTF-8 has one. `timestamp` may be a datetime with its time zone. Raises
    UsageError for an event without a person, with unknown fields, with a datetime without a zone,
    or with values that JSON does not have.
    """
    present = {name: value for name, value in fields.items() if value is not None}
    unknown = present.keys() - set(EVENT_FIELDS)
    if unknown:
        raise UsageError(
            f"An event has the fields {', '.join(EVENT_FIELDS)}",
            f"Found {', '.join(sorted(unknown))}",
            "Put what is your own into metadata",
        )
    if not (present.get("user_id") or present.get("anonymous_id")):
        raise UsageError("An event should have a user_id or an anonymous_id", "It has neither")
    time = present.pop("timestamp", None) or datetime.now(timezone.utc)
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise UsageError("timestamp should have a time zone", f"Found {time!r}")
        time = time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    event = {"event_id": str(uuid4()), **present, "event_type": event_type, "timestamp": time}
    try:
        text = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        # Through UTF-16, where two halves of a character meet and a single one is replaced.
        line = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
    except (TypeError, ValueError) as error:
        raise UsageError("An event should be made of JSON's values", str(error)) from None
    return event["event_id"], line
