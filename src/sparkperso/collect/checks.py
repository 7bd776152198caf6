"""What an event must be before anything is done with it: the four fields, their types and sizes.

Values that only a tracking plan can judge are left to ingest, whose quarantine can be replayed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from sparkperso.collect.facts import iso
from sparkperso.config.collect import LimitsConfig
from sparkperso.consent import PURPOSES
from sparkperso.event import CHANNELS, EVENT_FIELDS, TEXT_FIELDS

KNOWN = frozenset(EVENT_FIELDS)
TEXTS = frozenset(TEXT_FIELDS)
MAX_TEXT = 512
POISON = frozenset({"__proto__", "constructor", "prototype"})
"""Keys that change every object of a careless JavaScript reader."""
FIRST, LAST = "1970", "2200"
ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:?\d\d)", re.ASCII
)


class Invalid(Exception):
    """An event that is not taken; the text says what was expected and what was found."""


def check_event(raw: Any, limits: LimitsConfig) -> dict[str, Any]:
    """Returns the event with times and identifiers in one form; raises Invalid."""
    if not isinstance(raw, dict):
        raise Invalid(f"an event should be an object, not {_kind(raw)}")
    if not raw.keys() <= KNOWN:
        strange = sorted(raw.keys() - KNOWN)
        raise Invalid(f"unknown fields {shown(strange)}: what is your own belongs into metadata")
    event = _without_nulls(raw)
    if "event_type" not in event:
        raise Invalid("event_type is missing")
    event["timestamp"] = _time(event.get("timestamp"))
    _check_values(event)
    for name in ("metadata", "context"):
        part = event.setdefault(name, {})
        if not isinstance(part, dict):
            raise Invalid(f"{name} should be an object, not {_kind(part)}")
        check_tree(part, name, limits.max_depth)
    return event


def _without_nulls(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields that are set, identifiers as text."""
    event: dict[str, Any] = {}
    for name, value in raw.items():
        if type(value) is str and name in TEXTS and 0 < len(value) <= MAX_TEXT:
            event[name] = value if value.isprintable() else _text(name, value)
        elif value is not None:
            event[name] = _text(name, value) if name in TEXTS else value
    return event


def _check_values(event: Mapping[str, Any]) -> None:
    if event.get("channel", "web") not in CHANNELS:
        raise Invalid(f"channel should be one of {', '.join(CHANNELS)}")
    value = event.get("value")
    if value is not None and not _is_number(value):
        raise Invalid(f"value should be a finite number, not {shown(value)}")
    version = event.get("schema_version")
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise Invalid(f"schema_version should be a whole number, not {shown(version)}")


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _text(name: str, value: Any) -> str:
    """Returns an identifier as text; whole numbers are taken, since many shops count."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Invalid(f"{name} should be text, not {_kind(value)}")
    if not value or len(value) > MAX_TEXT:
        raise Invalid(f"{name} should have 1 to {MAX_TEXT} characters, not {len(value)}")
    if not value.isprintable():
        raise Invalid(f"{name} should have no control characters: {shown(value)}")
    return value


def _time(value: Any) -> str:
    """Returns a time of ISO 8601 with its offset, or of epoch milliseconds, in UTC."""
    try:
        text = _utc(value) if isinstance(value, str) else iso(_of_epoch(value))
        if FIRST <= text < LAST:
            return text
    except (ValueError, OverflowError, OSError):
        pass
    expected = "timestamp should be ISO 8601 with an offset or Z, or epoch milliseconds"
    raise Invalid(f"{expected}, from 1970 to 2199: {shown(value)}")


def _utc(text: str) -> str:
    """Returns a time with microseconds and Z. Most come with Z, and need no reckoning."""
    found = ISO.fullmatch(text)
    if found is None:
        raise ValueError("not ISO 8601")
    day, time, digits, offset = found.groups()
    moment = datetime.fromisoformat(f"{day}T{time}")
    micros = f"{digits or '':0<6.6}"
    if offset in "Zz":
        return f"{day}T{time}.{micros}Z"
    zone = datetime.fromisoformat(f"2000-01-01T00:00:00{offset[:3]}:{offset[-2:]}").tzinfo
    return iso(moment.replace(tzinfo=zone, microsecond=int(micros)))


def _of_epoch(value: Any) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("no time")
    return datetime.fromtimestamp(value / 1000, timezone.utc)


def check_tree(tree: Any, path: str, levels: int) -> None:
    """Raises Invalid for keys that poison and for nesting deeper than `levels`."""
    if not levels:
        raise Invalid(f"{path} is nested too deeply")
    values = tree.values() if isinstance(tree, dict) else tree
    if isinstance(tree, dict) and not POISON.isdisjoint(tree):
        raise Invalid(f"{path} should have no key named {', '.join(sorted(POISON & tree.keys()))}")
    for value in values:
        if isinstance(value, dict | list):
            check_tree(value, path, levels - 1)
        elif isinstance(value, float) and not math.isfinite(value):
            raise Invalid(f"{path} should hold finite numbers only")


def check_consent(metadata: Mapping[str, Any]) -> None:
    """Raises Invalid unless a consent event says yes or no to purposes that there are."""
    said = metadata.get("purposes")
    if not isinstance(said, dict) or not said or not all(type(v) is bool for v in said.values()):
        raise Invalid("purposes should be an object: purpose → true or false")
    if not said.keys() <= set(PURPOSES):
        strange = shown(sorted(said.keys() - set(PURPOSES)))
        raise Invalid(f"purposes are {', '.join(PURPOSES)}, not {strange}")


def shown(value: Any) -> str:
    """Returns a value as it may stand in a message: escaped and short."""
    return ascii(value)[:80]


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value"}
    return names.get(type(value), "null" if value is None else "a number")
