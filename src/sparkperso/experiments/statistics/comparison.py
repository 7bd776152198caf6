"""A treated variant against the baseline: proportions, means and ratios, plain or with CUPED.

Each takes the moments of both groups and returns an `Estimate`; what each is good for stands in
docs/experiments-statistics.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy import special

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.arms import (
    ArmsOf,
    Pair,
    checked,
    cuped_mean_arms,
    cuped_ratio_arms,
    mean_arms,
    ratio_arms,
)
from sparkperso.experiments.statistics.estimate import (
    FEW_EVENTS,
    NO_VARIANCE,
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
from sparkperso.experiments.statistics.moments import Moments

LEAST_EXPECTED = 5
"""Expected successes and failures below which the normal curve is a poor guide (Cochran 1954)."""


def proportions(treated: Moments, baseline: Moments, *, significance_level: float) -> Estimate:
    """Returns the two-proportion z test: pooled variance in the test, unpooled in the interval.

    The square of `statistic` is Pearson's χ² without continuity correction. Since the two
    variances differ, p and interval may disagree at the very margin. Raises UsageError unless y
    is a share.

    >>> found = proportions(
    ...     Moments.from_counts(182, 2221), Moments.from_counts(256, 2223), significance_level=0.05
    ... )
    >>> round(found.statistic, 2), round(found.p_value, 4), found.status
    (-3.71, 0.0002, 'ok')
    """
    require_level(significance_level)
    pair = checked(_proportion(treated), _proportion(baseline))
    both = treated.merge(baseline)
    share = both.mean("y")
    if pair.status == NO_VARIANCE and 0 < share < 1:
        # All of one group and none of the other: an interval of no width would be too sure.
        pair = Pair(*_of_share(share, pair.treated, pair.baseline))
    if not pair.can_be_tested:
        return without_test(pair.treated, pair.baseline, pair.status)
    pooled = share * (1 - share) * (1 / treated.n + 1 / baseline.n)
    statistic = (treated.mean("y") - baseline.mean("y")) / math.sqrt(pooled)
    expected = min(share, 1 - share) * min(treated.n, baseline.n)
    return with_interval(
        pair.treated,
        pair.baseline,
        quantile=normal_quantile(significance_level),
        statistic=statistic,
        p_value=normal_p(statistic),
        status=OK if expected >= LEAST_EXPECTED else FEW_EVENTS,
    )


def means(treated: Moments, baseline: Moments, *, significance_level: float) -> Estimate:
    """Returns Welch's t test of the means of y, for groups of unequal variance (Welch 1947).

    >>> drug = Moments.from_rows([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    >>> other = Moments.from_rows([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    >>> found = means(drug, other, significance_level=0.05)
    >>> round(found.statistic, 4), round(found.p_value, 5)
    (1.8608, 0.07939)
    """
    return welch(mean_arms(treated, baseline), significance_level)


def ratios(treated: Moments, baseline: Moments, *, significance_level: float) -> Estimate:
    """Returns the test of Σ y ÷ Σ d where d varies by unit, by the delta method and Welch's t."""
    return welch(ratio_arms(treated, baseline), significance_level)


def cuped_means(treated: Moments, baseline: Moments, *, significance_level: float) -> Estimate:
    """Returns Welch's t test of means of y adjusted by x, the same before the experiment (CUPED).

    The variance falls by (1 − ρ²), ρ the correlation of y and x. Without a variance of x the
    figures are those of `means`, with the status no_covariate.
    """
    return welch(cuped_mean_arms(treated, baseline), significance_level)


def cuped_ratios(treated: Moments, baseline: Moments, *, significance_level: float) -> Estimate:
    """Returns the test of ratios y ÷ d adjusted by the same ratio before, x ÷ w (CUPED).

    Without such a ratio the figures are those of `ratios`, with the status no_covariate.
    """
    return welch(cuped_ratio_arms(treated, baseline), significance_level)


def welch(pair: Pair, significance_level: float, *, freedom: float | None = None) -> Estimate:
    """Returns the comparison of two independent values by Student's t.

    Degrees of freedom, if not given, as Welch and Satterthwaite have them, from the shares of each
    group in the variance of the effect.
    """
    require_level(significance_level)
    if not pair.can_be_tested:
        return without_test(pair.treated, pair.baseline, pair.status)
    effect, variance = effect_of(pair)
    if freedom is None:
        share = (pair.treated.variance or 0.0) / variance
        freedom = 1 / (
            share * share / (pair.treated.n - 1) + (1 - share) * (1 - share) / (pair.baseline.n - 1)
        )
    statistic = effect / math.sqrt(variance)
    return with_interval(
        pair.treated,
        pair.baseline,
        quantile=float(-special.stdtrit(freedom, significance_level / 2)),
        statistic=statistic,
        p_value=float(2 * special.stdtr(freedom, -abs(statistic))),
        status=pair.status,
    )


def effect_of(pair: Pair) -> tuple[float, float]:
    """Returns treated − baseline and the variance of that, for a pair that can be tested."""
    treated, baseline = pair.treated, pair.baseline
    assert treated.value is not None
    assert baseline.value is not None
    return treated.value - baseline.value, (treated.variance or 0.0) + (baseline.variance or 0.0)


@dataclass(frozen=True)
class ChiSquare:
    """Pearson's χ² over variants; None where the status says why."""

    statistic: float | None
    freedom: int
    p_value: float | None
    status: str


def chi_square(variants: Sequence[Moments]) -> ChiSquare:
    """Returns whether shares differ among any number of variants, without continuity correction.

    Of two variants it is the square of the z of `proportions`, with the same p value.
    """
    held = [group for group in variants if group.n]
    freedom = max(len(held) - 1, 0)
    if not freedom:
        return ChiSquare(None, freedom, None, TOO_FEW_UNITS)
    share = Moments.merged(held).mean("y")
    if not 0 < share < 1:
        return ChiSquare(None, freedom, None, NO_VARIANCE)
    away = sum(group.n * (group.mean("y") - share) * (group.mean("y") - share) for group in held)
    statistic = away / (share * (1 - share))
    few = min(share, 1 - share) * min(group.n for group in held) < LEAST_EXPECTED
    p_value = float(special.chdtrc(freedom, statistic))
    return ChiSquare(statistic, freedom, p_value, FEW_EVENTS if few else OK)


def _of_share(share: float, treated: Arm, baseline: Arm) -> tuple[Arm, Arm]:
    """The same values with the variances of a share that both groups have together."""
    variance = share * (1 - share)
    return (
        replace(treated, variance=variance / treated.n),
        replace(baseline, variance=variance / baseline.n),
    )


def _proportion(group: Moments) -> Arm:
    share = group.mean("y")
    if not 0 <= share <= 1:
        raise UsageError(
            "A proportion's y is 0 or 1 of each unit",
            f"Its mean is {share}",
            "Use `means` for such a metric",
        )
    if not group.n:
        return Arm(0, None, None)
    return Arm(group.n, share, share * (1 - share) / group.n)


ARMS: dict[str, ArmsOf] = {
    "means": mean_arms,
    "ratios": ratio_arms,
    "cuped_means": cuped_mean_arms,
    "cuped_ratios": cuped_ratio_arms,
}
"""What can be judged by any of the methods, by name."""
