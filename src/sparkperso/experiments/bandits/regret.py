"""What a bandit saves and what it costs: simulated shops whose best variant is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparkperso.core.errors import UsageError
from sparkperso.experiments.bandits.posteriors import PRIOR_UNITS
from sparkperso.experiments.statistics.moments import Floats

N_DRAWS = 500


@dataclass(frozen=True)
class Regret:
    """Successes that were missed against always showing the best variant, per batch and in all.

    `cumulative` (batches,): the mean over runs, up to each batch; `uniform`: the same with even
    shares, which is known without simulation; `standard_error`: of the last one. `best_share`:
    the share of the best variant in the last batch.
    """

    cumulative: Floats
    uniform: Floats
    standard_error: float
    best_share: float

    @property
    def saved(self) -> float:
        """The share of even shares' regret that the bandit avoids; 0 where there is none."""
        return 1 - float(self.cumulative[-1] / self.uniform[-1]) if self.uniform[-1] else 0.0


def simulate_regret(
    rates: Sequence[float],
    *,
    n_batches: int,
    batch_size: int,
    floor: float = 0.0,
    levels: Sequence[float] | None = None,
    weighs_days: bool = True,
    n_runs: int = 200,
    seed: int = 0,
) -> Regret:
    """Returns the regret of Beta–Bernoulli Thompson sampling with shares set anew per batch.

    `rates`: the true success rate of each variant. Units of a batch are dealt out by its shares,
    and its sums are known before the next one, as with a job that runs once a day. `levels`: what
    all rates are multiplied by in each batch, 1 without. `weighs_days`: each trial weighs the
    inverse of its variant's share in its batch, as in `experiments.analysis.trials`; without, 1.
    """
    level = np.ones(n_batches) if levels is None else np.asarray(levels, dtype=np.float64)
    truth = np.multiply.outer(level, np.asarray(rates, dtype=np.float64))
    is_possible = len(level) == n_batches and ((truth >= 0) & (truth <= 1)).all()
    if len(rates) < 2 or n_batches < 1 or not is_possible:
        raise UsageError(
            "A simulation has two rates or more, from 0 to 1 at each batch's level, and a batch",
            f"Rates {list(rates)}, {len(level)} levels, {n_batches} batches",
            "Give each variant's true rate, and a level for each batch",
        )
    rng = np.random.default_rng(seed)
    shape = (n_runs, len(rates))
    weight, weighted, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    lost = np.zeros((n_batches, n_runs))
    gap = truth.max(axis=1, keepdims=True) - truth
    shares = np.full(shape, 1 / len(rates))
    for batch in range(n_batches):
        # As many unweighted trials as the weighted ones are worth (Kish, 1965).
        units = np.divide(weight * weight, squares, out=np.zeros(shape), where=squares > 0)
        value = np.divide(weighted, weight, out=np.zeros(shape), where=weight > 0)
        shares = _shares(np.minimum(value, 1.0) * units, units, floor, rng)
        shown = rng.multinomial(batch_size, shares)
        found = rng.binomial(shown, truth[batch])
        each = batch_size / np.maximum(shown, 1) if weighs_days else np.ones(shape)
        weight += each * shown
        weighted += each * found
        squares += each * each * shown
        lost[batch] = shown @ gap[batch]
    total = lost.cumsum(axis=0)
    even: Floats = (batch_size * gap.mean(axis=1)).cumsum()
    error = float(total[-1].std(ddof=1)) / np.sqrt(n_runs) if n_runs > 1 else 0.0
    mean: Floats = total.mean(axis=1, dtype=np.float64)
    return Regret(mean, even, float(error), float(shares[:, truth[-1].argmax()].mean()))


def _shares(successes: Floats, units: Floats, floor: float, rng: np.random.Generator) -> Floats:
    """Shares of each run (runs, variants), by draws from its posteriors."""
    prior = PRIOR_UNITS / 2
    a, b = prior + successes, prior + units - successes
    values = rng.beta(a[:, None, :], b[:, None, :], (len(a), N_DRAWS, a.shape[1]))
    best = values.argmax(axis=2)
    found = np.stack([(best == place).mean(axis=1) for place in range(a.shape[1])], axis=1)
    shares: Floats = floor + (1 - floor * a.shape[1]) * found
    return shares
