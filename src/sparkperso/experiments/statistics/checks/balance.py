"""Whether groups were alike before the experiment, all of them and those of an earlier one.

Chance makes them differ a little, and CUPED takes that out. A difference that chance does not
explain says that assignment followed something else, or that an earlier experiment of the same
layer still works on (carry-over).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sparkperso.experiments.statistics.comparison import ratios
from sparkperso.experiments.statistics.estimate import Estimate
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.stratified import stratified

ALARM: Final = 0.001
"""p below which groups are not alike: as strict as for shares of units, and for the same reason."""


def pre_period(treated: Moments, baseline: Moments, *, significance_level: float) -> Estimate:
    """Returns the comparison of the metric before the experiment: Σ x ÷ Σ w, so x̄ for a mean."""
    return ratios(past(treated), past(baseline), significance_level=significance_level)


def carry_over(
    earlier: Mapping[str, tuple[Moments, Moments]], *, significance_level: float
) -> Estimate:
    """Returns the comparison of x before the experiment among units of an earlier experiment.

    `earlier`: for each variant of that one, its units that are now treated and now baseline.
    Stratified by it, so that what the earlier experiment did to its variants does not count, only
    whether those who are now treated differ from those who are not.
    """
    groups = {
        variant: (past(treated), past(baseline)) for variant, (treated, baseline) in earlier.items()
    }
    return stratified(groups, significance_level=significance_level)


def past(group: Moments) -> Moments:
    """Returns moments whose y and d are the given ones' x and w, the metric before."""
    means = group.means
    yy, yd, yx, yw, dd, dx, dw, xx, xw, ww = group.comoments
    return Moments(
        group.n,
        (means[2], means[3], means[0], means[1]),
        (xx, xw, yx, dx, ww, yw, dw, yy, yd, dd),
    )
