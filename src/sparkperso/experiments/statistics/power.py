"""How many units an experiment needs, how long they take, and what so many would show.

Normal approximations by statsmodels, for two-sided tests of one treated variant against the
baseline; with several comparisons the level is divided by their number (Bonferroni), which is what
the plan can promise before anything is measured. Below some hundred units per variant these are
a few units too low.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scipy import optimize, special

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.arms import Pair, mean_arms
from sparkperso.experiments.statistics.estimate import (
    NO_VARIANCE,
    OK,
    ZERO_BASELINE,
    normal_quantile,
    require_level,
)
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.sequential import TUNED_FOR, sequential_quantile

POWER: Final = 0.8
MOST_UNITS: Final = 1e15
"""No shop has so many; beyond, an effect counts as too small to be found."""
TOO_SMALL: Final = "effect_too_small"
NO_UNITS: Final = "no_new_units"
WEEK: Final = 7


@dataclass(frozen=True)
class Expectation:
    """What is known of a metric before the experiment: its value, and the variance of a unit.

    The standard error of n units is √(variance ÷ n); a proportion's variance follows its value.
    """

    value: float
    variance: float
    is_proportion: bool = False

    @classmethod
    def of_proportion(cls, share: float) -> Expectation:
        """Returns that of a share of units; raises UsageError unless 0 ≤ share ≤ 1."""
        if not 0 <= share <= 1:
            raise UsageError("A share lies between 0 and 1", f"Found {share}", "Use a mean's")
        return cls(share, share * (1 - share), is_proportion=True)

    @classmethod
    def from_moments(
        cls, units: Moments, arms: Callable[[Moments, Moments], Pair] = mean_arms
    ) -> Expectation | None:
        """Returns that of units like those to come; None with fewer than two of them.

        `arms`: as in the comparison to be planned, so for ratios by the delta method, and with
        CUPED what is left of the variance.
        """
        arm = arms(units, units).treated
        if arm.value is None or arm.variance is None:
            return None
        return cls(arm.value, arm.variance * arm.n)


@dataclass(frozen=True)
class Design:
    """What is asked of an experiment: level, power, and how many comparisons share the level.

    `n_comparisons`: treated variants × goals. `ratio`: treated units per baseline unit.
    `is_sequential`: read by always-valid intervals, which need more units.
    """

    significance_level: float = 0.05
    power: float = POWER
    n_comparisons: int = 1
    ratio: float = 1.0
    is_sequential: bool = False
    tuned_for: int = TUNED_FOR

    def __post_init__(self) -> None:
        require_level(self.significance_level)
        if not 0 < self.power < 1 or self.n_comparisons < 1 or not 0 < self.ratio < math.inf:
            raise UsageError(
                "A design has a power between 0 and 1, a comparison or more, a positive ratio",
                f"Found {self}",
                "Take a power of 0.8",
            )

    @property
    def level(self) -> float:
        """The level of each comparison."""
        return self.significance_level / self.n_comparisons


@dataclass(frozen=True)
class SampleSize:
    """Units of a treated variant and of the baseline, and the effect they show; None without."""

    treated: int | None
    baseline: int | None
    effect: float | None
    status: str


def required_units(
    expected: Expectation, design: Design, *, mde: float, is_relative: bool = True
) -> SampleSize:
    """Returns the units that find an effect of `mde` with the design's power.

    `mde`: a share of the baseline's value (0.05 is 5 % more, −0.05 less), or in the metric's unit.
    Proportions by the pooled variance under no effect and both variances under the effect (Fleiss,
    Levin and Paik 2003, ch. 4), others by equal variances. Status zero_baseline: a share of 0
    says nothing; no_variance; effect_too_small. Raises UsageError for an effect of 0 or a
    proportion that it would take out of 0 to 1.

    >>> required_units(Expectation.of_proportion(0.1), Design(), mde=0.1).baseline
    14751
    """
    effect = mde * abs(expected.value) if is_relative else mde
    _require_effect(expected, mde, effect)
    if is_relative and not expected.value:
        return SampleSize(None, None, None, ZERO_BASELINE)
    if not expected.variance > 0:
        return SampleSize(None, None, effect, NO_VARIANCE)
    size = _sequential_size if design.is_sequential else _fixed_size
    treated = size(expected, design, effect)
    if treated is None or not treated < MOST_UNITS:
        return SampleSize(None, None, effect, TOO_SMALL)
    return SampleSize(
        max(math.ceil(treated), 2), max(math.ceil(treated / design.ratio), 2), effect, OK
    )


def detectable_effect(expected: Expectation, design: Design, n_baseline: int) -> float | None:
    """Returns the least increase, in the metric's unit, that so many baseline units would find.

    With `design.ratio` times as many treated units. None where nothing varies, with fewer than two
    units, or where even a share of 1 would not be found.

    >>> round(detectable_effect(Expectation.of_proportion(0.1), Design(), 14751), 4)
    0.01
    """
    if n_baseline < 2 or not expected.variance > 0:
        return None
    if expected.is_proportion and not design.is_sequential:
        return _detectable_share(expected, design, n_baseline)
    n_treated = n_baseline * design.ratio
    error = math.sqrt(expected.variance * (1 / n_treated + 1 / n_baseline))
    return (_quantile(design, n_treated + n_baseline) + float(special.ndtri(design.power))) * error


@dataclass(frozen=True)
class Plan:
    """Units of each variant by its weight, and all of them; None where the status says why."""

    units: dict[str, int] | None
    total: int | None
    effect: float | None
    status: str


def plan(
    expected: Expectation,
    weights: Mapping[str, float],
    baseline: str,
    *,
    mde: float,
    is_relative: bool = True,
    n_goals: int = 1,
    significance_level: float = 0.05,
    power: float = POWER,
    is_sequential: bool = False,
) -> Plan:
    """Returns the units that find `mde` in any variant, given that they come by `weights`.

    The variant with the least weight decides. The level is divided by variants × goals. Raises
    UsageError unless the baseline and another variant have a positive weight.

    >>> found = plan(Expectation.of_proportion(0.1), {"a": 0.5, "b": 0.5}, "a", mde=0.1)
    >>> found.units, found.total
    ({'a': 14751, 'b': 14751}, 29502)
    """
    others = [weight for name, weight in weights.items() if name != baseline and weight > 0]
    if not others or not weights.get(baseline, 0) > 0:
        raise UsageError(
            "A plan needs a baseline and another variant, both with a weight",
            f"Baseline {baseline}, weights {dict(weights)}",
            "Give the weights of the experiment",
        )
    design = Design(
        significance_level,
        power,
        len(others) * max(n_goals, 1),
        min(others) / weights[baseline],
        is_sequential,
    )
    size = required_units(expected, design, mde=mde, is_relative=is_relative)
    if size.treated is None or size.baseline is None:
        return Plan(None, None, size.effect, size.status)
    scale = max(size.baseline / weights[baseline], size.treated / min(others))
    # Less a millionth, so that 14,751.000001 is not 14,752.
    units = {name: math.ceil(scale * weight - 1e-6) for name, weight in weights.items()}
    return Plan(units, sum(units.values()), size.effect, OK)


@dataclass(frozen=True)
class Duration:
    """Whole days until there are enough units; `is_extrapolated` beyond the days that are known."""

    days: int | None
    is_extrapolated: bool
    status: str


def expected_duration(
    total: int, cumulative_units: Sequence[float], *, coverage: float = 1.0
) -> Duration:
    """Returns how long `total` units take, from a past in which so many were new by each day.

    `cumulative_units`: different units seen on day 1, on days 1 and 2, and so on. They come ever
    more slowly, since many return, so what lies beyond goes on at the pace of the last seven days.
    `coverage`: the share of them that is in the experiment. Status no_new_units: they never come.
    """
    needed = total / coverage if 0 < coverage <= 1 else math.inf
    for day, seen in enumerate(cumulative_units, start=1):
        if seen >= needed:
            return Duration(day, False, OK)
    if not cumulative_units or not math.isfinite(needed):
        return Duration(None, True, NO_UNITS)
    last = cumulative_units[-1]
    span = min(WEEK, len(cumulative_units))
    before = cumulative_units[-1 - span] if len(cumulative_units) > span else 0.0
    pace = (last - before) / span
    if not pace > 0:
        return Duration(None, True, NO_UNITS)
    days = len(cumulative_units) + math.ceil((needed - last) / pace)
    return Duration(days, True, OK)


def _require_effect(expected: Expectation, mde: float, effect: float) -> None:
    if not mde or not math.isfinite(mde):
        raise UsageError("An effect to be found is not 0", f"Found {mde}", "Take 0.05 for 5 %")
    if expected.is_proportion and not 0 <= expected.value + effect <= 1:
        raise UsageError(
            "A share stays between 0 and 1",
            f"{expected.value:g} with an effect of {effect:g}",
            "Take a smaller effect",
        )


def _fixed_size(expected: Expectation, design: Design, effect: float) -> float | None:
    """Treated units of a test at one look; statsmodels takes a second to import."""
    if expected.is_proportion:
        from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

        return float(
            samplesize_proportions_2indep_onetail(
                effect, expected.value, design.power, 1 / design.ratio, design.level
            )
        )
    from statsmodels.stats.power import normal_sample_size_one_tail

    # The effect's standard deviation at one treated unit.
    spread = math.sqrt(expected.variance * (1 + design.ratio))
    return float(
        normal_sample_size_one_tail(abs(effect), design.power, design.level / 2, std_null=spread)
    )


def _sequential_size(expected: Expectation, design: Design, effect: float) -> float | None:
    """Treated units at which the always-valid interval leaves out 0 with the design's power."""
    share = design.ratio / (1 + design.ratio)
    z = float(special.ndtri(design.power))

    def lacking(log_units: float) -> float:
        units = math.exp(log_units)
        error = math.sqrt(expected.variance / units / share / (1 - share))
        return (_quantile(design, units) + z) * error - abs(effect)

    ends = (math.log(4), math.log(MOST_UNITS))
    if lacking(ends[0]) <= 0:
        return 2.0
    if lacking(ends[1]) > 0:
        return None
    return math.exp(float(optimize.brentq(lacking, *ends, xtol=1e-10))) * share


def _quantile(design: Design, units: float) -> float:
    """Standard errors to the interval's ends."""
    if design.is_sequential:
        return sequential_quantile(units, design.level, design.tuned_for)
    return normal_quantile(design.level)


def _detectable_share(expected: Expectation, design: Design, n_baseline: int) -> float | None:
    from statsmodels.stats.proportion import power_proportions_2indep

    def lacking(effect: float) -> float:
        found = power_proportions_2indep(
            effect,
            expected.value,
            n_baseline * design.ratio,
            ratio=1 / design.ratio,
            alpha=design.level,
            return_results=False,
        )
        return float(found) - design.power

    most = 1 - expected.value - 1e-12
    return float(optimize.brentq(lacking, 1e-12, most)) if lacking(most) > 0 else None
