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
from sparkperso.testing.moments import simulated_moments

LEVEL = 0.05
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


def units(kind, shape, rng, lift=0.0):
    """Arrays y, d, x, w of `shape`; the expected value is 1 + `lift` times that without."""
    if kind == "proportions":
        return {"y": (rng.random(shape) < 0.2 * (1 + lift)).astype(float)}
    # A taste that lasts, so that before and after go together; skewed, as spending is.
    taste = rng.gamma(4, 0.25, shape)
    if kind in {"means", "cuped_means"}:
        before, after = (taste * rng.gamma(4, 0.25, shape) for _ in range(2))
        return {"y": 10 * (1 + lift) * after, "x": 10 * before}
    # Of each view a click; views differ by unit, and so does the rate.
    views, earlier = (1 + rng.poisson(20, shape) for _ in range(2))
    rate = 0.1 + 0.5 * rng.beta(2, 2, shape)
    return {
        "y": rng.binomial(views, rate * (1 + lift)).astype(float),
        "d": views.astype(float),
        "x": rng.binomial(earlier, rate).astype(float),
        "w": earlier.astype(float),
    }


def truth(kind):
    """The expected value of the metric without a lift."""
    return {"proportions": 0.2, "means": 10.0, "cuped_means": 10.0}.get(kind, 0.35)


def groups(kind, n_simulations, n_units, seed, lift=0.0):
    """Moments of treated and baseline groups, one pair per simulation."""
    rng = np.random.default_rng(seed)
    shape = (n_simulations, n_units)
    treated = simulated_moments(**units(kind, shape, rng, lift))
    return list(zip(treated, simulated_moments(**units(kind, shape, rng)), strict=True))


def within(share, expected, n, errors=3.5):
    """Whether a share of n simulations is what is expected, within so many standard errors."""
    return abs(share - expected) <= errors * np.sqrt(expected * (1 - expected) / n)
