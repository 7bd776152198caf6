"""What ingest is sure to refuse, said when it arrives: a sender learns it from the answer.

The event is accepted all the same: quarantine keeps it, and it comes back by replay-quarantine
once the tracking plan has its type. Said is only what the plan and the bounds of ingest make sure,
whatever else its rules check; a test holds both against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sparkperso.config.ingest import IngestConfig
from sparkperso.config.tracking_plan import Bounds, EventTypeConfig, TrackingPlan
from sparkperso.core.event import ReasonCode
from sparkperso.core.times import iso
from sparkperso.services.collect.intake.consent_gate import PERSONS
from sparkperso.services.collect.intake.event_validation import shown, type_of
from sparkperso.services.collect.intake.typed_fields import number_of

IDENTIFIERS = (*PERSONS, "item_id")
OBJECTS = ("{", "[")


class Refusal(NamedTuple):
    """Why ingest will not take an event: the code that quarantine counts it under, and words."""

    code: ReasonCode
    message: str


class PlanCheck:
    """Holds events against the tracking plan and the bounds of ingest."""

    def __init__(self, plan: TrackingPlan, config: IngestConfig | None = None) -> None:
        self._types, self._config = plan.event_types, config or IngestConfig()
        # All events of a request have one time of arrival.
        self._times = lru_cache(64)(self._times_at)

    def refusal(self, event: Mapping[str, Any], received_at: str) -> Refusal | None:
        """Returns the first reason why a checked event will be kept in quarantine, else None.

        `received_at` is ISO 8601 in UTC. Whatever it gives, ingest will refuse; what it lets pass,
        ingest may still refuse.
        """
        return next(self._refusals(event, received_at), None)

    def _refusals(self, event: Mapping[str, Any], received_at: str) -> Iterator[Refusal]:
        kind = self._types.get(type_of(event))
        if kind is None:
            name = shown(event["event_type"])
            yield Refusal("unknown_type", f"event_type {name} is not in the tracking plan")
        earliest, latest = self._times(received_at)
        if event["timestamp"] > latest:
            yield Refusal("future", "timestamp is ahead of the time of arrival")
        if event["timestamp"] < earliest:
            yield Refusal("too_old", "timestamp is too long before the time of arrival")
        if len(event["metadata"]) > self._config.max_metadata_entries:
            most = self._config.max_metadata_entries
            yield Refusal("too_large", f"metadata has more than {most} keys")
        user, browser, item = [event.get(name, "").strip(" ") for name in IDENTIFIERS]
        if not user and not browser:
            yield Refusal("missing", "user_id and anonymous_id are blank")
        if user.startswith(OBJECTS) or browser.startswith(OBJECTS) or item.startswith(OBJECTS):
            yield Refusal("wrong_type", "an identifier is an object or a list, not text")
        if kind is not None:
            yield from _of_type(event, kind)

    def _times_at(self, received_at: str) -> tuple[str, str]:
        """Returns the earliest and the latest time that ingest takes of what arrives now."""
        at = datetime.fromisoformat(received_at.replace("Z", "+00:00"))
        age, ahead = (
            timedelta(days=self._config.max_age_days),
            timedelta(minutes=self._config.max_future_minutes),
        )
        return iso(at - age), iso(at + ahead)


def _of_type(event: Mapping[str, Any], kind: EventTypeConfig) -> Iterator[Refusal]:
    for field in kind.required:
        if _value(event, field) is None:
            yield Refusal("missing", f"{field} is not given, which this type of event needs")
    for field, bounds in kind.bounds.items():
        value = _value(event, field)
        if value is not None:
            yield from _outside(field, value, bounds)


def _outside(field: str, value: Any, bounds: Bounds) -> Iterator[Refusal]:
    number = number_of(value)
    if number is None:
        # Spark reads some texts as numbers that JSON does not have, such as 5d.
        if not isinstance(value, str) or value.isalpha():
            yield Refusal("wrong_type", f"{field} is not a number: {shown(value)}")
    elif (bounds.min is not None and number < bounds.min) or (
        bounds.max is not None and number > bounds.max
    ):
        yield Refusal("out_of_range", f"{field} is outside {bounds.min} to {bounds.max}")


def _value(event: Mapping[str, Any], field: str) -> Any:
    """Returns what an event has at a field of the plan; blank identifiers are none."""
    group, _, part = field.partition(".")
    value = event.get(group)
    if part:
        return value.get(part) if isinstance(value, dict) else None
    return (value.strip(" ") or None) if isinstance(value, str) else value
