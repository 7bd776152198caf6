"""A tracking plan: conf/tracking_plans/<name>.yaml."""

from __future__ import annotations

from pydantic import Field

from sparkperso.config.section import Section


class Bounds(Section):
    """Range that a number must lie in, both ends included."""

    min: float | None = None
    max: float | None = None


class EventTypeConfig(Section):
    """What events of one type must carry."""

    required: tuple[str, ...] = ()
    """Fields that must not be null: a field of the event, `context.<part>` or `metadata.<key>`."""
    bounds: dict[str, Bounds] = Field(default_factory=dict)
    """Field → range of its values, where it has one."""


class TrackingPlan(Section):
    """All event types that are taken; others are rejected as unknown_type."""

    name: str
    event_types: dict[str, EventTypeConfig] = Field(min_length=1)
