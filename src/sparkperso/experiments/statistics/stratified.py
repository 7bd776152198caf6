"""Post-stratification: groups compared within strata, which are then weighted by their size.

Miratrix, Sekhon and Yu (2013): what varies between strata leaves the variance of the effect. The
sizes of the strata, both groups together, are taken as given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sparkperso.experiments.statistics.arms import checked, mean_arm
from sparkperso.experiments.statistics.comparison import welch
from sparkperso.experiments.statistics.estimate import (
    OK,
    TOO_FEW_UNITS,
    Arm,
    Estimate,
    require_level,
    without_test,
)
from sparkperso.experiments.statistics.moments import Moments

LEAST_UNITS = 2
"""Units of each group in a stratum, so that both have a variance there."""


def stratified(
    strata: Mapping[str, tuple[Moments, Moments]], *, significance_level: float
) -> Estimate:
    """Returns the comparison of means of y, of treated and baseline units by stratum.

    Values are means of the strata's means, weighted by the units of both groups. A stratum in which
    a group has fewer than two units is joined with the others of that kind, and if need be with
    the smallest complete one, so that every unit counts. `statistic` is a t, its degrees of
    freedom Satterthwaite's over all cells.

    >>> new = (Moments.from_rows([1.0, 2.0, 3.0]), Moments.from_rows([1.0, 2.0]))
    >>> known = (Moments.from_rows([7.0, 8.0]), Moments.from_rows([6.0, 7.0, 8.0]))
    >>> stratified({"new": new, "known": known}, significance_level=0.05).effect
    0.5
    """
    require_level(significance_level)
    cells = complete_strata(strata)
    total = sum(treated.n + baseline.n for treated, baseline in cells)
    arms = [[mean_arm(group) for group in groups] for groups in cells]
    weights = [(treated.n + baseline.n) / total for treated, baseline in cells] if total else []
    treated = weighted_arm(weights, [one for one, _ in arms])
    baseline = weighted_arm(weights, [other for _, other in arms])
    if treated.variance is None or baseline.variance is None:
        found = checked(treated, baseline)
        status = found.status if found.status != OK else TOO_FEW_UNITS
        return without_test(found.treated, found.baseline, status)
    freedom = satterthwaite(
        [weight for weight in weights for _ in range(2)], [arm for cell in arms for arm in cell]
    )
    return welch(checked(treated, baseline), significance_level, freedom=freedom)


def complete_strata(
    strata: Mapping[str, tuple[Moments, Moments]],
) -> list[tuple[Moments, Moments]]:
    """Returns strata with two units or more of each group, joined where they had fewer.

    One stratum that is not complete is returned if there is nothing to join it with.
    """
    held = [groups for _, groups in sorted(strata.items()) if groups[0].n + groups[1].n]
    complete = [groups for groups in held if min(group.n for group in groups) >= LEAST_UNITS]
    sparse = [groups for groups in held if min(group.n for group in groups) < LEAST_UNITS]
    if not sparse:
        return complete
    rest = (Moments.merged(one for one, _ in sparse), Moments.merged(two for _, two in sparse))
    if min(group.n for group in rest) < LEAST_UNITS and complete:
        smallest = min(complete, key=lambda groups: groups[0].n + groups[1].n)
        complete.remove(smallest)
        rest = (rest[0].merge(smallest[0]), rest[1].merge(smallest[1]))
    return [*complete, rest]


def weighted_arm(weights: Sequence[float], arms: Sequence[Arm]) -> Arm:
    """Returns Σ weight × value of independent arms and its variance; None where one has none."""
    values = [arm.value for arm in arms if arm.value is not None]
    variances = [arm.variance for arm in arms if arm.variance is not None]
    n = sum(arm.n for arm in arms)
    value = variance = None
    if arms and len(values) == len(arms):
        value = sum(w * v for w, v in zip(weights, values, strict=True))
    if arms and len(variances) == len(arms):
        variance = sum(w * w * v for w, v in zip(weights, variances, strict=True))
    return Arm(n, value, variance)


def satterthwaite(weights: Sequence[float], arms: Sequence[Arm]) -> float | None:
    """Returns the degrees of freedom of Σ weight × value; None where nothing varies."""
    parts = [
        (weight * weight * (arm.variance or 0.0), arm.n - 1)
        for weight, arm in zip(weights, arms, strict=True)
    ]
    total = sum(part for part, _ in parts)
    if not total:
        return None
    shares = ((part / total, freedom) for part, freedom in parts if part)
    return 1 / sum(share * share / freedom for share, freedom in shares)
