"""Quantiles of two groups, such as the median or the 95th percentile of a waiting time.

The standard error comes from two further percentiles of the same values, between which the true
quantile lies in 95 % of samples (Deng, Knoblich and Lu 2018, section 4); no density is estimated.
One value per unit: with several, which go together, it would be too small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.arms import Pair, checked
from sparkperso.experiments.statistics.comparison import effect_of
from sparkperso.experiments.statistics.estimate import (
    OK,
    TOO_FEW_UNITS,
    Arm,
    Estimate,
    normal_p,
    normal_quantile,
    require_level,
    with_interval,
    without_test,
)

REACH: Final = normal_quantile(0.05)
"""Standard errors from the quantile to the two percentiles beside it."""


@dataclass(frozen=True)
class QuantileRange:
    """A group's quantile `value` of `n` units, and its percentiles by `bounding_percentiles`.

    `low` and `high` are None where there are too few units for them.
    """

    n: int
    value: float | None
    low: float | None
    high: float | None


def bounding_percentiles(n: int, quantile: float) -> tuple[float, float] | None:
    """Returns the percentiles whose values give the standard error, as shares; None for small n.

    q ± 1.96 √(q (1 − q) ÷ n). Raises UsageError unless 0 < quantile < 1.

    >>> bounding_percentiles(9604, 0.5)
    (0.49, 0.51)
    >>> bounding_percentiles(100, 0.99)
    """
    if not 0 < quantile < 1:
        raise UsageError(
            "A quantile lies between 0 and 1", f"Found {quantile}", "Take 0.5 for the median"
        )
    if not n:
        return None
    reach = REACH * math.sqrt(quantile * (1 - quantile) / n)
    low, high = round(quantile - reach, 6), round(quantile + reach, 6)
    return (low, high) if low > 0 and high < 1 else None


def quantiles(
    treated: QuantileRange, baseline: QuantileRange, *, significance_level: float
) -> Estimate:
    """Returns the difference of two groups' quantiles, by the normal curve; `statistic` is z."""
    require_level(significance_level)
    pair = checked(_arm(treated), _arm(baseline))
    has_both = None not in (pair.treated.variance, pair.baseline.variance)
    if not has_both and pair.status == OK:
        pair = Pair(pair.treated, pair.baseline, TOO_FEW_UNITS)
    if not pair.can_be_tested:
        return without_test(pair.treated, pair.baseline, pair.status)
    effect, variance = effect_of(pair)
    z = effect / math.sqrt(variance)
    return with_interval(
        pair.treated,
        pair.baseline,
        quantile=normal_quantile(significance_level),
        statistic=z,
        p_value=normal_p(z),
    )


def _arm(group: QuantileRange) -> Arm:
    if group.value is None or group.low is None or group.high is None:
        return Arm(group.n, group.value, None)
    error = (group.high - group.low) / (2 * REACH)
    return Arm(group.n, group.value, error * error)
