"""Whether the effect differs between segments, and in which of them there is one.

Looking into segments finds something by chance: p values are corrected over all of them, and
Cochran's Q says whether there is a difference to explain at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scipy import special

from sparkperso.experiments.statistics.arms import Pair, mean_arms
from sparkperso.experiments.statistics.comparison import effect_of, welch
from sparkperso.experiments.statistics.estimate import (
    OK,
    TOO_FEW_UNITS,
    Estimate,
    require_level,
)
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.multiplicity import benjamini_hochberg


@dataclass(frozen=True)
class Heterogeneity:
    """Cochran's Q over segments, and each segment's estimate with its corrected p value.

    `inconsistency` is I², the share of the scatter of effects that chance does not explain (Higgins
    and Thompson 2002). Q, p and I² are None with fewer than two segments that can be tested.
    """

    statistic: float | None
    freedom: int
    p_value: float | None
    inconsistency: float | None
    segments: dict[str, Estimate]
    p_adjusted: dict[str, float | None]
    status: str


def heterogeneity(
    segments: Mapping[str, tuple[Moments, Moments]],
    *,
    significance_level: float,
    arms: Callable[[Moments, Moments], Pair] = mean_arms,
) -> Heterogeneity:
    """Returns whether effects differ among segments that share no units (Cochran 1954).

    Q = Σ (effect − common effect)² ÷ variance, χ² with one degree of freedom less than segments
    where they do not differ. p values of segments are corrected by Benjamini and Hochberg.
    """
    require_level(significance_level)
    pairs = {name: arms(*groups) for name, groups in segments.items()}
    found = {name: welch(pair, significance_level) for name, pair in pairs.items()}
    adjusted = benjamini_hochberg([estimate.p_value for estimate in found.values()])
    p_adjusted = dict(zip(found, adjusted, strict=True))
    tested = [effect_of(pair) for name, pair in pairs.items() if found[name].is_usable]
    freedom = max(len(tested) - 1, 0)
    if not freedom:
        return Heterogeneity(None, freedom, None, None, found, p_adjusted, TOO_FEW_UNITS)
    total = sum(1 / variance for _, variance in tested)
    common = sum(effect / variance for effect, variance in tested) / total
    q = sum((effect - common) ** 2 / variance for effect, variance in tested)
    return Heterogeneity(
        q,
        freedom,
        float(special.chdtrc(freedom, q)),
        max(0.0, 1 - freedom / q) if q else 0.0,
        found,
        p_adjusted,
        OK,
    )
