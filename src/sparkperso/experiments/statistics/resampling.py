"""The bootstrap of an effect, from sums per bucket of units: for metrics that no formula fits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from sparkperso.evaluate.bootstrap import bucket_draws, resampled_means
from sparkperso.experiments.statistics.arms import TINY, checked
from sparkperso.experiments.statistics.estimate import (
    NO_DENOMINATOR,
    NO_VARIANCE,
    OK,
    TOO_FEW_UNITS,
    UNCERTAIN_BASELINE,
    ZERO_BASELINE,
    Arm,
    Estimate,
    finite,
    require_level,
    without_test,
)
from sparkperso.experiments.statistics.moments import Floats

N_RESAMPLES: Final = 2_000
LEAST_BUCKETS: Final = 20
"""Below so many groups of units the bootstrap's intervals are too narrow to be given."""

# Draws depend on numbers of buckets alone: the metrics and segments of a run share them.
_draws = lru_cache(maxsize=4)(bucket_draws)


@dataclass(frozen=True)
class BucketSums:
    """A group's `n` units in buckets of a hash: Σ d (units, for a mean) and Σ y of each."""

    n: int
    counts: Floats
    sums: Floats


def bootstrap(
    treated: BucketSums,
    baseline: BucketSums,
    *,
    significance_level: float,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Returns the difference of Σ y ÷ Σ d with percentile intervals (Efron 1979).

    Both groups are resampled on their own, by bucket. p is twice the smaller share of resamples
    on one side of 0, counting the data themselves, so at least 2 ÷ (n_resamples + 1); `statistic`
    is the effect over the standard deviation of its resamples. The same seed, the same result.
    Who has many of them holds `core.threads.one_thread` around them.
    """
    require_level(significance_level)
    groups = [_held(group) for group in (treated, baseline)]
    arms = [_arm(group) for group in groups]
    status = _status(groups, arms)
    if status != OK:
        found = checked(*arms)
        return without_test(found.treated, found.baseline, status)
    means = [
        resampled_means(
            _draws(len(group.counts), n_resamples, seed + place), group.counts, group.sums
        )
        for place, group in enumerate(groups)
    ]
    value, base = (float(arm.value or 0.0) for arm in arms)
    effects = means[0] - means[1]
    spread = float(effects.std(ddof=1))
    # Resamples of equal values differ by rounding.
    if not spread > TINY * (abs(value) + abs(base)):
        return without_test(arms[0], arms[1], NO_VARIANCE)
    tails = [(1 + int((sign * effects <= 0).sum())) / (1 + n_resamples) for sign in (1, -1)]
    low, high = _bounds(effects, significance_level)
    lift, lift_low, lift_high, status = _lift(value, base, means, significance_level)
    return finite(
        Estimate(
            treated.n, baseline.n, value, base, value - base, low, high,
            lift, lift_low, lift_high, (value - base) / spread, min(1.0, 2 * min(tails)), status,
        )
    )  # fmt: skip


def _held(group: BucketSums) -> BucketSums:
    """Only buckets with a unit: an empty one is no group of units."""
    held = (group.counts != 0) | (group.sums != 0)
    return BucketSums(group.n, group.counts[held], group.sums[held])


def _arm(group: BucketSums) -> Arm:
    total = float(group.counts.sum())
    value = float(group.sums.sum()) / total if total else None
    return Arm(group.n, value, 0.0 if value is None or math.isfinite(value) else math.nan)


def _status(groups: list[BucketSums], arms: list[Arm]) -> str:
    if any(not np.isfinite(group.sums).all() for group in groups):
        return checked(*arms).status
    if any(arm.n and arm.value is None for arm in arms):
        return NO_DENOMINATOR
    if any(len(group.counts) < LEAST_BUCKETS for group in groups):
        return TOO_FEW_UNITS
    return OK


def _bounds(values: Floats, significance_level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [significance_level / 2, 1 - significance_level / 2])
    return float(low), float(high)


def _lift(
    value: float, base: float, means: list[Floats], significance_level: float
) -> tuple[float | None, float | None, float | None, str]:
    """The lift, its interval and the status: no interval where a resampled baseline has no sign."""
    if not base:
        return None, None, None, ZERO_BASELINE
    lift = (value - base) / abs(base)
    if (means[1] * base <= 0).any():
        return lift, None, None, UNCERTAIN_BASELINE
    low, high = _bounds((means[0] - means[1]) / np.abs(means[1]), significance_level)
    return lift, low, high, OK
