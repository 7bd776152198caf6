"""The value of a policy from another's decisions: IPS, SNIPS, doubly robust, with intervals.

Each estimate comes with what every decision contributes to it (its influence), of which the normal
interval is made, and with sums from which it can be computed anew, of which the bootstrap is.
Formulas: Horvitz and Thompson (1952) for IPS, Swaminathan and Joachims (2015) for its
self-normalised form, Dudík, Langford and Li (2011) for the doubly robust one, Thomas and Brunskill
(2016) for that with weights that sum to one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from scipy import special

from sparkperso.core.errors import UsageError
from sparkperso.evaluate.bootstrap import bucket_draws
from sparkperso.experiments.offpolicy.logged import Floats, LoggedDecisions

Interval = Literal["normal", "bootstrap"]
OK: Final = "ok"
TOO_FEW: Final = "too_few_decisions"
NO_OVERLAP: Final = "no_overlap"
LOW_OVERLAP: Final = "low_overlap"
NOT_FINITE: Final = "not_finite"
STATUSES: Final = {
    OK: "everything could be computed",
    TOO_FEW: "fewer than two decisions, or two users: no interval",
    NO_OVERLAP: "the judged policy makes none of the choices that were logged: nothing is known",
    LOW_OVERLAP: "the decisions say as little as fewer than 100 unweighted ones: read with caution",
    NOT_FINITE: "a reward or prediction is infinite or not a number",
}
"""Each status, and what it means."""
LEAST_EFFECTIVE: Final = 100
N_BUCKETS: Final = 200
N_RESAMPLES: Final = 2_000


@dataclass(frozen=True)
class PolicyValue:
    """What a decision would earn on average under the judged policy, and what it did earn.

    `gain`: the value less `logged_value`, with its interval; both are of the same decisions, so the
    interval is narrower than that of two experiments. `clipped_share`: of decisions whose weight
    was clipped; then the value is too low where the policy does well. None where the status says
    so; never NaN.
    """

    method: str
    n: int
    value: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    logged_value: float | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    effective_sample_size: float
    clipped_share: float
    status: str


Terms: TypeAlias = tuple[Floats, ...]
"""What is summed up over decisions; the value is a function of the sums."""


@dataclass(frozen=True)
class _Estimator:
    """`terms` of each decision, the value from their sums, and each decision's influence."""

    name: str
    terms: Callable[[LoggedDecisions], Terms]
    value: Callable[[Terms], Floats]
    influence: Callable[[Terms, float], Floats]


def ips(
    logged: LoggedDecisions,
    *,
    significance_level: float = 0.05,
    interval: Interval = "normal",
    seed: int = 0,
) -> PolicyValue:
    """Returns the mean of weight × reward: unbiased, and uncertain where weights are large.

    >>> logged = LoggedDecisions(
    ...     np.array([1.0, 0.0, 1.0, 0.0]), np.full(4, 0.5), np.array([1.0, 0.0, 1.0, 1.0])
    ... )
    >>> ips(logged).value, round(snips(logged).value, 4)
    (1.0, 0.6667)
    """
    return _estimate(_IPS, logged, significance_level, interval, seed)


def snips(
    logged: LoggedDecisions,
    *,
    significance_level: float = 0.05,
    interval: Interval = "normal",
    seed: int = 0,
) -> PolicyValue:
    """Returns the mean of rewards weighted by w: a little biased, and much less uncertain.

    It stays between the least and the largest reward.
    """
    return _estimate(_SNIPS, logged, significance_level, interval, seed)


def doubly_robust(
    logged: LoggedDecisions,
    *,
    significance_level: float = 0.05,
    interval: Interval = "normal",
    seed: int = 0,
) -> PolicyValue:
    """Returns what the model predicts, corrected by w × (reward − prediction).

    Unbiased if either the propensities or the model are right; raises UsageError without a model.
    """
    return _estimate(_DR, _with_model(logged), significance_level, interval, seed)


def self_normalised_doubly_robust(
    logged: LoggedDecisions,
    *,
    significance_level: float = 0.05,
    interval: Interval = "normal",
    seed: int = 0,
) -> PolicyValue:
    """Returns the same with weights that sum to one in the correction."""
    return _estimate(_SNDR, _with_model(logged), significance_level, interval, seed)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """0 where nothing was drawn to divide by."""
    is_drawn = bottom != 0
    found: Floats = np.where(is_drawn, top / np.where(is_drawn, bottom, 1.0), 0.0)
    return found


def _ips_terms(logged: LoggedDecisions) -> Terms:
    return np.ones(len(logged)), logged.weights * logged.rewards


def _snips_terms(logged: LoggedDecisions) -> Terms:
    return logged.weights, logged.weights * logged.rewards


def _dr_terms(logged: LoggedDecisions) -> Terms:
    assert logged.predicted is not None
    assert logged.predicted_target is not None
    rest = logged.weights * (logged.rewards - logged.predicted)
    return np.ones(len(logged)), logged.predicted_target, rest, logged.weights


