"""The section `refresh`: what is cause enough to train anew."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sparkperso.config.refresh.canary import CanaryConfig
from sparkperso.core.section import Section

Severity = Literal["warning", "critical"]


class AlertTrigger(Section):
    """Open alerts of ops/alerts."""

    checks: tuple[str, ...] = ()
    """Checks of docs/monitoring.md whose alerts count; none: never a cause."""
    severity: Severity = "warning"
    """`critical`: an alert that is a warning is no cause."""


class VolumeTrigger(Section):
    """Events since the champion's as-of; the first bound that is reached is a cause."""

    share: float | None = Field(default=0.2, gt=0)
    """As a share of the events before it; None: not asked."""
    events: int | None = Field(default=None, ge=1)
    """As a number; None: not asked."""


class SuggestionsConfig(Section):
    """What `refresh --suggest` looks at."""

    days: float = Field(default=28, gt=0, le=365)
    """Decisions, events and KPIs of so many days up to as-of count."""
    min_shown: int = Field(default=200, ge=1)
    """What was shown less often, or has less beside it, says too little."""
    significance_level: float = Field(default=0.01, gt=0, lt=0.5)
    """Chance that any is listed which is no worse than the rest."""


class RefreshConfig(Section):
    """The causes of `sparkperso refresh`; one is enough."""

    every_days: float | None = Field(default=7, gt=0)
    """Days after the last training that was done; None: no schedule."""
    max_age_days: float | None = Field(default=14, gt=0)
    """Days from the as-of of the champion's training data to the latest event; None: not asked."""
    drift: AlertTrigger = AlertTrigger(checks=("feature_drift", "score_drift", "segment_drift"))
    """Users are others than those that the champion learnt from."""
    kpi: AlertTrigger = AlertTrigger(checks=("kpi", "overfit"))
    """A KPI fell. One that went up, or down where that is better, is no cause."""
    volume: VolumeTrigger = Field(default_factory=VolumeTrigger)
    min_days: float = Field(default=1, ge=0)
    """Within so many days of the last training nothing is a cause: an alert stays open while the
    new lists have not been seen yet."""
    suggestions: SuggestionsConfig = Field(default_factory=SuggestionsConfig)
    canary: CanaryConfig | None = None
    """How a candidate that passed the gate begins; None: it serves everybody at once."""
