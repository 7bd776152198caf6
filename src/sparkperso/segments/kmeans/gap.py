"""The gap statistic: whether data falls into clusters at all, and into how many. Plain numpy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from sparkperso.core.threads import one_thread

Points = NDArray[np.float64]
STARTS = 3
"""Starts of k-means for each cost: of one start alone the costs of references would scatter."""
CLEAR = 3
"""Standard errors that a gap must exceed that of one cluster by, to count as clusters."""


@dataclass(frozen=True)
class Gap:
    """How much tighter k clusters are than in data without any."""

    k: int
    gap: float
    """Mean of ln(cost) of the references less that of the data."""
    error: float
    """s_k of the paper: the references' standard deviation times sqrt(1 + 1 / their number)."""


@one_thread()
def gap_statistic(points: Points, k_max: int, n_references: int, seed: int) -> list[Gap]:
    """Returns the gaps of k = 1 … k_max of points (users, features).

    Tibshirani, Walther & Hastie 2001, their variant (b): the references are uniform in the box that
    is aligned with the points' principal components, and the cost of k clusters is the sum of
    squared distances to their centres. Raises ValueError with fewer different points than k_max.
    """
    different = len(np.unique(points, axis=0))
    if different < k_max:
        raise ValueError(f"{k_max} clusters of {different} different points")
    chance = np.random.default_rng(seed)
    references = [_reference(points, chance) for _ in range(n_references)]
    gaps = []
    for k in range(1, k_max + 1):
        own = _log_cost(points, k, seed)
        others = np.array([_log_cost(reference, k, seed) for reference in references])
        error = float(others.std() * np.sqrt(1 + 1 / n_references))
        gaps.append(Gap(k, float(others.mean() - own), error))
    return gaps


def best_k(gaps: Sequence[Gap]) -> int:
    """Returns the smallest k whose gap the next one exceeds by no more than its standard error.

    It is the rule of the paper (Tibshirani, Walther & Hastie 2001, step 3), and finds a few
    clusters in noise about one time in six. Without such a k, the largest that was looked at.

    >>> best_k([Gap(1, 0.10, 0.02), Gap(2, 0.60, 0.02), Gap(3, 0.55, 0.02)])
    2
    """
    for this, following in itertools.pairwise(gaps):
        if this.gap >= following.gap - following.error:
            return this.k
    return gaps[-1].k


def is_noise(gaps: Sequence[Gap]) -> bool:
    """Says whether no number of clusters is clearly better than one: by CLEAR standard errors."""
    one = gaps[0]
    return all(other.gap - one.gap <= CLEAR * (one.error + other.error) for other in gaps[1:])


def _reference(points: Points, chance: np.random.Generator) -> Points:
    """As many points, uniform in the box along the principal components of `points`."""
    middle = points.mean(axis=0)
    axes = np.linalg.svd(points - middle, full_matrices=False)[2]
    turned = (points - middle) @ axes.T
    drawn = chance.uniform(turned.min(axis=0), turned.max(axis=0), size=turned.shape)
    reference: Points = drawn @ axes + middle
    return reference


def _log_cost(points: Points, k: int, seed: int) -> float:
    fit = KMeans(k, n_init=STARTS, random_state=seed).fit(points)
    # As many clusters as different points cost 0, which has no logarithm.
    return float(np.log(max(fit.inertia_, np.finfo(float).tiny)))
