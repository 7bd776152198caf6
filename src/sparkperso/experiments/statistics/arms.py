"""The value of a metric in each group and its standard error, from moments.

Means, ratios, and both with CUPED; every judgement (Welch, sequential, Bayesian) starts from here.
Ratios by the delta method (Deng, Knoblich and Lu 2018, eq. 2–4), CUPED by Deng, Xu, Kohavi and
Walker (2013), with one coefficient from both groups together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from sparkperso.experiments.statistics.estimate import (
    NO_COVARIATE,
    NO_DENOMINATOR,
    NO_VARIANCE,
    NOT_FINITE,
    OK,
    TOO_FEW_UNITS,
    Arm,
)
from sparkperso.experiments.statistics.moments import Moments, Quantity

TINY: Final = 1e-12
"""A variance below this share of what it is the rest of is rounding, and counts as none."""


@dataclass(frozen=True)
class Pair:
    """Both groups, and OK or why no interval can follow."""

    treated: Arm
    baseline: Arm
    status: str = OK

    @property
    def can_be_tested(self) -> bool:
        """Whether values and a variance are there."""
        return self.status in {OK, NO_COVARIATE}


ArmsOf: TypeAlias = Callable[[Moments, Moments], Pair]


def mean_arms(treated: Moments, baseline: Moments) -> Pair:
    """Returns the means of y; their variances are s² ÷ n."""
    return checked(mean_arm(treated), mean_arm(baseline))


def ratio_arms(treated: Moments, baseline: Moments) -> Pair:
    """Returns mean y ÷ mean d, so Σ y ÷ Σ d, and its variance by the delta method."""
    return checked(_ratio(treated, "y", "d"), _ratio(baseline, "y", "d"), is_ratio=True)


def cuped_mean_arms(treated: Moments, baseline: Moments) -> Pair:
    """Returns means of y less what x explains of them, θ (x̄ − x̄ of all).

    θ = cov(y, x) ÷ var(x) over both groups. Without a variance of x these are the plain means.
    The variance takes the mean of all as given: it is common to both and leaves their difference.
    """
    plain = mean_arms(treated, baseline)
    both = treated.merge(baseline)
    spread = 0.0 if both.n < 2 else both.variance("x")
    if not plain.can_be_tested or not _is_more_than_rounding(spread, both.mean("x")):
        return without_covariate(plain)
    slope = both.covariance("y", "x") / spread
    arms = []
    for arm, group in ((plain.treated, treated), (plain.baseline, baseline)):
        assert arm.value is not None
        terms = (
            group.variance("y"),
            -2 * slope * group.covariance("y", "x"),
            slope * slope * group.variance("x"),
        )
        value = arm.value - slope * (group.mean("x") - both.mean("x"))
        arms.append(Arm(arm.n, value, _rest(terms) / arm.n))
    return checked(*arms)


def cuped_ratio_arms(treated: Moments, baseline: Moments) -> Pair:
    """Returns ratios y ÷ d less what the same ratio before, x ÷ w, explains of them.

    Both are linearised, (y − r d) ÷ d̄ and (x − q w) ÷ w̄; θ is the covariance of the two over the
    variance of the second, over both groups, and each group's variance has its own covariance.
    Where the ratio before does not exist or vary, these are the plain ratios.
    """
    plain = ratio_arms(treated, baseline)
    both = treated.merge(baseline)
    before = [_ratio(group, "x", "w") for group in (treated, baseline, both)]
    if not plain.can_be_tested or any(not arm.variance for arm in before):
        return without_covariate(plain)
    # Both variances are those of means, ÷ n; so is the covariance.
    slope = _ratio_covariance(both) / (before[2].variance or math.nan)
    arms = []
    rows = zip((plain.treated, plain.baseline), before, (treated, baseline), strict=False)
    for arm, earlier, group in rows:
        assert arm.value is not None
        assert arm.variance is not None
        assert earlier.value is not None
        assert earlier.variance is not None
        assert before[2].value is not None
        terms = (
            arm.variance,
            -2 * slope * _ratio_covariance(group),
            slope * slope * earlier.variance,
        )
        value = arm.value - slope * (earlier.value - before[2].value)
        arms.append(Arm(arm.n, value, _rest(terms)))
    return checked(*arms)


def without_covariate(plain: Pair) -> Pair:
    """Returns the same arms; where they can be tested, with the status that CUPED did nothing."""
    return Pair(plain.treated, plain.baseline, NO_COVARIATE if plain.status == OK else plain.status)


def checked(treated: Arm, baseline: Arm, *, is_ratio: bool = False) -> Pair:
    """Returns the arms with the first reason why they cannot be tested, in a fixed order."""
    arms = (treated, baseline)
    numbers = [number for arm in arms for number in (arm.value, arm.variance) if number is not None]
    if not all(map(math.isfinite, numbers)):
        treated, baseline = (Arm(arm.n, _finite(arm.value), None) for arm in arms)
        return Pair(treated, baseline, NOT_FINITE)
    if is_ratio and any(arm.n and arm.value is None for arm in arms):
        return Pair(treated, baseline, NO_DENOMINATOR)
    if any(arm.n < 2 for arm in arms):
        return Pair(treated, baseline, TOO_FEW_UNITS)
    if not any(arm.variance for arm in arms):
        return Pair(treated, baseline, NO_VARIANCE)
    return Pair(treated, baseline)


def mean_arm(group: Moments) -> Arm:
    """Returns the mean of y of one group, which may be infinite or no number: `checked` sees."""
    if group.n < 2:
        return Arm(group.n, group.mean("y") if group.n else None, None)
    spread, mean = group.variance("y"), group.mean("y")
    kept = spread if _is_more_than_rounding(spread, mean) else 0.0
    return Arm(group.n, mean, kept / group.n)


def _ratio(group: Moments, top: Quantity, bottom: Quantity) -> Arm:
    """A ratio of means by the delta method: (s_aa − 2 r s_ab + r² s_bb) ÷ (n b̄²)."""
    mean = group.mean(bottom)
    if not group.n or not mean:
        return Arm(group.n, None, None)
    ratio = group.mean(top) / mean
    if group.n < 2:
        return Arm(group.n, ratio, None)
    terms = (
        group.variance(top),
        -2 * ratio * group.covariance(top, bottom),
        ratio * ratio * group.variance(bottom),
    )
    rest = _rest(terms)
    # With a constant denominator this is a mean, whose rounding is held against its own size.
    rest = rest if _is_more_than_rounding(rest, group.mean(top)) else 0.0
    return Arm(group.n, ratio, rest / mean / mean / group.n)


def _ratio_covariance(group: Moments) -> float:
    """The covariance of y ÷ d and x ÷ w, two ratios of means of the same n units."""
    y, d, x, w = (group.mean(name) for name in ("y", "d", "x", "w"))
    first, second = y / d, x / w
    linearised = (
        group.covariance("y", "x")
        - second * group.covariance("y", "w")
        - first * group.covariance("d", "x")
        + first * second * group.covariance("d", "w")
    )
    return linearised / d / w / group.n


def _rest(terms: tuple[float, ...]) -> float:
    """The sum of terms that may cancel; 0 where all that is left is rounding."""
    total = sum(terms)
    return total if not total <= TINY * sum(map(abs, terms)) else 0.0


def _is_more_than_rounding(variance: float, mean: float) -> bool:
    """Whether values vary, or one value was added up with rounding; True for NaN, seen later."""
    return not math.sqrt(variance) <= TINY * abs(mean)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
