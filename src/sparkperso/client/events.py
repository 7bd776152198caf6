"""Events as the collector takes them, made whole before they are queued."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from sparkperso.core.errors import UsageError
from sparkperso.core.event import EVENT_FIELDS


def new_event(event_type: str, fields: dict[str, Any]) -> tuple[str, bytes]:
    """Returns an event's id and its JSON. Id and time are set now: sent twice, it counts once.

    Half a character, as careless slices leave it, becomes U+FFFD: no UTF-8 has one.
    `timestamp` may be a datetime with its time zone. Raises UsageError for an event without a
    person, with unknown fields, or with values that JSON does not have.
    """
    known = {name: value for name, value in fields.items() if value is not None}
    unknown = known.keys() - set(EVENT_FIELDS)
    if unknown:
        raise UsageError(
            f"An event has the fields {', '.join(EVENT_FIELDS)}",
            f"Found {', '.join(sorted(unknown))}",
            "Put what is your own into metadata",
        )
    if not (known.get("user_id") or known.get("anonymous_id")):
        raise UsageError("An event should have a user_id or an anonymous_id", "It has neither")
    time = known.pop("timestamp", None) or datetime.now(timezone.utc)
    event = {"event_id": str(uuid4()), **known, "event_type": event_type, "timestamp": _iso(time)}
    return event["event_id"], _json(event)


def _iso(time: Any) -> Any:
    if not isinstance(time, datetime):
        return time
    if time.tzinfo is None:
        raise UsageError("timestamp should have a time zone", f"Found {time!r}")
    return time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _json(event: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
    except (TypeError, ValueError) as error:
        raise UsageError("An event should be made of JSON's values", str(error)) from None
