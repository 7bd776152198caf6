"""KPIs by day: which metrics of conf/metrics, and whom they are told apart by."""

from __future__ import annotations

from pydantic import Field

from sparkperso.core.section import Section


class KpisConfig(Section):
    """gold/kpis_daily."""

    metrics: tuple[str, ...] = ()
    """Metrics of conf/metrics. A user's day takes the place of the window after an exposure, and
    caps by quantile are left out: an account adds up."""
    segmentations: tuple[str, ...] | None = None
    """Segmentations that KPIs are told by; None: those of segments.segmentations."""
    session_gap_minutes: int = Field(default=30, ge=1)
    """Events without a session id that lie further apart are of two sessions."""
