"""Mann–Whitney: whether units of one group tend to have larger values, whatever their size.

From counts per distinct value, so that no unit need reach the driver. Good for skewed values and a
few huge ones; it compares distributions, not means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.estimate import (
    NO_VARIANCE,
    OK,
    TOO_FEW_UNITS,
    Estimate,
    finite,
    normal_p,
    normal_quantile,
    require_level,
)
from sparkperso.experiments.statistics.moments import Floats

EVEN = 0.5
"""The probability to be larger where there is no effect."""


@dataclass(frozen=True)
class ValueCounts:
    """How many units of each group have each value: three arrays of the same length.

    `values` ascend strictly.
    """

    values: Floats
    treated: Floats
    baseline: Floats

    @classmethod
    def from_rows(cls, treated: npt.ArrayLike, baseline: npt.ArrayLike) -> ValueCounts:
        """Returns the counts of two arrays of values."""
        groups = [np.asarray(values, dtype=np.float64) for values in (treated, baseline)]
        values, places = np.unique(np.concatenate(groups), return_inverse=True)
        of_treated, of_baseline = np.split(places, [len(groups[0])])
        counts = [
            np.bincount(of, minlength=len(values)).astype(float) for of in (of_treated, of_baseline)
        ]
        return cls(values, counts[0], counts[1])


def mann_whitney(counts: ValueCounts, *, significance_level: float) -> Estimate:
    """Returns P(treated > baseline) + ½ P(equal) as `value`, against ½ as `value_baseline`.

    So the effect is 0 where neither tends to be larger; there is no lift. The test is the normal
    approximation with the variance corrected for ties, without continuity correction; the interval
    is DeLong's (1988), which holds also where there is an effect, and at the margin may differ.

    >>> counts = ValueCounts.from_rows([3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0])
    >>> found = mann_whitney(counts, significance_level=0.05)
    >>> round(found.value, 4), round(found.p_value, 4)
    (0.9583, 0.0497)
    """
    require_level(significance_level)
    _require_counts(counts)
    n, m = float(counts.treated.sum()), float(counts.baseline.sum())
    sizes = (int(n), int(m))
    if min(n, m) < 2:
        return _bare(sizes, None, TOO_FEW_UNITS)
    above = _share_below(counts.baseline) / m
    below = _share_below(counts.treated) / n
    value = float(above @ counts.treated / n)
    ties = counts.treated + counts.baseline
    total = n + m
    null = (total + 1 - float((ties**3 - ties).sum()) / (total * (total - 1))) / (12 * n * m)
    if len(np.flatnonzero(ties)) < 2:
        return _bare(sizes, value, NO_VARIANCE)
    spread = _variance(above, counts.treated) / n + _variance(below, counts.baseline) / m
    # Where the groups do not overlap nothing is left of it: then that of the test.
    error = math.sqrt(spread or null)
    effect, z = value - EVEN, (value - EVEN) / math.sqrt(null)
    reach = normal_quantile(significance_level) * error
    return finite(
        Estimate(
            *sizes, value, EVEN, effect, max(effect - reach, -EVEN), min(effect + reach, EVEN),
            None, None, None, z, normal_p(z), OK,
        )
    )  # fmt: skip


def _share_below(counts: Floats) -> Floats:
    """Units below each value, and half of those at it."""
    return np.cumsum(counts) - counts / 2


def _variance(values: Floats, counts: Floats) -> float:
    """The sample variance of values that occur so often."""
    n = float(counts.sum())
    mean = float(values @ counts) / n
    return float((values - mean) ** 2 @ counts) / (n - 1)


def _bare(sizes: tuple[int, int], value: float | None, status: str) -> Estimate:
    """What is known without a test."""
    effect = None if value is None else value - EVEN
    base = None if value is None else EVEN
    return Estimate(*sizes, value, base, effect, *(None,) * 7, status=status)


def _require_counts(counts: ValueCounts) -> None:
    shapes = {array.shape for array in (counts.values, counts.treated, counts.baseline)}
    is_ordered = bool(np.all(np.diff(counts.values) > 0)) and not np.isnan(counts.values).any()
    if len(shapes) > 1 or not is_ordered:
        raise UsageError(
            "Counts per value are three arrays of one length, the values ascending",
            f"Shapes {sorted(shapes)}" if len(shapes) > 1 else "Values that do not ascend",
            "Group by value and sort",
        )
