"""What a condition means, on one person: plain Python, the measure of every compiled form.

Spark's Columns (`segments.rules.compile`), the counters of a stream and the tests of both are held
against `holds`: where they differ, it is right.

>>> from sparkperso.rules.conditions import Count
>>> events = [{"event_type": "purchase", "timestamp": datetime(2026, 1, 1, tzinfo=timezone.utc)}]
>>> once = Count(count={"event_type": "purchase"}, at_least=1, within_days=7)
>>> holds(once, {}, events, datetime(2026, 1, 5, tzinfo=timezone.utc), {})
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from sparkperso.rules import conditions as c
from sparkperso.rules.context import RequestContext, value_of
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

    >>> window_start(datetime(2026, 1, 8, 10, 30, tzinfo=timezone.utc), 7).isoformat()
    '2026-01-01T10:00:00+00:00'
    """
    hour = as_of - (as_of - EPOCH) % HOUR
    start = hour - timedelta(days=days)
    return start - (start - EPOCH) % HOUR


def fits(event: Event, kind: c.EventFilter) -> bool:
    """Says whether an event is of a kind: all that the filter gives must fit."""
    context, metadata = event.get("context") or {}, event.get("metadata") or {}
    for name in ("event_type", "channel", "item_id", *CONTEXT):
        allowed = getattr(kind, name)
        value = context.get(name) if name in CONTEXT else event.get(name)
        if name == "device_type" and value is not None:
            value = value.lower()
        if allowed is not None and value not in allowed:
            return False
    if any(metadata.get(key) not in values for key, values in kind.metadata.items()):
        return False
    return all(metadata.get(key) not in (None, "") for key in kind.not_empty)


def holds(
    condition: c.Condition,
    profile: Profile,
    events: Sequence[Event],
    as_of: datetime,
    others: Mapping[str, bool],
    *,
    context: RequestContext | None = None,
) -> bool:
    """Says whether a condition holds for a person as of a time; events after it do not count.

    `events` are theirs, in any order; `others` says of each segment that the condition names
    whether the person is in it, and a name that is missing raises KeyError. `context` is what is
    known of the request that is answered, whose time is `as_of`.
    """
    # All parts, without a short cut: clearness goes before speed in what others are held against.
    parts = [
        holds(part, profile, events, as_of, others, context=context) for part in inside(condition)
    ]
    if isinstance(condition, c.All):
        return all(parts)
    if isinstance(condition, c.Either):
        return any(parts)
    if isinstance(condition, c.Not):
        return not parts[0]
    if isinstance(condition, c.InSegment):
        return others[condition.segment]
    if isinstance(condition, c.Context):
        value = value_of(condition.context, condition.zone, context or {}, as_of)
        return value_fits(condition, value)
    return _leaf(condition, profile, [e for e in events if e["timestamp"] <= as_of], as_of)


def compare(value: float | None, bounds: c.Comparison) -> bool:
    """Says whether a number fulfils all of its bounds; one that is missing fulfils none.

    >>> from sparkperso.rules.conditions import Comparison
    >>> compare(5, Comparison(between=(1, 5))), compare(None, Comparison(below=9))
    (True, False)
    """
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
        return value_fits(condition, profile.get(condition.attribute))
    if isinstance(condition, c.SequenceCondition):
        return _followed(condition.sequence, known, as_of)
    assert isinstance(condition, c.MeasureCondition)
    return compare(_measure(condition, known, as_of), condition)


def value_fits(condition: c.ValueCondition, value: Any) -> bool:
    """Says whether a value is as the condition wants it: None where there is none, () likewise.

    Of several texts (a tuple) any is enough for `one_of` and `begins_with`, none may be in
    `none_of`.
    """
    texts = value if isinstance(value, tuple) else () if value is None else (str(value),)
    if condition.exists is not None:
        return bool(texts) is condition.exists
    if condition.one_of is not None and not any(text in condition.one_of for text in texts):
        return False
    if condition.none_of is not None and any(text in condition.none_of for text in texts):
        return False
    starts = condition.begins_with if isinstance(condition, c.Context) else None
    if starts is not None and not any(text.startswith(starts) for text in texts):
        return False
    return not condition.bounds or compare(_number(value), condition)


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
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
    matching = [event for event in events if fits(event, getattr(condition, kind))]
    if kind == "count":
        return len(matching)
    if kind == "sum_value":
        return round(sum(event.get("value") or 0.0 for event in matching), DECIMALS)
    if kind == "visits":
        # A visit is a session or, without one, an hour.
        hours = [(event["timestamp"] - EPOCH) // HOUR for event in matching]
        ids = [event.get("session_id") for event in matching]
        return len({one or hour for one, hour in zip(ids, hours, strict=True)})
    last = max((event["timestamp"] for event in matching), default=None)
    return None if last is None else (as_of - last) / timedelta(days=1)


def _followed(sequence: c.Sequence, events: Sequence[Event], as_of: datetime) -> bool:
    reach = timedelta(days=sequence.within_days)
    latest = as_of if sequence.happens else as_of - reach
    start = None if sequence.in_last_days is None else window_start(as_of, sequence.in_last_days)
    thens = [event for event in events if fits(event, sequence.then)]
    for event in events:
        at = event["timestamp"]
        key = event.get(sequence.same) if sequence.same else ""
        is_old = start is not None and at < start
        # What should not happen has not until its time is up: `latest` leaves room for it.
        if not fits(event, sequence.first) or key is None or is_old or at > latest:
            continue
        followed = any(
            at < then["timestamp"] <= at + reach
            and (not sequence.same or then.get(sequence.same) == key)
            for then in thens
        )
        if followed is sequence.happens:
            return True
    return False
