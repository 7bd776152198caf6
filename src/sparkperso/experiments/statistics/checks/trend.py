"""Whether an effect wears off or grows with the days since exposure: novelty, or learning."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sparkperso.experiments.statistics.arms import Pair, mean_arms
from sparkperso.experiments.statistics.comparison import effect_of
from sparkperso.experiments.statistics.estimate import (
    NO_VARIANCE,
    OK,
    TOO_FEW_UNITS,
    normal_p,
    normal_quantile,
    require_level,
)
from sparkperso.experiments.statistics.moments import Moments

LEAST_DAYS = 3


@dataclass(frozen=True)
class Trend:
    """The change of the effect per day, in the metric's unit, with its interval; None without one.

    `n_days`: those that could be used; `first` and `last`: the fitted effect on them.
    """

    n_days: int
    slope: float | None
    slope_low: float | None
    slope_high: float | None
    first: float | None
    last: float | None
    p_value: float | None
    status: str


def effect_trend(
    days: Mapping[int, tuple[Moments, Moments]],
    *,
    significance_level: float,
    arms: Callable[[Moments, Moments], Pair] = mean_arms,
) -> Trend:
    """Returns the regression of the effect on the day since exposure, weighted by 1 ÷ variance.

    `days`: day → treated and baseline moments of what units did on that day. Days count as
    independent; where the same units come back every day, what they have in common cancels in the
    slope, so that p is rather too large than too small. Fewer than three days: too_few_units.
    """
    require_level(significance_level)
    points = []
    for day, groups in sorted(days.items()):
        pair = arms(*groups)
        if pair.can_be_tested:
            points.append((float(day), *effect_of(pair)))
    if len(points) < LEAST_DAYS:
        return Trend(len(points), *(None,) * 6, status=TOO_FEW_UNITS)
    weights = [1 / variance for _, _, variance in points]
    total = sum(weights)
    middle = sum(w * day for w, (day, _, _) in zip(weights, points, strict=True)) / total
    mean = sum(w * effect for w, (_, effect, _) in zip(weights, points, strict=True)) / total
    spread = sum(w * (day - middle) ** 2 for w, (day, _, _) in zip(weights, points, strict=True))
    rows = zip(weights, points, strict=True)
    slope = sum(w * (day - middle) * effect for w, (day, effect, _) in rows) / spread
    error = 1 / math.sqrt(spread)
    first, last = (mean + slope * (points[place][0] - middle) for place in (0, -1))
    if not all(map(math.isfinite, (slope, error, first, last))):
        return Trend(len(points), *(None,) * 6, status=NO_VARIANCE)
    reach = normal_quantile(significance_level) * error
    return Trend(
        len(points), slope, slope - reach, slope + reach, first, last, normal_p(slope / error), OK
    )
