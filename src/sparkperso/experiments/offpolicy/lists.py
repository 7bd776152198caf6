"""The value of lists that were never shown, from lists that were: IPS, SNIPS, doubly robust.

The unit is a place of a decision (a list that was shown). A judged list's item counts where the
decision showed the same item at the same place, with the weight w = 1 ÷ propensity, so nothing is
assumed of how people look at lists: the item-position model of Li et al. (2018), equation 5. What
comes here are sums by place and group of users (`ListSums`), so decisions stay where they are:

1. Sums over groups give the values (`_values`): per place, then added up over the places of a list.
2. Groups are resampled together (Efron 1979); the same function gives each resample's values.
3. The status says what the values may be taken for (`_status`).

Formulas: Horvitz and Thompson (1952) for IPS; Swaminathan and Joachims (2015) for SNIPS, here at
each place, since early places earn more and match more; Dudík, Langford and Li (2011) for DR.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from sparkperso.core.threads import one_thread
from sparkperso.evaluate.bootstrap import bucket_draws
from sparkperso.experiments.offpolicy.estimators import (
    LEAST_EFFECTIVE,
    LOW_OVERLAP,
    NO_OVERLAP,
    OK,
    TOO_FEW,
)
from sparkperso.experiments.offpolicy.logged import Floats

DETERMINISTIC: Final = "deterministic_logging"
SHARED: Final = "shared_items"
LIST_STATUSES: Final = {
    OK: "everything could be computed",
    TOO_FEW: "lists of fewer than two groups of users: no interval",
    NO_OVERLAP: "no list shows an item where the model would: nothing is known",
    LOW_OVERLAP: "the matching places say as little as fewer than 100 unweighted ones: read with "
    "caution",
    SHARED: "weights of matching places add up to more places than there are: variants show the "
    "same items, so that their propensities are too low; read with caution",
    DETERMINISTIC: "nothing was drawn (every propensity is 1): what other lists would have earned "
    "cannot be known",
}
"""Each status, and what it means."""
METHODS: Final = ("ips", "snips", "doubly_robust")
SURE: Final = 3
"""Standard errors by which weights must add up to too many places before it is called that."""
DECIMALS: Final = 6
Value: TypeAlias = tuple[float | None, float | None, float | None]
"""A value, and the ends of its interval; None where the status says why."""
UNKNOWN: Final[Value] = (None, None, None)


@dataclass(frozen=True)
class ListSums:
    """Sums over decisions by group of users and place of the list; arrays (groups, places).

    Groups without decisions may be there or not.
    """

    n: Floats
    """Decisions whose list has the place."""
    matches: Floats
    """Of them, those that show the judged item there."""
    weights: Floats
    """Σ w, w = match ÷ propensity."""
    squares: Floats
    """Σ w²."""
    rewards: Floats
    """Σ reward, of whatever was shown."""
    weighted: Floats
    """Σ w · reward."""
    predicted: Floats
    """Σ of the rewards that a click model, fitted on other users, expects of the judged items."""
    residuals: Floats
    """Σ w · (reward − predicted)."""


@dataclass(frozen=True)
class ListValue:
    """What a decision would earn on average with the judged lists, and what it did earn.

    `values` and `gains` (the value less `logged`, of the same decisions) are by method, each with
    its interval. `overlap`: the share of places where the judged item was shown. `coverage`: the
    mean weight of a place, which estimates the share that the logging variants could show; of the
    rest IPS counts nothing, SNIPS as much as of the others at that place, DR what the click model
    expects. `effective_sample_size`: how many unweighted matching places say as much.
    """

    n: int
    logged: float | None
    overlap: float | None
    coverage: float | None
    effective_sample_size: float
    values: Mapping[str, Value]
    gains: Mapping[str, Value]
    status: str

    def as_dict(self) -> dict[str, Any]:
        """Returns everything as plain values, for a document."""
        return {
            "n": self.n,
            "logged": self.logged,
            "overlap": self.overlap,
            "coverage": self.coverage,
            "effective_sample_size": self.effective_sample_size,
            "values": {name: list(value) for name, value in self.values.items()},
            "gains": {name: list(value) for name, value in self.gains.items()},
            "status": self.status,
        }

    def metrics(self) -> dict[str, float]:
        """Returns what is known as figures: `snips`, `snips_low`, `snips_gain`, …, `n`."""
        found: dict[str, float | None] = {
            "n": float(self.n),
            "logged": self.logged,
            "overlap": self.overlap,
            "coverage": self.coverage,
            "effective_sample_size": self.effective_sample_size,
        }
        for method, value in self.values.items():
            ends = zip(("", "_low", "_high"), value, strict=True)
            found |= {f"{method}{end}": one for end, one in ends}
        for method, gain in self.gains.items():
            ends = zip(("", "_low", "_high"), gain, strict=True)
            found |= {f"{method}_gain{end}": one for end, one in ends}
        return {name: one for name, one in found.items() if one is not None}


@one_thread()
def list_value(
    sums: ListSums,
    *,
    is_drawn: bool = True,
    n_resamples: int = 2_000,
    level: float = 0.95,
    seed: int = 0,
) -> ListValue:
    """Returns the value of the judged lists per decision, in the unit of the rewards.

    `is_drawn`: whether the decisions were drawn; else only the overlap is told. Rounded to 6
    decimals.

    >>> def at_one_place(*of_groups: float) -> Floats:
    ...     return np.array(of_groups)[:, None]
    >>> few = ListSums(
    ...     n=at_one_place(2, 2), matches=at_one_place(1, 1), weights=at_one_place(2, 2),
    ...     squares=at_one_place(4, 4), rewards=at_one_place(1, 1), weighted=at_one_place(2, 0),
    ...     predicted=at_one_place(1, 1), residuals=at_one_place(1, -1),
    ... )
    >>> found = list_value(few)
    >>> found.logged, found.values["snips"][0], found.coverage, found.status
    (0.5, 0.5, 1.0, 'low_overlap')
    """
    some = sums.n.sum(axis=1) > 0
    stacked = _stacked(sums)[:, some]
    total, n_groups = stacked.sum(axis=1, keepdims=True), int(some.sum())
    lists, places = _decisions(total), float(total[_N].sum())
    if not lists[0]:
        return ListValue(0, None, None, None, 0.0, {}, {}, TOO_FEW)
    weight, square = float(total[_W].sum()), float(total[_W2].sum())
    overlap, coverage = float(total[_MATCHES].sum()) / places, weight / places
    logged = _logged(total)
    effective = weight**2 / square if square else 0.0
    known = (int(lists[0]), _rounded(logged[0]), _rounded(overlap))
    if not is_drawn:
        return ListValue(*known, None, 0.0, {}, {}, DETERMINISTIC)
    figures = (*known, _rounded(coverage), round(effective, 1))
    if not weight:
        return ListValue(*figures, {}, {}, NO_OVERLAP)
    values = {method: float(own[0]) for method, own in _values(total).items()}
    if n_groups < 2:
        bare = {name: (_rounded(one), None, None) for name, one in values.items()}
        gains = {n: (_rounded(one - float(logged[0])), None, None) for n, one in values.items()}
        return ListValue(*figures, bare, gains, TOO_FEW)
    drawn = bucket_draws(n_groups, n_resamples, seed)
    # One product per sum, so that what is held is resamples × places.
    resampled = np.stack([drawn @ one for one in stacked])
    tails = [(1 - level) / 2, (1 + level) / 2]
    of_logged, resampled_values = _logged(resampled), _values(resampled)

    def with_ends(value: float, draws: Floats) -> Value:
        low, high = np.quantile(draws, tails)
        return _rounded(value), _rounded(float(low)), _rounded(float(high))

    spread = float(_ratio(resampled[_W].sum(axis=1), resampled[_N].sum(axis=1)).std())
    return ListValue(
        *figures,
        {name: with_ends(one, resampled_values[name]) for name, one in values.items()},
        {
            name: with_ends(one - float(logged[0]), resampled_values[name] - of_logged)
            for name, one in values.items()
        },
        _status(effective, coverage - SURE * spread),
    )


_N, _MATCHES, _W, _W2, _R, _WR, _Q, _RESIDUAL = range(8)
"""Places of the sums in a stack (sums, draws, places)."""


def _stacked(sums: ListSums) -> Floats:
    parts = (sums.n, sums.matches, sums.weights, sums.squares)
    return np.stack([*parts, sums.rewards, sums.weighted, sums.predicted, sums.residuals])


def _decisions(stack: Floats) -> Floats:
    """Returns the decisions of each draw: every list has a first place."""
    found: Floats = stack[_N][:, 0]
    return found


def _logged(stack: Floats) -> Floats:
    return _ratio(stack[_R].sum(axis=1), _decisions(stack))


def _values(stack: Floats) -> dict[str, Floats]:
    """Returns the value of each draw by method.

    SNIPS at a place where nothing matches is what was earned there: nothing speaks for a gain, nor
    against it.
    """
    lists = _decisions(stack)
    earned = _ratio(stack[_R], stack[_N])
    rates = np.where(stack[_W] > 0, _ratio(stack[_WR], stack[_W]), earned)
    robust = stack[_Q] + stack[_RESIDUAL]
    return {
        "ips": _ratio(stack[_WR].sum(axis=1), lists),
        "snips": _ratio((stack[_N] * rates).sum(axis=1), lists),
        "doubly_robust": _ratio(robust.sum(axis=1), lists),
    }


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """0 where nothing was drawn to divide by."""
    is_some = bottom != 0
    found: Floats = np.where(is_some, top / np.where(is_some, bottom, 1.0), 0.0)
    return found


def _status(effective: float, least_coverage: float) -> str:
    if least_coverage > 1:
        return SHARED
    return OK if effective >= LEAST_EFFECTIVE else LOW_OVERLAP


def _rounded(value: float) -> float:
    assert math.isfinite(value), "sums of finite rewards and weights"
    return round(float(value), DECIMALS)
