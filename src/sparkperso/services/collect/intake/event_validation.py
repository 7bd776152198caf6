"""What an event must be before anything is done with it: the four fields, their types and sizes.

1. Its size, as JSON.
2. Its fields: known ones; who did what as text, when as a time.
3. What does not fit a field that only decorates an event goes to metadata (`typed_fields`).
4. Its metadata and context: finite numbers, bounded in depth and in the number of values.

Values that only a tracking plan can judge are left to ingest, whose quarantine can be replayed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from heapq import nsmallest
from typing import Any

import orjson

from sparkperso.config.collect import LimitsConfig
from sparkperso.core.consent import PURPOSES
from sparkperso.core.event import EVENT_FIELDS
from sparkperso.core.times import iso, read_time
from sparkperso.services.collect.intake.typed_fields import (
    MAX_TEXT,
    READERS,
    identifier_of,
    with_rest,
)

KNOWN = frozenset(EVENT_FIELDS)
NAMED = ("event_id", "user_id", "anonymous_id", "event_type")
"""Who did what: an event in which one of these is no text is invalid."""
PARTS = ("metadata", "context")
RECORDING = "session_recording"
CONSENT_FIELDS = frozenset((*NAMED, "timestamp", "channel", "schema_version"))
CONSENT_METADATA = ("policy_version", "region", "method", "decided_at")
CONSENT_CONTEXT = ("country", "region")
MAX_SHORT = 64
"""Characters of what a decision says of its policy, region and way."""
MAX_TIME = 128
"""Characters of a time: a request's `sent_at` is read for each of its events."""
FIRST, LAST = "1970", "2200"
PLAIN = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d+))?[Zz]", re.ASCII)


class Invalid(Exception):
    """An event that is not taken; the text says what was expected and what was found.

    It goes into the result of that event alone: the others of its batch are taken.
    """


def check_size(raw: Any, limits: LimitsConfig) -> bytes:
    """Returns an event as JSON (bytes); raises Invalid for too long or too deeply nested a one.

    It comes before all else, since it costs least.
    """
    is_recording = isinstance(raw, dict) and type_of(raw) == RECORDING
    try:
        data = orjson.dumps(raw)
    except TypeError as error:
        raise Invalid(f"an event should be JSON that is not nested too deeply: {error}") from None
    check_length(data, is_recording, limits)
    return data


def check_length(data: bytes, is_recording: bool, limits: LimitsConfig) -> None:
    """Raises Invalid for an event whose JSON has more bytes than its type may have."""
    most = limits.max_recording_bytes if is_recording else limits.max_event_bytes
    if len(data) > most:
        raise Invalid(f"an event of this type should have {most} bytes at most: {len(data)}")


def check_event(raw: Any, limits: LimitsConfig) -> dict[str, Any]:
    """Returns the event with times and identifiers in one form; raises Invalid with the reason.

    The steps are those of the module. Fields that are null count as absent.
    """
    if not isinstance(raw, dict):
        raise Invalid(f"an event should be an object, not {_kind(raw)}")
    if not raw.keys() <= KNOWN:
        strange = nsmallest(3, raw.keys() - KNOWN)
        raise Invalid(f"unknown fields {shown(strange)}: what is your own belongs into metadata")
    # Many clients send null for what they do not have.
    event = {name: value for name, value in raw.items() if value is not None}
    if "event_type" not in event:
        raise Invalid("event_type is missing")
    event["event_type"] = type_of(event)
    for name in NAMED:
        if name in event:
            event[name] = _text(name, event[name])
    event["timestamp"] = time_of(event.get("timestamp"))
    for name in PARTS:
        event[name] = _part(event, name)
    _fit(event)
    # One bound for both parts together.
    room = limits.max_values
    for name in PARTS:
        room = check_tree(event[name], name, limits.max_depth, room)
    return event


def type_of(raw: Mapping[str, Any]) -> Any:
    """Returns an event's type as ingest spells it: consent, purpose and personal fields go by it.

    Otherwise a ` Consent ` would be no decision here, and one in the lake. What is no text comes
    back as it was sent.
    """
    kind = raw.get("event_type")
    return kind.strip(" ").lower() if isinstance(kind, str) else kind


