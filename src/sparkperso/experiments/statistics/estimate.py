"""What a comparison found: the frozen record that every method returns, and how it is made.

All methods agree in this: an effect is treated minus baseline, a lift is the effect divided by the
baseline's absolute value, no number is NaN or infinite, and what could not be computed is None with
a status that says why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from scipy import special

from sparkperso.core.errors import UsageError

OK: Final = "ok"
TOO_FEW_UNITS: Final = "too_few_units"
NO_VARIANCE: Final = "no_variance"
NO_DENOMINATOR: Final = "no_denominator"
NOT_FINITE: Final = "not_finite"
ZERO_BASELINE: Final = "zero_baseline"
UNCERTAIN_BASELINE: Final = "uncertain_baseline"
NO_COVARIATE: Final = "no_covariate"
FEW_EVENTS: Final = "few_events"
STATUSES: Final = {
    OK: "everything could be computed",
    TOO_FEW_UNITS: "a group has fewer units than the method needs: no interval, no p value",
    NO_VARIANCE: "all units of both groups have the same value: no interval, no p value",
    NO_DENOMINATOR: "the denominator of a ratio is zero in a group: no value there",
    NOT_FINITE: "a sum is infinite or not a number: look at the metric's values, and cap them",
    ZERO_BASELINE: "the baseline's value is zero: there is no lift, all else holds",
    UNCERTAIN_BASELINE: "the baseline's value may be zero: no interval of the lift, all else holds",
    NO_COVARIATE: "nothing varies before the experiment: the figures are those without CUPED",
    FEW_EVENTS: "fewer than five expected successes or failures in a group: read with caution",
}
"""Each status, and what it means."""


@dataclass(frozen=True)
class Estimate:
    """A treated variant against the baseline, in the metric's unit.

    Effect and lift with intervals at 1 − significance_level; `statistic` is what `p_value`
    (two-sided) was read from. None where the status says so; never NaN.
    """

    n: int
    n_baseline: int
    value: float | None
    value_baseline: float | None
    effect: float | None
    effect_low: float | None
    effect_high: float | None
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    statistic: float | None
    p_value: float | None
    status: str

    @property
    def is_usable(self) -> bool:
        """Whether there are an interval and a p value, so that something may be decided by it."""
        return self.p_value is not None and self.effect_low is not None


@dataclass(frozen=True)
class Arm:
    """One group as a comparison sees it: its value and the squared standard error of that.

    `variance` is None where it cannot be known (fewer than two units).
    """

    n: int
    value: float | None
    variance: float | None


def require_level(significance_level: float) -> None:
    """Raises UsageError unless the level is between 0 and 1, such as 0.05."""
    if not 0 < significance_level < 1:
        raise UsageError(
            "A significance level lies between 0 and 1",
            f"Found {significance_level}",
            "Take 0.05 for intervals that cover 95 %",
        )


def without_test(treated: Arm, baseline: Arm, status: str) -> Estimate:
    """Returns what can be said without an interval: values, effect and lift where they are."""
    values = [arm.value for arm in (treated, baseline)]
    effect = lift = None
    if values[0] is not None and values[1] is not None:
        effect = values[0] - values[1]
        lift = effect / abs(values[1]) if values[1] else None
    return finite(
        Estimate(
            treated.n, baseline.n, values[0], values[1],
            effect, None, None, lift, None, None, None, None, status,
        )
    )  # fmt: skip


def with_interval(
    treated: Arm,
    baseline: Arm,
    *,
    quantile: float,
    statistic: float,
    p_value: float,
    status: str = OK,
) -> Estimate:
    """Returns the whole estimate: effect ± quantile × its standard error, and Fieller's lift.

    Both arms have a value and a variance, and the variances are not both zero. `quantile`: how
    many standard errors the interval reaches, infinite ones excepted.
    """
    value, base = treated.value, baseline.value
    assert value is not None
    assert base is not None
    assert treated.variance is not None
    assert baseline.variance is not None
    effect = value - base
    half = quantile * math.sqrt(treated.variance + baseline.variance)
    lift, low, high = fieller(treated, baseline, quantile)
    if status == OK and lift is None:
        status = ZERO_BASELINE
    elif status == OK and low is None:
        status = UNCERTAIN_BASELINE
    return finite(
        Estimate(
            treated.n, baseline.n, value, base, effect, effect - half, effect + half,
            lift, low, high, statistic, p_value, status,
        )
    )  # fmt: skip


def fieller(
    treated: Arm, baseline: Arm, quantile: float
) -> tuple[float | None, float | None, float | None]:
    """Returns lift, low and high (Fieller 1954, for independent means).

    The lifts r − 1 that the test of `treated − r × baseline = 0` does not reject. So it holds 0
    exactly when the effect's interval does, which an interval from the logarithm of the ratio does
    not promise; and it needs no positive values. Bounds are None where the baseline's own interval
    holds 0, since then no finite interval has the coverage; all is None for a baseline of 0.
    """
    value, base = treated.value, baseline.value
    if not base or value is None or treated.variance is None or baseline.variance is None:
        return None, None, None
    ratio, sign = value / base, math.copysign(1.0, base)
    # Relative to the baseline's square, so that very large or small units do not overflow.
    top, bottom = treated.variance / base / base, baseline.variance / base / base
    g = quantile * quantile * bottom
    lift = sign * (ratio - 1)
    if not g < 1:
        return lift, None, None
    within = top - g * top + ratio * ratio * bottom
    half = quantile * math.sqrt(max(within, 0.0)) / (1 - g)
    centre = ratio / (1 - g)
    low, high = sorted((sign * (centre - half - 1), sign * (centre + half - 1)))
    return lift, low, high


def finite(estimate: Estimate) -> Estimate:
    """Returns the estimate as it is, or without its results if any number is not finite."""
    numbers = [v for v in vars(estimate).values() if isinstance(v, float)]
    if all(map(math.isfinite, numbers)):
        return estimate
    values = (estimate.value, estimate.value_baseline)
    value, base = (v if v is not None and math.isfinite(v) else None for v in values)
    return replace(
        estimate,
        value=value, value_baseline=base, effect=None, effect_low=None, effect_high=None,
        lift=None, lift_low=None, lift_high=None, statistic=None, p_value=None, status=NOT_FINITE,
    )  # fmt: skip


def normal_quantile(significance_level: float) -> float:
    """Returns z, such as 1.96 for 0.05 (two-sided)."""
    return float(-special.ndtri(significance_level / 2))


def normal_p(statistic: float) -> float:
    """Returns the two-sided p value of a z statistic."""
    return float(2 * special.ndtr(-abs(statistic)))
