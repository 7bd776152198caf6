"""Thompson sampling as shares: each variant gets units as often as it is probably the best.

Shares, not draws: they are dealt out by the same hash as those of an experiment, they are the
propensities that a decision logs, and two servers give the same. `allocate` integrates,
`draw_shares` simulates with a seed; both say how exact they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from sparkperso.core.errors import UsageError
from sparkperso.core.hashing import BUCKETS
from sparkperso.experiments.bandits.posteriors import (
    PRIOR_UNITS,
    BetaPosterior,
    Counts,
    Posterior,
)
from sparkperso.experiments.statistics.moments import Floats

N_NODES: Final = 4_096
"""Quantiles of all posteriors together at which they are compared, spaced as on a normal curve."""
LEAST_NODES: Final = 65
"""Of each posterior, however many there are."""
WIDEST: Final = 8.0
N_DRAWS: Final = 100_000


@dataclass(frozen=True)
class Allocation:
    """The share of each variant, which is its propensity; they add up to 1.

    `error`: how far a share may be off, by half as many nodes or, of draws, one standard error.
    """

    shares: dict[str, float]
    error: float


def allocate(
    posteriors: Mapping[str, Posterior], *, floor: float = 0.0, n_nodes: int = N_NODES
) -> Allocation:
    """Returns each variant's probability to be best, raised to at least `floor`.

    P(i is best) = ∫ Π F_j(x) dF_i(x) over all j ≠ i, by the trapezoidal rule between the quantiles
    of all posteriors. A floor keeps every variant in play, where tastes change, and its weight in
    off-policy estimates bounded: shares are floor + (1 − variants × floor) × probability.

    >>> even = {"a": BetaPosterior(1.0, 1.0), "b": BetaPosterior(1.0, 1.0)}
    >>> allocate(even).shares
    {'a': 0.5, 'b': 0.5}
    >>> better = {"a": BetaPosterior(30.0, 970.0), "b": BetaPosterior(45.0, 955.0)}
    >>> {name: round(share, 3) for name, share in allocate(better, floor=0.1).shares.items()}
    {'a': 0.13, 'b': 0.87}
    """
    names = _require(posteriors, floor)
    held = [posteriors[name] for name in names]
    each = max(n_nodes // len(held), LEAST_NODES)
    fine = _best_probabilities(held, each)
    coarse = _best_probabilities(held, each // 2 + 1)
    return Allocation(_raised(names, fine, floor), float(np.abs(fine - coarse).max()))


def draw_shares(
    posteriors: Mapping[str, Posterior], *, seed: int, floor: float = 0.0, n_draws: int = N_DRAWS
) -> Allocation:
    """Returns the same by simulation: how often each variant has the largest of drawn values."""
    names = _require(posteriors, floor)
    rng = np.random.default_rng(seed)
    values = np.stack([posteriors[name].draw(rng, n_draws) for name in names])
    found = np.bincount(values.argmax(axis=0), minlength=len(names)) / n_draws
    error = math.sqrt(float((found * (1 - found)).max()) / n_draws)
    return Allocation(_raised(names, found, floor), error)


def allocate_by_segment(
    segments: Mapping[str, Mapping[str, Counts]],
    *,
    floor: float = 0.0,
    pooled_units: float = 20.0,
) -> dict[str, Allocation]:
    """Returns shares for each segment, from trials by segment and variant.

    A segment's prior is the variant's share over all segments, worth `pooled_units` trials: a small
    segment does as all do, and a large one as its own trials say. Segments may lack variants.
    """
    variants = sorted({name for groups in segments.values() for name in groups})
    pooled = {}
    for name in variants:
        whole = Counts()
        for groups in segments.values():
            whole = whole.merge(groups.get(name, Counts()))
        # One success and one failure more, so that no variant is given up for ever.
        pooled[name] = (whole.successes + 1) / (whole.n + PRIOR_UNITS)
    found = {}
    for segment, groups in segments.items():
        posteriors = {}
        for name in variants:
            group = groups.get(name, Counts())
            posteriors[name] = BetaPosterior.from_counts(
                group.successes, group.n, pooled[name], pooled_units
            )
        found[segment] = allocate(posteriors, floor=floor)
    return found


def in_buckets(shares: Mapping[str, float], floor: float = 0.0) -> dict[str, float]:
    """Returns shares as whole parts of `core.hashing.BUCKETS`, by the largest remainders.

    The hash deals units out in so many parts: of shares in between, what is logged as a propensity
    would not be what units really have. None falls below `floor`, rounded to such a part.

    >>> in_buckets({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    {'a': 0.3334, 'b': 0.3333, 'c': 0.3333}
    """
    parts = {name: share * BUCKETS for name, share in shares.items()}
    least = round(floor * BUCKETS)
    # What is a whole part but for the last digit is one.
    whole = {name: max(math.floor(part + 1e-6), least) for name, part in parts.items()}
    left = BUCKETS - sum(whole.values())
    for name in sorted(parts, key=lambda name: whole[name] - parts[name])[: max(left, 0)]:
        whole[name] += 1
    # Where floors were rounded up, the largest gives what is too much.
    whole[max(whole, key=lambda name: whole[name])] += min(left, 0)
    return {name: part / BUCKETS for name, part in whole.items()}


def _best_probabilities(posteriors: Sequence[Posterior], n_nodes: int) -> Floats:
    """P(best) of each, adding up to 1."""
    levels = special.ndtr(np.linspace(-WIDEST, WIDEST, n_nodes))
    nodes = np.unique(np.concatenate([one.quantile(levels) for one in posteriors]))
    below = np.stack([one.cdf(nodes) for one in posteriors])
    # The product of all others, as that of those before times that of those after.
    one = np.ones((1, len(nodes)))
    before = np.cumprod(np.concatenate([one, below[:-1]]), axis=0)
    after = np.cumprod(np.concatenate([one, below[:0:-1]]), axis=0)[::-1]
    others = before * after
    # Beyond the last nodes lies nothing; before the first, others are as at it.
    found = (others[:, 1:] + others[:, :-1]) / 2 * np.diff(below, axis=1)
    total = found.sum(axis=1) + others[:, 0] * below[:, 0]
    shares: Floats = total / total.sum()
    return shares


def _raised(names: Sequence[str], probabilities: Floats, floor: float) -> dict[str, float]:
    kept = 1 - floor * len(names)
    shares = floor + kept * probabilities
    return dict(zip(names, map(float, shares / shares.sum()), strict=True))


def _require(posteriors: Mapping[str, Posterior], floor: float) -> list[str]:
    if not posteriors or not 0 <= floor <= 1 / len(posteriors):
        raise UsageError(
            "A floor leaves something to share out among the variants",
            f"{len(posteriors)} variants with a floor of {floor}",
            "Take 0.05, or less with many variants",
        )
    return list(posteriors)
