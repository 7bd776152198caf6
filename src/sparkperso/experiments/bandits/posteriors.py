"""What is believed of each variant's value, from the sums of all batches so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from scipy import special

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.moments import Floats, Moments

PRIOR_UNITS: Final = 2.0
"""Units that a prior counts for: two, of which one succeeds, is the uniform one of a share."""


@dataclass(frozen=True)
class Counts:
    """Trials of a variant and their successes; both need not be whole, where trials are weighted.

    `n`: trials, or as many unweighted ones as weighted ones are worth. `successes`: 0 to `n`.
    """

    n: float = 0.0
    successes: float = 0.0

    def merge(self, other: Counts) -> Counts:
        """Returns both together."""
        return Counts(self.n + other.n, self.successes + other.successes)


class Posterior(Protocol):
    """A distribution of a variant's value."""

    def cdf(self, values: Floats) -> Floats:
        """Returns the probability to be at most each value."""

    def quantile(self, shares: Floats) -> Floats:
        """Returns the values that are not exceeded with these probabilities."""

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Returns independent values."""


@dataclass(frozen=True)
class BetaPosterior:
    """Of a share, such as a click rate: Beta(a, b).

    >>> BetaPosterior.from_counts(3, 10)
    BetaPosterior(a=4.0, b=8.0)
    """

    a: float
    b: float

    @classmethod
    def from_counts(
        cls, successes: float, n: float, prior_share: float = 0.5, prior_units: float = PRIOR_UNITS
    ) -> BetaPosterior:
        """Returns that after `n` units of which `successes` succeeded.

        The prior counts for `prior_units` units with a share of `prior_share`.
        """
        if not 0 <= successes <= n or not 0 < prior_share < 1 or not prior_units > 0:
            raise UsageError(
                "Successes are none to all units, a prior's share lies between 0 and 1",
                f"{successes} of {n}, {prior_share} of {prior_units}",
                "Give sums over units",
            )
        return cls(
            prior_share * prior_units + successes, (1 - prior_share) * prior_units + n - successes
        )

    def cdf(self, values: Floats) -> Floats:
        """Returns the probability to be at most each value."""
        found: Floats = special.betainc(self.a, self.b, np.clip(values, 0.0, 1.0))
        return found

    def quantile(self, shares: Floats) -> Floats:
        """Returns the values that are not exceeded with these probabilities."""
        found: Floats = special.betaincinv(self.a, self.b, shares)
        return found

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Returns independent values."""
        return rng.beta(self.a, self.b, size)


@dataclass(frozen=True)
class NormalPosterior:
    """Of a mean, such as revenue per user: normal with a mean and a standard deviation."""

    mean: float
    spread: float

    def cdf(self, values: Floats) -> Floats:
        """Returns the probability to be at most each value."""
        found: Floats = special.ndtr((values - self.mean) / self.spread)
        return found

    def quantile(self, shares: Floats) -> Floats:
        """Returns the values that are not exceeded with these probabilities."""
        found: Floats = self.mean + self.spread * special.ndtri(shares)
        return found

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Returns independent values."""
        return rng.normal(self.mean, self.spread, size)


def beta_posteriors(variants: Mapping[str, Moments]) -> dict[str, BetaPosterior]:
    """Returns the posterior of each variant's share, from moments whose y is 0 or 1.

    Batches are merged before: `moments.merge(batch)`.
    """
    return {
        name: BetaPosterior.from_counts(min(max(group.mean("y"), 0.0), 1.0) * group.n, group.n)
        for name, group in variants.items()
    }


def normal_posteriors(
    variants: Mapping[str, Moments], prior_units: float = PRIOR_UNITS
) -> dict[str, NormalPosterior]:
    """Returns the posterior of each variant's mean of y.

    The variance within variants is taken as one, and known. The prior counts for `prior_units`
    units at the mean of all. Before anything varies, all are alike: N(mean of all, 1).
    """
    both = Moments.merged(variants.values())
    freedom = sum(max(group.n - 1, 0) for group in variants.values())
    within = sum(group.comoments[0] for group in variants.values())
    spread = math.sqrt(within / freedom) if freedom and within > 0 else 0.0
    if not spread or not math.isfinite(spread):
        return {name: NormalPosterior(both.mean("y"), 1.0) for name in variants}
    found = {}
    for name, group in variants.items():
        units = group.n + prior_units
        mean = (group.n * group.mean("y") + prior_units * both.mean("y")) / units
        found[name] = NormalPosterior(mean, spread / math.sqrt(units))
    return found
