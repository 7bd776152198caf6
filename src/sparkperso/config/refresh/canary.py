"""How a new model begins with a share of the people: `refresh.canary`."""

from __future__ import annotations

from pydantic import Field

from sparkperso.config.experiments.experiment import Unit
from sparkperso.config.experiments.variants import Name
from sparkperso.core.section import Section


class CanaryConfig(Section):
    """The experiment that compares a candidate which passed the gate with the champion."""

    share: float = Field(default=0.1, gt=0, le=0.5)
    """Part of the people who see the candidate's lists."""
    days: float = Field(default=7, ge=1, le=90)
    """How long; a verdict to stop comes earlier where it does harm."""
    unit: Unit = "user"
    """Which id is dealt out."""
    goals: tuple[Name, ...] = ("click_through",)
    """Metrics of conf/metrics that decide: a candidate that is better in one becomes champion."""
    guardrails: tuple[Name, ...] = ("conversion",)
    """Metrics that it must not harm."""
