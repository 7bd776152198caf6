"""Sample-ratio mismatch: whether variants got the units that their weights promise.

If not, something lost or doubled units in one variant more than in another, and no comparison can
be believed (Fabijan et al. 2019). Two tests: Pearson's χ², for one look, and an always-valid one
for a look every day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scipy import special, stats

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.estimate import OK, TOO_FEW_UNITS

ALARM: Final = 0.001
"""p below which units do not fit the weights: rare without a fault, even over many experiments."""
UNKNOWN_VARIANT: Final = "unknown_variant"
LEAST_EXPECTED: Final = 5
CONCENTRATION: Final = 100.0
"""How close to the weights the alternative is expected; savvi's default, too."""


@dataclass(frozen=True)
class SampleRatio:
    """The result of both tests; None where the status says so.

    `p_value` is that of χ², `sequential_p_value` holds however often one looks; the least one so
    far is valid, too.
    """

    statistic: float | None
    p_value: float | None
    sequential_p_value: float | None
    status: str

    @property
    def is_mismatch(self) -> bool:
        """Whether units of a variant that there is not were seen, or χ² says so at p < 0.001."""
        return self.status == UNKNOWN_VARIANT or (self.p_value is not None and self.p_value < ALARM)

    @property
    def is_sequential_mismatch(self) -> bool:
        """The same by the test that may be looked at every day."""
        p = self.sequential_p_value
        return self.status == UNKNOWN_VARIANT or (p is not None and p < ALARM)


def sample_ratio(units: Mapping[str, int], weights: Mapping[str, float]) -> SampleRatio:
    """Returns whether `units` per variant fit `weights`, which need not sum to 1.

    A variant without units counts as one with 0. Status unknown_variant: units of a variant that
    has no weight; too_few_units: fewer than five are expected in one (the sequential test has a
    result even then). Raises UsageError without two variants of positive weight.

    >>> found = sample_ratio({"on": 815482, "off": 821588}, {"on": 1, "off": 1})
    >>> f"{found.p_value:.1e}", found.is_mismatch
    ('1.8e-06', True)
    """
    shares = _shares(weights)
    unknown = sum(n for variant, n in units.items() if variant not in shares)
    if unknown:
        return SampleRatio(None, None, None, UNKNOWN_VARIANT)
    observed = [units.get(variant, 0) for variant in shares]
    total = sum(observed)
    sequential = _sequential_p(observed, list(shares.values())) if total else None
    expected = [total * share for share in shares.values()]
    if min(expected) < LEAST_EXPECTED:
        return SampleRatio(None, None, sequential, TOO_FEW_UNITS)
    found = stats.chisquare(observed, expected)
    return SampleRatio(float(found.statistic), float(found.pvalue), sequential, OK)


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    held = {variant: weight for variant, weight in weights.items() if weight > 0}
    if len(held) < 2 or not all(map(math.isfinite, weights.values())) or min(weights.values()) < 0:
        raise UsageError(
            "Two variants or more have a positive weight",
            f"Found {dict(weights)}",
            "Give the weights of the experiment",
        )
    total = sum(held.values())
    return {variant: weight / total for variant, weight in held.items()}


def _sequential_p(observed: list[int], shares: list[float]) -> float:
    """1 ÷ the Bayes factor of a Dirichlet alternative around the shares (Lindon and Malek 2022).

    Over all looks it falls below α with probability α at most, since the factor is a martingale.
    """
    before = [CONCENTRATION * share for share in shares]
    log_factor = _log_beta([a + n for a, n in zip(before, observed, strict=True)])
    log_factor -= _log_beta(before)
    log_factor -= sum(n * math.log(share) for n, share in zip(observed, shares, strict=True))
    return math.exp(-max(log_factor, 0.0))


def _log_beta(concentrations: list[float]) -> float:
    logs = special.gammaln(concentrations).sum() - special.gammaln(sum(concentrations))
    return float(logs)
