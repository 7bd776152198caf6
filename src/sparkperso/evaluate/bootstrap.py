"""Intervals of means over users, by resampling groups of users.

What is resampled is sums, so Spark adds up users by bucket of a hash, and the driver holds as many
numbers as there are buckets.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from sparkperso.core.threads import one_thread

Floats = npt.NDArray[np.float64]
DECIMALS = 6


@dataclass(frozen=True)
class Interval:
    """A mean and its percentile bootstrap interval; `level` is its coverage, such as 0.95."""

    mean: float
    low: float
    high: float
    level: float

    def is_above_zero(self) -> bool:
        """Returns whether the whole interval is above zero; False for NaN bounds."""
        return self.low > 0

    def as_dict(self) -> dict[str, float]:
        """Returns the fields, for a document."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


@one_thread()
def bootstrap_interval(
    counts: Floats, sums: Floats, n_resamples: int, level: float, seed: int
) -> Interval:
    """Returns the mean Σ sums ÷ Σ counts and its interval (Efron 1979, percentile method).

    `counts` (buckets,) are users per bucket, `sums` of their values. Buckets are resampled with
    replacement. With about as many buckets as users this is the bootstrap over users; with fewer,
    buckets hold random groups of users, which is as good for a mean. For a paired comparison give
    the sums of the differences. Rounded to 6 decimals; NaN bounds without buckets.

    >>> counts, sums = np.array([2.0, 2.0, 2.0]), np.array([1.0, 1.0, 1.0])
    >>> print(bootstrap_interval(counts, sums, n_resamples=100, level=0.95, seed=1))
    0.5000 [0.5000, 0.5000]
    """
    n = len(counts)
    if n == 0:
        return Interval(0.0, float("nan"), float("nan"), level)
    means = resampled_means(bucket_draws(n, n_resamples, seed), counts, sums)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    mean = float(sums.sum() / counts.sum())
    mean, low, high = (round(float(x), DECIMALS) for x in (mean, low, high))
    return Interval(mean, low, high, level)


def bucket_draws(n_buckets: int, n_resamples: int, seed: int) -> Floats:
    """Returns how often each resample draws each bucket, (resamples, buckets); rows sum to n."""
    shares = np.full(n_buckets, 1 / n_buckets)
    drawn = np.random.default_rng(seed).multinomial(n_buckets, shares, size=n_resamples)
    # As floats, so that the products below are BLAS's.
    return drawn.astype(np.float64)


def resampled_means(draws: Floats, counts: Floats, sums: Floats) -> Floats:
    """Returns Σ sums ÷ Σ counts of each resample, (resamples,); 0 where it drew nobody."""
    drawn = draws @ counts
    return (draws @ sums) / np.where(drawn == 0, 1.0, drawn)
