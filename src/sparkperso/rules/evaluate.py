"""What a condition means, on one person: plain Python, the measure of every compiled form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from sparkperso.rules import conditions as c
from sparkperso.rules.traverse import inside

Event = Mapping[str, Any]
"""Columns of silver/events; `timestamp` is an aware datetime."""
Profile = Mapping[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
DECIMALS = 6
"""Sums are rounded, so that the order of adding does not show."""
CONTEXT = ("device_type", "os", "country", "campaign")


def window_start(as_of: datetime, days: float) -> datetime:
    """Returns where a window of `days` before `as_of` begins: at a full hour (UTC).

    The hour that `as_of` lies in is not over, so that a window is up to an hour longer than its
    days. Windows that begin with an hour can be added up from counters of hours.
    """
    hour = as_of - (as_of - EPOCH) % HOUR
    start = hour - timedelta(days=days)
    return start - (start - EPOCH) % HOUR


def fits(event: Event, wanted: c.EventFilter) -> bool:
    """Says whether an event is of a kind."""
    context, metadata = event.get("context") or {}, event.get("metadata") or {}
    for name in ("event_type", "channel", "item_id", *CONTEXT):
        allowed = getattr(wanted, name)
        found = context.get(name) if name in CONTEXT else event.get(name)
        if name == "device_type" and found is not None:
            found = found.lower()
        if allowed is not None and found not in allowed:
            return False
    if any(metadata.get(key) not in values for key, values in wanted.metadata.items()):
        return False
    return all(metadata.get(key) not in (None, "") for key in wanted.not_empty)


def holds(
    condition: c.Condition,
    profile: Profile,
    events: Sequence[Event],
    as_of: datetime,
    others: Mapping[str, bool],
) -> bool:
    """Says whether a condition holds for a person; `others` are the segments named in it."""
    parts = [holds(part, profile, events, as_of, others) for part in inside(condition)]
    if isinstance(condition, c.All):
        return all(parts)
    if isinstance(condition, c.Either):
        return any(parts)
    if isinstance(condition, c.Not):
        return not parts[0]
    if isinstance(condition, c.InSegment):
        return others[condition.segment]
    return _leaf(condition, profile, [e for e in events if e["timestamp"] <= as_of], as_of)


def compare(value: float | None, bounds: c.Comparison) -> bool:
    """Says whether a number is within its bounds; one that is missing is not."""
    if value is None:
        return False
    low, high = bounds.between or (None, None)
    return (
        (bounds.at_least is None or value >= bounds.at_least)
        and (bounds.at_most is None or value <= bounds.at_most)
        and (bounds.above is None or value > bounds.above)
        and (bounds.below is None or value < bounds.below)
        and (low is None or value >= low)
        and (high is None or value <= high)
    )


def _leaf(
    condition: c.Condition, profile: Profile, known: Sequence[Event], as_of: datetime
) -> bool:
    if isinstance(condition, c.Attribute):
        return _attribute(condition, profile.get(condition.attribute))
    if isinstance(condition, c.SequenceCondition):
        return _followed(condition.sequence, known, as_of)
    assert isinstance(condition, c.MeasureCondition)
    return compare(_measure(condition, known, as_of), condition)


def _attribute(condition: c.Attribute, value: Any) -> bool:
    if condition.exists is not None:
        return (value is not None) is condition.exists
    if condition.one_of is not None and (value is None or str(value) not in condition.one_of):
        return False
    if condition.none_of is not None and value is not None and str(value) in condition.none_of:
        return False
    return not condition.bounds or compare(_number(value), condition)


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _measure(
    condition: c.MeasureCondition, events: Sequence[Event], as_of: datetime
) -> float | None:
    if condition.within_days is not None:
        start = window_start(as_of, condition.within_days)
        events = [event for event in events if event["timestamp"] >= start]
    if isinstance(condition, c.Uses):
        used = {(event.get("metadata") or {}).get("feature") for event in events}
        return len(used & set(condition.uses))
    kind = next(
        name
        for name in ("count", "sum_value", "visits", "days_since_last")
        if name in type(condition).model_fields
    )
    found = [event for event in events if fits(event, getattr(condition, kind))]
    if kind == "count":
        return len(found)
    if kind == "sum_value":
        return round(sum(event.get("value") or 0.0 for event in found), DECIMALS)
    if kind == "visits":
        return len({_visit(event) for event in found})
    last = max((event["timestamp"] for event in found), default=None)
    return None if last is None else (as_of - last) / timedelta(days=1)


def _visit(event: Event) -> Any:
    at = event["timestamp"]
    return event.get("session_id") or at - (at - EPOCH) % HOUR


def _followed(wanted: c.Sequence, events: Sequence[Event], as_of: datetime) -> bool:
    reach = timedelta(days=wanted.within_days)
    latest = as_of if wanted.happens else as_of - reach
    start = None if wanted.in_last_days is None else window_start(as_of, wanted.in_last_days)
    thens = [event for event in events if fits(event, wanted.then)]
    for event in events:
        at = event["timestamp"]
        key = event.get(wanted.same) if wanted.same else ""
        is_old = start is not None and at < start
        if not fits(event, wanted.first) or key is None or is_old or at > latest:
            continue
        followed = any(
            at < then["timestamp"] <= at + reach
            and (not wanted.same or then.get(wanted.same) == key)
            for then in thens
        )
        if followed is wanted.happens:
            return True
    return False