def _part(event: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns metadata or context; PHP writes an empty object as an empty list."""
    part = event.get(name) or {}
    if not isinstance(part, dict):
        raise Invalid(f"{name} should be an object, not {_kind(part)}")
    return part


def _fit(event: dict[str, Any]) -> None:
    """Leaves in the typed fields what fits them, and puts the rest into metadata."""
    for name, read in READERS.items():
        if name in event:
            fitting = read(event[name])
            if fitting is None:
                event["metadata"] = with_rest(event["metadata"], name, event.pop(name))
            else:
                event[name] = fitting


def _text(name: str, value: Any) -> str:
    """Returns an identifier as text, without blanks around it, as ingest reads it.

    Raises Invalid for what is none. One of blanks alone stays: ingest judges it.
    """
    text = identifier_of(value)
    if text is not None:
        return text.strip(" ") or text
    if not isinstance(value, str):
        raise Invalid(f"{name} should be text, not {_kind(value)}")
    if not value or len(value) > MAX_TEXT:
        raise Invalid(f"{name} should have 1 to {MAX_TEXT} characters, not {len(value)}")
    raise Invalid(f"{name} should have no control characters: {shown(value)}")


def time_of(value: Any) -> str:
    """Returns a time of docs/times.md in UTC, with microseconds; raises Invalid.

    Most come with seconds and Z, and are only filled up.

    >>> time_of("2026-03-01T12:00:00Z")
    '2026-03-01T12:00:00.000000Z'
    """
    try:
        if isinstance(value, str) and len(value) > MAX_TIME:
            raise ValueError("too long")
        plain = PLAIN.fullmatch(value) if isinstance(value, str) else None
        text = _plain(*plain.groups()) if plain else iso(read_time(value))
        if FIRST <= text < LAST:
            return text
    except (ValueError, OverflowError):
        pass
    expected = "timestamp should be ISO 8601 with an offset or Z, or a number since 1970 (s to ns)"
    raise Invalid(f"{expected}, from 1970 to 2199: {shown(value)}")


def check_time(name: str, value: Any) -> str:
    """Returns a time as events have it, in UTC; raises Invalid that names the field."""
    try:
        return time_of(value)
    except Invalid as error:
        raise Invalid(str(error).replace("timestamp", name, 1)) from None


def _plain(day: str, time: str, digits: str | None) -> str:
    datetime.fromisoformat(f"{day}T{time}")  # raises for a day or an hour that there is not
    return f"{day}T{time}.{digits or '':0<6.6}Z"


def check_tree(tree: Any, path: str, levels: int, room: int) -> int:
    """Returns how many of `room` values are left for the rest of the event.

    Raises Invalid for more values, for numbers that are not finite, and for nesting deeper than
    `levels`.
    """
    if not levels:
        raise Invalid(f"{path} is nested too deeply")
    room -= len(tree)
    if room < 0:
        raise Invalid(f"{path} has too many values")
    for value in tree.values() if isinstance(tree, dict) else tree:
        kind = type(value)
        if kind is dict or kind is list:
            room = check_tree(value, path, levels - 1, room)
        elif kind is float and not math.isfinite(value):
            raise Invalid(f"{path} should hold finite numbers only")
    return room


def check_consent(metadata: Mapping[str, Any]) -> None:
    """Raises Invalid unless a consent event says yes or no to purposes that there are.

    `metadata` is that of the event, or the body of a request for consent: `purposes` is a part of
    both.
    """
    stated = metadata.get("purposes")
    if not isinstance(stated, dict) or not stated:
        raise Invalid("purposes should be an object: purpose → true or false")
    if not all(type(answer) is bool for answer in stated.values()):
        raise Invalid("purposes should be an object: purpose → true or false")
    if not stated.keys() <= set(PURPOSES):
        strange = shown(sorted(stated.keys() - set(PURPOSES)))
        raise Invalid(f"purposes are {', '.join(PURPOSES)}, not {strange}")


def consent_alone(event: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a consent event with nothing but what a decision has: who, when, where and what.

    It is kept whatever its person decided, and so must carry no tracking data along.
    """
    own = {name: value for name, value in event.items() if name in CONSENT_FIELDS}
    metadata = _short(event["metadata"], CONSENT_METADATA)
    own["metadata"] = {"purposes": event["metadata"]["purposes"], **metadata}
    own["context"] = _short(event["context"], CONSENT_CONTEXT)
    return own


def _short(part: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Whole numbers and short texts of these names, in their order."""
    return {
        name: value
        for name in names
        if type(value := part.get(name)) is int
        or (isinstance(value, str) and len(value) <= MAX_SHORT)
    }


def shown(value: Any) -> str:
    """Returns a value as it may stand in a message: escaped and short."""
    return ascii(value[:80] if isinstance(value, str) else value)[:80]


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value"}
    return names.get(type(value), "null" if value is None else "a number")
