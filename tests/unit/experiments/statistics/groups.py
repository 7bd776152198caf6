"""Groups of units whose truth is known, and the comparisons that are put to them."""

from __future__ import annotations

import numpy as np

from sparkperso.experiments.statistics.comparison import (
    cuped_means,
    cuped_ratios,
    means,
    proportions,
    ratios,
)
from sparkperso.experiments.statistics.sequential import (
    sequential_cuped_means,
    sequential_cuped_ratios,
    sequential_means,
    sequential_ratios,
)
from sparkperso.testing.moments import simulated_moments, true_value, units

LEVEL = 0.05
truth = true_value
__all__ = ["FIXED", "LEVEL", "SEQUENTIAL", "groups", "truth", "units", "within"]
FIXED = {
    "proportions": proportions,
    "means": means,
    "ratios": ratios,
    "cuped_means": cuped_means,
    "cuped_ratios": cuped_ratios,
}
SEQUENTIAL = {
    "means": sequential_means,
    "ratios": sequential_ratios,
    "cuped_means": sequential_cuped_means,
    "cuped_ratios": sequential_cuped_ratios,
}


def groups(kind, n_simulations, n_units, seed, lift=0.0):
    """Moments of treated and baseline groups, one pair per simulation."""
    rng = np.random.default_rng(seed)
    shape = (n_simulations, n_units)
    treated = simulated_moments(**units(kind, shape, rng, lift))
    return list(zip(treated, simulated_moments(**units(kind, shape, rng)), strict=True))


def within(share, expected, n, errors=3.5):
    """Whether a share of n simulations is what is expected, within so many standard errors."""
    return abs(share - expected) <= errors * np.sqrt(expected * (1 - expected) / n)
