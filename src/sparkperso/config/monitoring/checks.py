"""What is watched, and from where on it is out of the ordinary."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from sparkperso.core.section import Section

Share = Annotated[float, Field(ge=0, le=1)]


class Limits(Section):
    """Two bounds of a number; None: no alert of that severity."""

    warning: float | None = None
    critical: float | None = None


class AnomalyConfig(Section):
    """A day against the same weekdays before: volumes, rates, KPIs."""

    weeks: int = Field(default=8, ge=2, le=52)
    """So many of the same weekdays before are the baseline."""
    min_weeks: int = Field(default=6, ge=2, le=52)
    """With fewer, nothing is said."""
    scores: Limits = Limits(warning=5, critical=8)
    """Distance from their median in robust standard deviations (1.4826 · MAD)."""
    min_change: Share = 0.3
    """A smaller change, as a share of the median, is none, however steady the weeks before were."""

    @property
    def counts(self) -> bool:
        """Says whether numbers are counts, which vary by chance by their square root."""
        return True

    @model_validator(mode="after")
    def _has_weeks(self) -> AnomalyConfig:
        if self.min_weeks > self.weeks:
            raise ValueError(f"min_weeks {self.min_weeks} should be at most weeks {self.weeks}")
        return self


class KpiAnomalyConfig(AnomalyConfig):
    """KPIs of everybody, a day against the same weekdays before."""

    min_change: Share = 0.2
    min_denominator: float = Field(default=100, ge=1)
    """Days with fewer users, or less of what a ratio is taken by, are left out."""
    metrics: tuple[str, ...] = ()
    """KPIs of monitoring.kpis that are watched."""

    @property
    def counts(self) -> bool:
        """Says that they are none."""
        return False


class QuarantineConfig(Section):
    """What ingest rejected and refused, as a share of what it received, by source."""

    rejected: Limits = Limits(warning=0.05, critical=0.2)
    refused: Limits = Limits(warning=0.5)
    """Refused for want of consent."""
    min_records: int = Field(default=100, ge=1)
    """Of the source's last day with records; with fewer, nothing is said."""


class DriftConfig(Section):
    """Distributions of today against those that are kept of a reference."""

    psi: Limits = Limits(warning=0.1, critical=0.25)
    """Population stability index; 0.1 and 0.25 are what is usual (Siddiqi 2006)."""
    js: Limits = Limits(warning=0.2)
    """Jensen–Shannon distance, base 2: from 0 to 1."""
    confidence: float = Field(default=0.999, gt=0.5, lt=1)
    """A PSI that chance alone exceeds more often than the rest of it is no drift: with B bins of n
    and m users it is about (1/n + 1/m) · χ²(B − 1) (Yurdakul 2018)."""
    bins: int = Field(default=10, ge=2, le=50)
    """Bins of a number: the reference's quantiles, equal ones put together."""
    features: tuple[str, ...] | None = None
    """Columns of gold/user_features; None: all numbers that the suite makes."""
    min_users: int = Field(default=200, ge=2)
    """With fewer, nothing is said."""
    sample_users: int = Field(default=100_000, ge=100)
    """Users, chosen by a hash, whose quantiles are the reference's bins; all are counted."""


class CoverageConfig(Section):
    """Whom and what lists reach."""

    active_days: int = Field(default=28, ge=1)
    """Who did anything in so many days up to as-of should have a list."""
    users: Limits = Limits(warning=0.9, critical=0.5)
    """Share of active users with a list: below."""
    items: Limits = Limits(warning=0.01)
    """Share of the catalogue that is in any list: below."""


class StalenessConfig(Section):
    """How long ago tables, the champion and the serving store were written."""

    tables: dict[str, Limits] = Field(default_factory=dict)
    """Table → hours. Tables that are not named are told of, and never out of the ordinary."""
    champion: Limits = Limits(warning=24 * 30)
    """Hours since the champion was registered."""
    store: Limits = Limits(warning=36, critical=72)
    """Hours since the current version of the serving store was published."""


class FallbackConfig(Section):
    """Decisions of the API that were not what they should be."""

    share: Limits = Limits(warning=0.05, critical=0.2)
    hours: float = Field(default=24, gt=0)
    """Up to the latest decision."""
    min_decisions: int = Field(default=100, ge=1)
    expected: tuple[str, ...] = ("unknown_user", "unknown_item")
    """Fallbacks that are no fault."""


class LagConfig(Section):
    """Streams that fall behind."""

    age_seconds: Limits = Limits(warning=300, critical=3600)
    """From arrival to silver, oldest record of a micro-batch."""
    offsets: Limits = Limits(warning=100_000)
    """Kafka: offsets left to read in the worst partition."""
    minutes: float = Field(default=60, gt=0)
    """Micro-batches so long before the last one of a source count."""


class OverfitConfig(Section):
    """Models whose validation rose while people clicked less."""

    kpi: str = "click_through"
    """The live metric: a KPI of kind ratio whose numerator and denominator are counts."""
    metric: str = "ndcg_at_10"
    """The validation metric: mean over the folds of the model's training."""
    min_denominator: float = Field(default=1000, ge=1)
    """Exposures that each of the two models has."""
    significance_level: float = Field(default=0.01, gt=0, lt=0.5)
    """Of the test that the live metric fell (one-sided; `monitoring.checks.overfit.fall_p`)."""


class ChecksConfig(Section):
    """All checks."""

    volume: AnomalyConfig = Field(default_factory=AnomalyConfig)
    kpi: KpiAnomalyConfig = Field(default_factory=KpiAnomalyConfig)
    quarantine: QuarantineConfig = Field(default_factory=QuarantineConfig)
    drift: DriftConfig = Field(default_factory=DriftConfig)
    coverage: CoverageConfig = Field(default_factory=CoverageConfig)
    staleness: StalenessConfig = Field(default_factory=StalenessConfig)
    fallback: FallbackConfig = Field(default_factory=FallbackConfig)
    lag: LagConfig = Field(default_factory=LagConfig)
    overfit: OverfitConfig = Field(default_factory=OverfitConfig)
    skip: tuple[str, ...] = ()
    """Checks that are not carried out: volume, kpi, quarantine, drift, coverage, staleness,
    fallback, lag, overfit."""
