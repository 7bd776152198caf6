"""Intervals and p values that hold however often one looks, from the first look on.

Asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2023, theorem 2.2
and section B.2): over all looks together the true effect leaves the interval in at most a share
`significance_level` of experiments, once there are some hundred units. The price is a wider
interval; it is narrowest, relative to the ordinary one, near `tuned_for` units in both groups.
"""

from __future__ import annotations

import math
from typing import Final

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.arms import (
    Pair,
    cuped_mean_arms,
    cuped_ratio_arms,
    mean_arms,
    ratio_arms,
)
from sparkperso.experiments.statistics.comparison import effect_of
from sparkperso.experiments.statistics.estimate import (
    Estimate,
    require_level,
    with_interval,
    without_test,
)
from sparkperso.experiments.statistics.moments import Moments

TUNED_FOR: Final = 5_000
"""Units in both groups at which the sequence is to be narrowest."""


def sequential_means(
    treated: Moments, baseline: Moments, *, significance_level: float, tuned_for: int = TUNED_FOR
) -> Estimate:
    """Returns the always-valid comparison of means of y, so of proportions as well.

    `p_value` is below the level exactly when the interval leaves out 0. It may rise again with the
    next look; the least of all looks so far is valid, too.

    >>> one, other = Moments.from_counts(560, 5000), Moments.from_counts(500, 5000)
    >>> found = sequential_means(one, other, significance_level=0.05)
    >>> found.effect_low < 0 < found.effect_high, found.p_value > 0.05
    (True, True)
    """
    return sequential(mean_arms(treated, baseline), significance_level, tuned_for)


def sequential_ratios(
    treated: Moments, baseline: Moments, *, significance_level: float, tuned_for: int = TUNED_FOR
) -> Estimate:
    """Returns the always-valid comparison of Σ y ÷ Σ d (delta method)."""
    return sequential(ratio_arms(treated, baseline), significance_level, tuned_for)


def sequential_cuped_means(
    treated: Moments, baseline: Moments, *, significance_level: float, tuned_for: int = TUNED_FOR
) -> Estimate:
    """Returns the always-valid comparison of means adjusted by CUPED."""
    return sequential(cuped_mean_arms(treated, baseline), significance_level, tuned_for)


def sequential_cuped_ratios(
    treated: Moments, baseline: Moments, *, significance_level: float, tuned_for: int = TUNED_FOR
) -> Estimate:
    """Returns the always-valid comparison of ratios adjusted by CUPED."""
    return sequential(cuped_ratio_arms(treated, baseline), significance_level, tuned_for)


def sequential(pair: Pair, significance_level: float, tuned_for: int = TUNED_FOR) -> Estimate:
    """Returns the comparison of two values by an asymptotic confidence sequence.

    With n units in both groups, z the effect over its standard error and v = n ρ² + 1, the
    martingale of the normal mixture is exp(z² (v − 1) ÷ 2v) ÷ √v; p is 1 over it, and the interval
    holds the effects for which it stays below 1 ÷ significance_level. `statistic` is z.
    """
    require_level(significance_level)
    spread = mixture_spread(significance_level, tuned_for)
    if not pair.can_be_tested:
        return without_test(pair.treated, pair.baseline, pair.status)
    effect, variance = effect_of(pair)
    units = pair.treated.n + pair.baseline.n
    v = units * spread * spread + 1
    z = effect / math.sqrt(variance)
    log_martingale = z * z * (v - 1) / (2 * v) - math.log(v) / 2
    return with_interval(
        pair.treated,
        pair.baseline,
        quantile=sequential_quantile(units, significance_level, tuned_for),
        statistic=z,
        p_value=math.exp(-max(log_martingale, 0.0)),
        status=pair.status,
    )


def sequential_quantile(units: float, significance_level: float, tuned_for: int) -> float:
    """Returns how many standard errors the interval reaches, with so many units in both groups.

    At 5,000 units it is 3.04 standard errors for a level of 0.05, where one look needs 1.96.

    >>> round(sequential_quantile(5_000, 0.05, 5_000), 2)
    3.04
    """
    spread = mixture_spread(significance_level, tuned_for)
    v = units * spread * spread + 1
    return math.sqrt(2 * v / (v - 1) * math.log(math.sqrt(v) / significance_level))


def mixture_spread(significance_level: float, tuned_for: int) -> float:
    """Returns ρ, at which the interval is about narrowest at `tuned_for` units.

    √((−2 ln α + ln(−2 ln α) + 1) ÷ units), the paper's approximation to Lambert's W.
    """
    if tuned_for < 1:
        raise UsageError(
            "A sequence is tuned for one unit or more", f"Found {tuned_for}", "Take 5,000"
        )
    log = -2 * math.log(significance_level)
    # For levels near 1 the second logarithm would turn the whole negative.
    return math.sqrt((log + math.log(max(log, 1.0)) + 1) / tuned_for)
