"""Models that got better on the folds, and worse with people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

from sparkperso.config.monitoring.checks import OverfitConfig
from sparkperso.monitoring.checks.finding import Finding, Status

CHECK = "overfit"
LEAST_POPULAR = 100
"""Exposures of lists by popularity below which they say nothing of the days."""


@dataclass(frozen=True)
class ModelFigures:
    """A model version: its validation figure, and what people did with its lists."""

    version: str
    validation: float | None
    numerator: float
    """Clicks."""
    denominator: float
    """Exposures."""
    popular_numerator: float = 0.0
    """Clicks on lists by popularity, which no training changes, on the days of the model's."""
    popular_denominator: float = 0.0
    """Exposures of those."""

    @property
    def live(self) -> float:
        """Returns the live metric."""
        return self.numerator / self.denominator if self.denominator else 0.0

    @property
    def popular(self) -> float | None:
        """Returns that of lists by popularity on the same days; None where few were shown."""
        if self.popular_denominator < LEAST_POPULAR or self.popular_numerator <= 0:
            return None
        return self.popular_numerator / self.popular_denominator


def judge_models(
    models: Sequence[ModelFigures], config: OverfitConfig, served: str | None = None
) -> list[Finding]:
    """Returns a finding per model that was shown often enough, against the one before it.

    `models` in the order of their registration; those without a validation figure, or seen too
    seldom, are left out. A model is out of the ordinary when its validation is higher than the one
    before's, and its live metric lower (`fall_p`). Where it is known which version is `served`,
    others are in order: there is nothing left to do about them.
    """
    seen = [m for m in models if m.validation is not None]
    seen = [m for m in seen if m.denominator >= config.min_denominator]
    if len(seen) < 2:
        text = f"{len(seen)} models were shown {config.min_denominator:,.0f} times and more"
        return [Finding(CHECK, "models", "unknown", f"{text}: it takes two to compare")]
    return [
        _judged(before, now, config, is_over=served not in (None, now.version))
        for before, now in pairwise(seen)
    ]


def _judged(
    before: ModelFigures, now: ModelFigures, config: OverfitConfig, *, is_over: bool
) -> Finding:
    p = fall_p(before, now)
    rose = (now.validation or 0.0) > (before.validation or 0.0)
    is_bad = rose and p < config.significance_level and not is_over
    message = (
        f"Model {now.version} against {before.version}: {config.metric} on the folds "
        f"{now.validation:.4f} after {before.validation:.4f}, {config.kpi} live {now.live:.4f} "
        f"after {before.live:.4f}{_told_of_popular(before, now)} (p of a fall {p:.2g})"
    )
    if is_over:
        message += "; it is champion no more"
    status: Status = "warning" if is_bad else "ok"
    return Finding(
        CHECK, f"model {now.version}", status, message, round(p, 6), config.significance_level
    )


def _told_of_popular(before: ModelFigures, now: ModelFigures) -> str:
    if before.popular is None or now.popular is None:
        return ""
    return f", lists by popularity on the same days {now.popular:.4f} after {before.popular:.4f}"


def fall_p(before: ModelFigures, now: ModelFigures) -> float:
    """Returns the p value of the live metric not having fallen, one-sided.

    Models are shown one after the other, and days differ: where lists by popularity were shown
    beside both, it is that of the live metric not having fallen more than theirs, by the normal
    interval of the difference of log ratios (delta method). Else that of two proportions, by the
    pooled z. A click-through above 1 counts as 1.
    """
    if before.popular is not None and now.popular is not None and before.live > 0:
        return _fall_beside_popular(before, now)
    n, m = before.denominator, now.denominator
    first, second = min(before.live, 1.0), min(now.live, 1.0)
    pooled = (first * n + second * m) / (n + m)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    if spread == 0:
        return 1.0 if second >= first else 0.0
    return NormalDist().cdf((second - first) / spread)


def _fall_beside_popular(before: ModelFigures, now: ModelFigures) -> float:
    sign, fall, variance = 1.0, 0.0, 0.0
    for one in (now, before):
        # Half a click where there was none: its logarithm is finite.
        clicks = max(one.numerator, 0.5)
        for part, whole, side in (
            (clicks, one.denominator, 1.0),
            (one.popular_numerator, one.popular_denominator, -1.0),
        ):
            share = min(part / whole, 1.0)
            fall += sign * side * math.log(share)
            variance += (1 - share) / (share * whole)
        sign = -1.0
    if variance == 0:
        return 1.0 if fall >= 0 else 0.0
    return NormalDist().cdf(fall / math.sqrt(variance))
