"""Ranking metrics of a block of users in memory, as sums that add up over blocks.

The same metrics as evaluate.ranking's columns (a test holds them together); here they are worked
out beside the model, so that a search sends back figures and not lists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from sparkperso.recommend.arrays.histories import BUCKETS, Floats, Histories, Ints
from sparkperso.recommend.scoring.top_n import Lists

METRICS = ("ndcg", "map", "precision", "recall", "hit_rate")
DECIMALS = 6


@dataclass(frozen=True)
class GroundTruth:
    """What users turned to afterwards."""

    items: csr_matrix
    """Users × items, 1 where an item is a right answer."""
    counts: Ints
    """Right answers per user, those outside the catalogue too; 0: the user is not judged."""

    def take(self, rows: Ints) -> GroundTruth:
        """Returns some of the users."""
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

    def means(self, k: int, n_items: int) -> dict[str, float]:
        """Returns `<metric>_at_<k>` over users with a history, coverage, and nDCG per bucket."""
        n = max(self.users[1:].sum(), 1.0)
        means = {f"{m}_at_{k}": float(self.sums[m][1:].sum() / n) for m in METRICS}
        means[f"coverage_at_{k}"] = len(self.listed) / max(n_items, 1)
        means["n_judged"] = float(self.users[1:].sum())
        for place, bucket in enumerate(BUCKETS):
            if self.users[place]:
                name = f"ndcg_at_{k}_history_{bucket.replace('+', '_up')}"
                means[name] = float(self.sums["ndcg"][place] / self.users[place])
        return {name: round(value, DECIMALS) for name, value in means.items()}


def judge_lists(lists: Lists, users: Histories, answers: GroundTruth) -> Judgement:
    """Returns the sums of users with a right answer; a user without a list counts as 0."""
    per_user = user_values(lists, answers)
    judged = answers.counts > 0
    buckets = users.buckets[judged]
    n = len(BUCKETS)
    sums = {
        m: np.asarray(np.bincount(buckets, values[judged], n), np.float64)
        for m, values in per_user.items()
    }
    shown = lists.items[judged & (users.lengths > 0)]
    counts = np.bincount(buckets, minlength=n).astype(np.float64)
    return Judgement(counts, sums, frozenset(np.unique(shown[shown >= 0]).tolist()))


def user_values(lists: Lists, answers: GroundTruth) -> dict[str, Floats]:
    """Returns each metric per user, at the length of the lists; formulas in evaluate.ranking."""
    k = lists.items.shape[1]
    hits = hit_matrix(lists, answers)
    ranks = np.arange(1, k + 1)
    gains = 1 / np.log2(ranks + 1)
    best = np.concatenate([[1.0], np.cumsum(gains)])[np.minimum(answers.counts, k)]
    ceiling = np.maximum(np.minimum(answers.counts, k), 1)
    precision = np.cumsum(hits, axis=1) / ranks
    return {
        "ndcg": hits @ gains / best,
        "map": (precision * hits).sum(axis=1) / ceiling,
        "precision": hits.sum(axis=1) / k,
        "recall": hits.sum(axis=1) / np.maximum(answers.counts, 1),
        "hit_rate": hits.any(axis=1).astype(np.float64),
    }


def hit_matrix(lists: Lists, answers: GroundTruth) -> Floats:
    """Returns users × places: 1 where a list's place is a right answer."""
    if not lists.items.size:
        return np.zeros(lists.items.shape)
    listed = np.maximum(lists.items, 0)
    rows = np.repeat(np.arange(len(listed)), listed.shape[1])
    found = np.asarray(answers.items[rows, listed.ravel()]).reshape(listed.shape)
    hits: Floats = np.where((lists.items >= 0) & (found > 0), 1.0, 0.0)
    return hits