def _sndr_influence(terms: Terms, _value: float) -> Floats:
    ones, predicted, rest, weights = terms
    correction = rest.sum() / weights.sum()
    around = (rest - weights * correction) / weights.mean()
    found: Floats = predicted - predicted.sum() / ones.sum() + around
    return found


_IPS = _Estimator("ips", _ips_terms, lambda t: _ratio(t[1], t[0]), lambda t, v: t[1] - v)
_SNIPS = _Estimator(
    "snips",
    _snips_terms,
    lambda t: _ratio(t[1], t[0]),
    lambda t, v: (t[1] - v * t[0]) / t[0].mean(),
)
_DR = _Estimator(
    "doubly_robust",
    _dr_terms,
    lambda t: _ratio(t[1] + t[2], t[0]),
    lambda t, v: t[1] + t[2] - v,
)
_SNDR = _Estimator(
    "self_normalised_doubly_robust",
    _dr_terms,
    lambda t: _ratio(t[1], t[0]) + _ratio(t[2], t[3]),
    _sndr_influence,
)


def _estimate(
    estimator: _Estimator,
    logged: LoggedDecisions,
    significance_level: float,
    interval: Interval,
    seed: int,
) -> PolicyValue:
    if not 0 < significance_level < 1:
        raise UsageError(
            "A significance level lies between 0 and 1", f"Found {significance_level}", "Take 0.05"
        )
    n, effective, clipped = len(logged), logged.effective_sample_size, logged.clipped_share
    status = _status(logged)
    if status in {NO_OVERLAP, NOT_FINITE} or not n:
        none = (None,) * 8
        return PolicyValue(estimator.name, n, *none, effective, clipped, status)
    terms = estimator.terms(logged)
    sums: Terms = tuple(np.asarray([term.sum()]) for term in terms)
    value, earned = float(estimator.value(sums)[0]), float(logged.rewards.mean())
    if status == TOO_FEW:
        bare = (value, None, None, None, earned, value - earned, None, None)
        return PolicyValue(estimator.name, n, *bare, effective, clipped, status)
    influence = estimator.influence(terms, value)
    error = _error(influence, logged)
    if interval == "normal":
        reach = float(-special.ndtri(significance_level / 2))
        away = reach * _error(influence - (logged.rewards - earned), logged)
        low, high = value - reach * error, value + reach * error
        gain_low, gain_high = value - earned - away, value - earned + away
    else:
        drawn = _resampled((*terms, logged.rewards, np.ones(n)), logged, seed)
        values = estimator.value(drawn[:-2])
        tails = [significance_level / 2, 1 - significance_level / 2]
        low, high = map(float, np.quantile(values, tails))
        gains = values - _ratio(drawn[-2], drawn[-1])
        gain_low, gain_high = map(float, np.quantile(gains, tails))
    known = (value, low, high, error, earned, value - earned, gain_low, gain_high)
    if not all(map(math.isfinite, known)):
        return PolicyValue(estimator.name, n, *(None,) * 8, effective, clipped, NOT_FINITE)
    return PolicyValue(estimator.name, n, *known, effective, clipped, status)


def _status(logged: LoggedDecisions) -> str:
    arrays = (logged.rewards, logged.predicted, logged.predicted_target)
    if any(values is not None and not np.isfinite(values).all() for values in arrays):
        return NOT_FINITE
    if len(logged) and not logged.weights.any():
        return NO_OVERLAP
    units = len(logged) if logged.groups is None else len(np.unique(logged.groups))
    if units < 2:
        return TOO_FEW
    return OK if logged.effective_sample_size >= LEAST_EFFECTIVE else LOW_OVERLAP


def _error(influence: Floats, logged: LoggedDecisions) -> float:
    """The standard error of a mean of influences, by user where they go together."""
    n = len(influence)
    sums = influence
    if logged.groups is not None:
        sums = np.bincount(_places(logged), influence).astype(np.float64)
    units = len(sums)
    return math.sqrt(units / (units - 1) * float(sums @ sums)) / n


def _resampled(terms: Terms, logged: LoggedDecisions, seed: int) -> Terms:
    """Sums of each term in resamples of buckets of users, or of decisions."""
    rng = np.random.default_rng(seed)
    unit = np.arange(len(logged)) if logged.groups is None else _places(logged)
    n_units = int(unit.max()) + 1
    n_buckets = min(N_BUCKETS, n_units)
    buckets = (rng.permutation(n_units) % n_buckets)[unit]
    draws = bucket_draws(n_buckets, N_RESAMPLES, seed)
    return tuple(draws @ np.bincount(buckets, term, minlength=n_buckets) for term in terms)


def _places(logged: LoggedDecisions) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Each decision's user as a number from 0."""
    assert logged.groups is not None
    places: np.ndarray[tuple[int], np.dtype[np.intp]]
    _, places = np.unique(logged.groups, return_inverse=True)
    return places


def _with_model(logged: LoggedDecisions) -> LoggedDecisions:
    if logged.predicted is None:
        raise UsageError(
            "A doubly robust estimate needs a model's predictions",
            "There are none",
            "Give predicted and predicted_target, or use snips",
        )
    return logged
