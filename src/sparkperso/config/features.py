"""The section `features`: how user features are computed and scaled."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.core.section import Section
from sparkperso.core.times import known_zone


def own_features(info: ValidationInfo) -> tuple[str, ...]:
    """Returns the names of conf/features, as whoever reads a file tells its validators."""
    return tuple((info.context or {}).get("own_features", ()))


def _known_features(names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    known = (*NUMERIC_FEATURES, *own_features(info))
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"unknown features {unknown}; known are {list(known)}")
    return names


TimeZone = Annotated[str, AfterValidator(known_zone)]
FeatureNames = Annotated[tuple[str, ...], AfterValidator(_known_features)]


class ScalingConfig(Section):
    """How numeric features are brought onto one scale: a logarithm, then clipping, then the method.

    The parameters are fitted on all users of one as-of, and kept in gold/feature_scalers.
    """

    method: Literal["zscore", "minmax"] = "zscore"
    """zscore: mean 0 and sample standard deviation 1. minmax: 0 to 1."""
    log: FeatureNames = ()
    """Features that are replaced by sign(x) · ln(1 + |x|) first."""
    clip_low: float | None = Field(default=None, ge=0, le=1)
    """Quantile below which values are raised to it; null clips none."""
    clip_high: float | None = Field(default=None, ge=0, le=1)
    """Quantile above which values are lowered to it; null clips none."""
    clip: FeatureNames | None = None
    """Features that are clipped; null means all."""
    quantile_sample: int = Field(default=100_000, ge=100)
    """Quantiles are exact up to this many users, and those of a sample of about so many beyond."""

    @model_validator(mode="after")
    def _bounds_in_order(self) -> ScalingConfig:
        low = 0 if self.clip_low is None else self.clip_low
        high = 1 if self.clip_high is None else self.clip_high
        if low >= high:
            raise ValueError("clip_low must lie below clip_high")
        return self

    def clips(self, feature: str) -> bool:
        """Says whether the bounds hold for a feature."""
        return self.clip is None or feature in self.clip


class FeaturesConfig(Section):
    """How user features are computed."""

    session_gap_minutes: int = Field(default=30, ge=1)
    """A derived session ends where longer than this passes without an event."""
    time_zone: TimeZone = "UTC"
    """Where the hours of the day and the weekend are taken."""
    events_per_partition: int = Field(default=500_000, ge=1_000)
    """Events in one Spark partition, on average: what a task sorts in its memory."""
    scaling: ScalingConfig = Field(default_factory=ScalingConfig)
