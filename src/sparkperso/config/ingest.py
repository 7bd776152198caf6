"""The section `ingest`: the rules that every record is held against, and the bounds of a run."""

from __future__ import annotations

from pydantic import Field

from sparkperso.core.event import ReasonCode
from sparkperso.core.section import Section


class RuleConfig(Section):
    """One validation rule, as data."""

    code: ReasonCode
    """What the rejected record is counted under."""
    when: str
    """Spark SQL condition that is true for a bad record; null counts as fine."""
    message: str
    """What is wrong, in words."""
    shows: str | None = None
    """Spark SQL expression whose value (its first 80 characters) ends the message."""
    recoverable: bool = True
    """Whether another rule set or mapping could accept the record."""


class IngestConfig(Section):
    """How events are checked and taken in."""

    max_rejected_share: float = Field(default=0.2, ge=0, le=1)
    """A run that rejects a larger share of its records stops before silver is touched (exit 3);
    a source may say otherwise. A stream has no such bound."""
    tracking_plan: str = "default"
    """Name of conf/tracking_plans/<name>.yaml: the event types and what each must carry."""
    max_future_minutes: int = Field(default=10, ge=0)
    """How far an event's clock may be ahead of ours."""
    max_age_days: int = Field(default=730, ge=1)
    """Events older than this when they arrive are too old, except in a historical source."""
    max_payload_bytes: int = Field(default=65_536, ge=256)
    """Longer records are too large."""
    max_metadata_entries: int = Field(default=100, ge=1)
    """Events with more metadata keys are too large."""
    rules: tuple[RuleConfig, ...] = ()
    """Rules over the fields of an event; the guide to ingest lists the names that they may use."""
    country_aliases: dict[str, str] = Field(default_factory=dict)
    """Names of countries beside those of ISO 3166, in capitals → alpha-2 code."""
