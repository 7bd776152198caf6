"""Factorial designs: what each factor does, and whether it does so whatever the others are.

From the moments of the cells (one per combination of levels), as contrasts of their means. Cells
are weighted alike, or by their units, in the levels of the other factors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Final, Literal, TypeAlias

from sparkperso.core.errors import UsageError
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
from sparkperso.experiments.statistics.stratified import satterthwaite, weighted_arm

MISSING_CELL: Final = "missing_cell"
Levels: TypeAlias = tuple[str, ...]
Weighting = Literal["equal", "units"]


@dataclass(frozen=True)
class Contrast:
    """One main effect (one factor) or one interaction of two, of levels against the first ones.

    A main effect's values are means at the level and at the first level. An interaction's are the
    first factor's effect at the second's level, and at its first level: their difference is the
    effect, and there is no lift.
    """

    factors: tuple[str, ...]
    levels: Levels
    estimate: Estimate


def factorial(
    factors: Mapping[str, Sequence[str]],
    cells: Mapping[Levels, Moments],
    *,
    significance_level: float,
    weighting: Weighting = "equal",
) -> list[Contrast]:
    """Returns all main effects and interactions of two factors, in the order of the factors.

    `factors`: name → its levels, the first one the baseline. `cells`: a level of each factor, in
    their order → moments; y is compared. Status missing_cell: a cell that the contrast needs has
    no units; too_few_units: one has a single unit. Raises UsageError for a factor with one level
    or a cell of unknown levels.
    """
    require_level(significance_level)
    _require_design(factors, cells)
    names = list(factors)
    found = []
    for size in (1, 2):
        for chosen in combinations(range(len(names)), size):
            others = [factors[names[place]][1:] for place in chosen]
            for levels in product(*others):
                wanted = dict(zip(chosen, levels, strict=True))
                estimate = _contrast(factors, cells, wanted, weighting, significance_level)
                found.append(Contrast(tuple(names[place] for place in chosen), levels, estimate))
    return found


def _contrast(
    factors: Mapping[str, Sequence[str]],
    cells: Mapping[Levels, Moments],
    wanted: Mapping[int, str],
    weighting: Weighting,
    significance_level: float,
) -> Estimate:
    """Cells at the wanted levels against those at the first ones, as signed weighted sums."""
    places = list(wanted)
    parts: dict[bool, list[tuple[float, Moments]]] = {True: [], False: []}
    rest = [
        [None] if place in wanted else list(levels) for place, levels in enumerate(factors.values())
    ]
    first = [levels[0] for levels in factors.values()]
    for others in product(*rest):
        corners = {}
        for at in product((True, False), repeat=len(places)):
            levels = list(others)
            for place, is_wanted in zip(places, at, strict=True):
                levels[place] = wanted[place] if is_wanted else first[place]
            corners[at] = cells.get(tuple(str(level) for level in levels), Moments.empty())
        weight = sum(group.n for group in corners.values()) if weighting == "units" else 1
        for at, group in corners.items():
            # The second factor's level decides the side, the first one's the sign.
            sign = 1 if len(at) == 1 or at[0] else -1
            parts[at[-1]].append((float(sign * weight), group))
    return _signed(parts[True], parts[False], len(places) > 1, significance_level)


def _signed(
    treated: list[tuple[float, Moments]],
    baseline: list[tuple[float, Moments]],
    is_interaction: bool,
    significance_level: float,
) -> Estimate:
    sides = (treated, baseline)
    groups = [group for side in sides for _, group in side]
    arms = [[mean_arm(group) for _, group in side] for side in sides]
    counts = [sum(group.n for _, group in side) for side in sides]
    if any(group.n < 2 for group in groups):
        status = MISSING_CELL if any(not group.n for group in groups) else TOO_FEW_UNITS
        return without_test(Arm(counts[0], None, None), Arm(counts[1], None, None), status)
    weights = []
    for side in sides:
        # Each corner of the contrast sums to one over the levels of the other factors.
        total = sum(weight for weight, _ in side if weight > 0)
        weights.append([weight / total for weight, _ in side])
    one, other = (weighted_arm(w, of) for w, of in zip(weights, arms, strict=True))
    freedom = satterthwaite([*weights[0], *weights[1]], [*arms[0], *arms[1]])
    estimate = welch(checked(one, other), significance_level, freedom=freedom)
    if not is_interaction:
        return estimate
    status = OK if estimate.is_usable else estimate.status
    return replace(estimate, lift=None, lift_low=None, lift_high=None, status=status)


def _require_design(factors: Mapping[str, Sequence[str]], cells: Mapping[Levels, Moments]) -> None:
    for name, levels in factors.items():
        if len(levels) < 2:
            raise UsageError(
                "A factor has two levels or more", f"{name} has {list(levels)}", "Leave it out"
            )
    known = set(product(*factors.values()))
    unknown = sorted(set(cells) - known)
    if unknown:
        raise UsageError(
            f"A cell names a level of each of {', '.join(factors)}",
            f"Found {unknown[0]}",
            "Use the levels of the design",
        )
