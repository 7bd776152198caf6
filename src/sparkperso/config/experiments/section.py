"""The section `experiments`: how experiments are judged."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sparkperso.core.section import Section


class ExperimentsConfig(Section):
    """How `analyze-experiments` compares variants."""

    significance_level: float = Field(default=0.05, gt=0, lt=0.5)
    """Share of experiments without effect that may seem to have one; intervals cover the rest."""
    power: float = Field(default=0.8, gt=0.5, lt=1)
    """Chance to find an effect of the size `mde`, for the number of units that is planned."""
    correction: Literal["holm", "benjamini_hochberg"] = "holm"
    """How p values of several goals and variants are corrected: holm keeps the chance of any false
    finding, benjamini_hochberg the share of false ones among all."""
    lookback_days: float = Field(default=14, gt=0, le=365)
    """How far before its exposure a unit's events reduce the variance (CUPED)."""
    metrics: tuple[str, ...] | None = None
    """Metrics that are told of every experiment beside its goals and guardrails; all, if none are
    named here."""
    segmentations: tuple[str, ...] = ()
    """Segmentations of segments.segmentations that results are told by, too."""
    strata: str | None = None
    """One of them whose segments stratify the whole."""
    session_gap_minutes: int = Field(default=30, ge=1)
    """Events without a session id that lie further apart are of two sessions."""
    tuned_for: int = Field(default=5000, ge=100)
    """Number of units at which sequential intervals are narrowest."""
    n_resamples: int = Field(default=2000, ge=100, le=100_000)
    """Of the bootstrap, where a metric asks for it."""
    seed: int = Field(default=42, ge=0)
    """Of the bootstrap's draws."""
    max_segments: int = Field(default=200, ge=1)
    """Most sets of segments of one segmentation that are told apart."""
