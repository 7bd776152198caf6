"""A Bayesian summary of an effect: how probably a variant is better, and what a wrong choice costs.

The effect is taken as normal around what was measured, and before that as normal around 0 with a
standard deviation of 30 % of the metric's value: a lift of 30 % either way is unsurprising, one of
100 % is not expected. After some hundred units this prior hardly matters. The figures do not say
how often one errs when one looks again and again; for that there is `sequential`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from scipy import special

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.arms import Pair, mean_arms
from sparkperso.experiments.statistics.comparison import effect_of
from sparkperso.experiments.statistics.estimate import (
    Estimate,
    finite,
    normal_quantile,
    require_level,
    without_test,
)
from sparkperso.experiments.statistics.moments import Moments

PRIOR_LIFT: Final = 0.3
"""Standard deviation of the lift before anything is measured."""


@dataclass(frozen=True)
class Posterior:
    """What is believed of the effect after the data.

    `estimate`: the posterior mean as effect, with a credible interval, and the lift alike;
    `statistic` is the probability to be better, and there is no p value. `expected_loss`: what
    is lost per unit, on average, by choosing the treated variant though it may be worse;
    `expected_loss_baseline`: by keeping the baseline. In the metric's unit, for a metric that is
    better when it is larger; otherwise the two losses change places and the probability is 1 − p.
    None where the status says so.
    """

    estimate: Estimate
    probability_better: float | None
    expected_loss: float | None
    expected_loss_baseline: float | None

    @property
    def status(self) -> str:
        """The estimate's."""
        return self.estimate.status


def bayesian(
    treated: Moments,
    baseline: Moments,
    *,
    significance_level: float,
    arms: Callable[[Moments, Moments], Pair] = mean_arms,
    prior_lift: float = PRIOR_LIFT,
) -> Posterior:
    """Returns the posterior of the effect; `arms` chooses means, ratios or CUPED.

    The interval holds the effect with probability 1 − significance_level. `prior_lift`: the
    prior's standard deviation as a share of the value of both groups together; infinite for none.

    >>> found = bayesian(
    ...     Moments.from_counts(120, 1000), Moments.from_counts(100, 1000), significance_level=0.05
    ... )
    >>> round(found.probability_better, 3), round(found.expected_loss, 5)
    (0.906, 0.00057)
    """
    require_level(significance_level)
    if not prior_lift > 0:
        raise UsageError(
            "A prior's width is a share above 0", f"Found {prior_lift}", f"Take {PRIOR_LIFT}"
        )
    pair = arms(treated, baseline)
    if not pair.can_be_tested:
        return Posterior(without_test(pair.treated, pair.baseline, pair.status), *(None,) * 3)
    effect, variance = effect_of(pair)
    width = prior_lift * _common_value(pair)
    # A power would raise an error where the product is infinite.
    prior = width * width
    # A flat prior where the metric is 0 on average, so that no share of it says anything.
    keep = prior / (prior + variance) if 0 < prior < math.inf else 1.0
    mean, error = keep * effect, math.sqrt(keep * variance)
    reach = normal_quantile(significance_level) * error
    estimate = without_test(pair.treated, pair.baseline, pair.status)
    better = float(special.ndtr(mean / error))
    base = abs(estimate.value_baseline or 0.0)
    lifts = (mean / base, (mean - reach) / base, (mean + reach) / base) if base else (None,) * 3
    estimate = finite(
        replace(
            estimate,
            effect=mean, effect_low=mean - reach, effect_high=mean + reach,
            lift=lifts[0], lift_low=lifts[1], lift_high=lifts[2], statistic=better,
        )
    )  # fmt: skip
    return Posterior(estimate, better, _loss(mean, error), _loss(-mean, error))


def _common_value(pair: Pair) -> float:
    """The value of both groups together, weighted by units."""
    units = pair.treated.n + pair.baseline.n
    first, second = pair.treated.value or 0.0, pair.baseline.value or 0.0
    return abs(first * (pair.treated.n / units) + second * (pair.baseline.n / units))


def _loss(mean: float, error: float) -> float:
    """E max(−effect, 0) of a normal effect: σ φ(μ ÷ σ) − μ Φ(−μ ÷ σ)."""
    z = mean / error
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return max(error * density - mean * float(special.ndtr(-z)), 0.0)
