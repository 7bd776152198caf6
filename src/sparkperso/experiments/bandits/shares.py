"""The shares of a bandit's variants: what `analyze-experiments` writes, and `publish` hands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sparkperso.config.experiments.bandit import Bandit
from sparkperso.config.experiments.experiment import Experiment
from sparkperso.core.errors import UsageError
from sparkperso.experiments.assignment.shares import EVERYBODY
from sparkperso.experiments.bandits.allocation import allocate, allocate_by_segment, in_buckets
from sparkperso.experiments.bandits.posteriors import BetaPosterior, Counts

INTERVAL = 0.95


@dataclass(frozen=True)
class TrialSums:
    """Trials of one variant in one segment, of all days together.

    `n`, `successes`: as they were counted. The others have each trial weighted by the inverse of
    its variant's share on its day: `weight` is the sum of weights, `weighted` that of successes,
    `squares` that of squared weights.
    """

    n: float = 0.0
    successes: float = 0.0
    weight: float = 0.0
    weighted: float = 0.0
    squares: float = 0.0

    def merge(self, other: TrialSums) -> TrialSums:
        """Returns both together."""
        return TrialSums(
            self.n + other.n,
            self.successes + other.successes,
            self.weight + other.weight,
            self.weighted + other.weighted,
            self.squares + other.squares,
        )

    @property
    def value(self) -> float | None:
        """Returns the weighted share of successes; None without trials."""
        return min(self.weighted / self.weight, 1.0) if self.weight > 0 else None

    @property
    def counts(self) -> Counts:
        """Returns as many unweighted trials as the weighted ones are worth (Kish, 1965)."""
        if self.value is None or not self.squares > 0:
            return Counts()
        n = self.weight * self.weight / self.squares
        return Counts(n, self.value * n)


Trials = Mapping[str, Mapping[str, TrialSums]]
"""Segment, or EVERYBODY for units without one → variant → trials."""


@dataclass(frozen=True)
class ShareRow:
    """The share of one variant: for one segment, or for everybody else.

    `n`, `successes`: trials as they were counted. `value`, `value_low`, `value_high`: the weighted
    share of successes and its central interval of 95 % by the posterior; None without trials.
    `n_effective`: trials that the interval counts. `error`: how far `share` may be off.
    """

    segment: str | None
    variant: str
    share: float
    error: float
    n: int
    successes: int
    n_effective: float
    value: float | None
    value_low: float | None
    value_high: float | None


def share_rows(experiment: Experiment, trials: Trials) -> list[ShareRow]:
    """Returns the shares of a bandit's variants: for everybody, then by segment in their order.

    1. Before any trial everybody has the weights, and no segment has shares of its own.
    2. Shares for everybody are those of all trials together (`allocate`).
    3. With `by` each segment with trials has its own (`allocate_by_segment`).
    4. They are whole parts of the hash (`in_buckets`).
    """
    bandit = experiment.bandit
    if bandit is None:
        raise UsageError("Shares are of a bandit", f"'{experiment.name}' is none", "Give it one")
    names = list(experiment.arms)
    whole = {name: _merged([of.get(name, TrialSums()) for of in trials.values()]) for name in names}
    if not any(sums.n for sums in whole.values()):
        # As they are written: thirds are no whole parts, and need not be.
        shares = dict(zip(names, experiment.weights, strict=True))
        return _rows(None, shares, 0.0, whole)
    found = allocate(
        {name: BetaPosterior.from_counts(c.successes, c.n) for name, c in _counts(whole).items()},
        floor=bandit.floor,
    )
    rows = _rows(None, in_buckets(found.shares, bandit.floor), found.error, whole)
    own = {segment: of for segment, of in sorted(trials.items()) if segment != EVERYBODY}
    if bandit.by is None or not own:
        return rows
    return rows + _segment_rows(names, bandit, trials, own)


def _segment_rows(names: list[str], bandit: Bandit, trials: Trials, own: Trials) -> list[ShareRow]:
    full = {
        segment: {name: of.get(name, TrialSums()) for name in names}
        for segment, of in trials.items()
    }
    found = allocate_by_segment(
        {segment: _counts(of) for segment, of in full.items()}, floor=bandit.floor
    )
    rows = []
    for segment in own:
        shares = {name: found[segment].shares[name] for name in names}
        rows += _rows(
            segment, in_buckets(shares, bandit.floor), found[segment].error, full[segment]
        )
    return rows


def _rows(
    segment: str | None,
    shares: Mapping[str, float],
    error: float,
    trials: Mapping[str, TrialSums],
) -> list[ShareRow]:
    rows = []
    for name, share in shares.items():
        sums = trials[name]
        counts = sums.counts
        low, high = _interval(counts) if counts.n else (None, None)
        rows.append(
            ShareRow(
                segment,
                name,
                share,
                error,
                round(sums.n),
                round(sums.successes),
                counts.n,
                sums.value,
                low,
                high,
            )
        )
    return rows


def _interval(counts: Counts) -> tuple[float, float]:
    tail = (1 - INTERVAL) / 2
    posterior = BetaPosterior.from_counts(counts.successes, counts.n)
    low, high = (float(end) for end in posterior.quantile(np.array([tail, 1 - tail])))
    return low, high


def _counts(trials: Mapping[str, TrialSums]) -> dict[str, Counts]:
    return {name: sums.counts for name, sums in trials.items()}


def _merged(parts: list[TrialSums]) -> TrialSums:
    found = TrialSums()
    for part in parts:
        found = found.merge(part)
    return found
