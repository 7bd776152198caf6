"""Ranking metrics of a block of users in memory, as sums that add up over blocks.

The same metrics as evaluate.ranking's columns (a test holds them together); here they are worked
out beside the model, so that a search sends back figures and not lists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.criterion import METRICS, Criterion, metric_name
from sparkperso.recommend.arrays.histories import BUCKETS, Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints
from sparkperso.recommend.scoring.top_n import Lists

DECIMALS = 6


@dataclass(frozen=True)
class GroundTruth:
    """The relevant items of users: what they turned to after the cut, and had not before."""

    items: csr_matrix
    """Users × items, 1 where an item is relevant."""
    counts: Ints
    """Relevant items per user, those outside the catalogue too; 0: the user is not judged."""

    def take(self, rows: Ints) -> GroundTruth:
        """Returns some of the users, in the order of `rows`."""
        return GroundTruth(self.items[rows], self.counts[rows])


@dataclass(frozen=True)
class Judgement:
    """Sums over judged users, by bucket of their history."""

    users: Floats
    """Judged users per bucket of BUCKETS."""
    sums: dict[str, Floats]
    """Metric → sum per bucket."""
    listed: frozenset[int]
    """Items in the lists of users with a history."""

    def __add__(self, other: Judgement) -> Judgement:
        """Returns the judgement of both groups of users."""
        sums = {name: self.sums[name] + other.sums[name] for name in self.sums}
        return Judgement(self.users + other.users, sums, self.listed | other.listed)

    def means(self, criterion: Criterion, n_items: int) -> dict[str, float]:
        """Returns all metrics over users with a history, coverage, and the criterion per bucket.

        `criterion.k` is the length of the judged lists, `n_items` the size of the catalogue.
        Coverage is the share (0 to 1) of it in anybody's list. Bucket 0, users without history, has
        its value of the criterion and is in no other mean. Rounded to 6 decimals; 0 where nobody is
        judged.
        """
        n, k = max(self.users[1:].sum(), 1.0), criterion.k
        means = {metric_name(m, k): float(self.sums[m][1:].sum() / n) for m in METRICS}
        means[f"coverage_at_{k}"] = len(self.listed) / max(n_items, 1)
        means["n_judged"] = float(self.users[1:].sum())
        for place, bucket in enumerate(BUCKETS):
            if self.users[place]:
                name = f"{criterion.name}_history_{bucket.replace('+', '_up')}"
                means[name] = float(self.sums[criterion.metric][place] / self.users[place])
        return {name: round(value, DECIMALS) for name, value in means.items()}


def judge_lists(lists: Lists, users: Histories, truth: GroundTruth) -> Judgement:
    """Returns the sums over users with a relevant item; a user without a list counts as 0.

    All three have the same users in the same order.
    """
    per_user = user_values(lists, truth)
    judged = truth.counts > 0
    buckets = users.buckets[judged]
    n = len(BUCKETS)
    sums = {
        m: np.asarray(np.bincount(buckets, values[judged], n), np.float64)
        for m, values in per_user.items()
    }
    shown = lists.items[judged & (users.lengths > 0)]
    counts = np.bincount(buckets, minlength=n).astype(np.float64)
    return Judgement(counts, sums, frozenset(np.unique(shown[shown >= 0]).tolist()))


def user_values(lists: Lists, truth: GroundTruth) -> dict[str, Floats]:
    """Returns each metric per user (users,), 0 to 1, at the length of the lists.

    Formulas and sources stand in evaluate.ranking. 0 for users without a relevant item.

    >>> lists = Lists(np.array([[2, 0]]), np.array([[0.9, 0.5]]))
    >>> truth = GroundTruth(csr_matrix([[1, 0, 0]]), np.array([1]))
    >>> {name: round(float(value[0]), 4) for name, value in user_values(lists, truth).items()}
    {'ndcg': 0.6309, 'map': 0.5, 'precision': 0.5, 'recall': 1.0, 'hit_rate': 1.0, 'mrr': 0.5}
    """
    k = lists.items.shape[1]
    hits = hit_matrix(lists, truth)
    ranks = np.arange(1, k + 1)
    gains = 1 / np.log2(ranks + 1)
    # 1 in place of the best gain of nobody's relevant items, so as not to divide by 0.
    best = np.concatenate([[1.0], np.cumsum(gains)])[np.minimum(truth.counts, k)]
    ceiling = np.maximum(np.minimum(truth.counts, k), 1)
    precision = np.cumsum(hits, axis=1) / ranks
    return {
        "ndcg": hits @ gains / best,
        "map": (precision * hits).sum(axis=1) / ceiling,
        "precision": hits.sum(axis=1) / k,
        "recall": hits.sum(axis=1) / np.maximum(truth.counts, 1),
        "hit_rate": hits.any(axis=1).astype(np.float64),
        "mrr": (hits / ranks).max(axis=1, initial=0.0),
    }


def hit_matrix(lists: Lists, truth: GroundTruth) -> Floats:
    """Returns users × places: 1 where the item at a list's place is relevant, else 0."""
    if not lists.items.size:
        return np.zeros(lists.items.shape)
    listed = np.maximum(lists.items, 0)
    rows = np.repeat(np.arange(len(listed)), listed.shape[1])
    relevant = np.asarray(truth.items[rows, listed.ravel()]).reshape(listed.shape)
    hits: Floats = np.where((lists.items >= 0) & (relevant > 0), 1.0, 0.0)
    return hits
