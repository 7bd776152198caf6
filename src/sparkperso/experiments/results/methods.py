"""Which methods a metric is compared by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

from sparkperso.config.metrics import Metric
from sparkperso.experiments.statistics.arms import (
    Pair,
    cuped_mean_arms,
    cuped_ratio_arms,
    mean_arms,
    ratio_arms,
)
from sparkperso.experiments.statistics.bayesian import bayesian
from sparkperso.experiments.statistics.comparison import (
    cuped_means,
    cuped_ratios,
    means,
    proportions,
    ratios,
)
from sparkperso.experiments.statistics.estimate import Estimate
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.sequential import sequential

Method = Literal[
    "plain", "cuped", "stratified", "sequential", "sequential_cuped", "bayes", "quantile",
    "mann_whitney", "bootstrap", "main_effect", "interaction",
]  # fmt: skip
Arms = Callable[[Moments, Moments], Pair]

ARMS: Final[Mapping[tuple[bool, bool], Arms]] = {
    (False, False): mean_arms,
    (False, True): cuped_mean_arms,
    (True, False): ratio_arms,
    (True, True): cuped_ratio_arms,
}
"""(is a ratio, with CUPED) → what a comparison is made of."""


def arms_of(metric: Metric, *, with_cuped: bool = False) -> Arms:
    """Returns what makes a value and its variance of moments of a metric."""
    return ARMS[metric.kind == "ratio", with_cuped]


def compare(
    method: Method,
    metric: Metric,
    treated: Moments,
    baseline: Moments,
    *,
    significance_level: float,
    tuned_for: int,
) -> Estimate:
    """Returns a comparison by a method that needs nothing but moments.

    Raises KeyError for the other methods (`quantile`, `mann_whitney`, `bootstrap`, `stratified`).
    """
    pair = {"significance_level": significance_level}
    if method in ("sequential", "sequential_cuped"):
        arms = arms_of(metric, with_cuped=method == "sequential_cuped")
        return sequential(arms(treated, baseline), significance_level, tuned_for)
    if method == "bayes":
        arms = arms_of(metric, with_cuped=has_cuped(metric))
        return bayesian(treated, baseline, arms=arms, **pair).estimate
    if method == "cuped":
        test = cuped_ratios if metric.kind == "ratio" else cuped_means
    elif metric.is_share:
        test = proportions
    else:
        test = ratios if metric.kind == "ratio" else means
    return test(treated, baseline, **pair)


def methods_of(metric: Metric) -> tuple[Method, ...]:
    """Returns the methods that a metric is compared by from its moments, in their order."""
    if metric.kind == "quantile":
        return ()
    plain: tuple[Method, ...] = ("plain", "sequential", "bayes")
    return (*plain, "cuped", "sequential_cuped") if has_cuped(metric) else plain


def decisive_method(metric: Metric, *, is_final: bool) -> Method:
    """Returns the method that a verdict is read from.

    Before its end an experiment is looked at again and again, so that only sequential intervals
    hold; at its end (`is_final`) the fixed test, which finds smaller effects.
    """
    if metric.kind == "quantile":
        return "quantile"
    if has_cuped(metric):
        return "cuped" if is_final else "sequential_cuped"
    return "plain" if is_final else "sequential"


def has_cuped(metric: Metric) -> bool:
    """Says whether the time before the exposure reduces a metric's variance."""
    return metric.covariate and metric.kind != "quantile"
