"""Metrics in memory: those of the definitions, and sums that add up."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.criterion import METRICS, Criterion, metric_name
from sparkperso.recommend.arrays.histories import BUCKETS
from sparkperso.recommend.scoring.ranking_blocks import (
    GroundTruth,
    hit_matrix,
    judge_lists,
    user_values,
)
from sparkperso.recommend.scoring.top_n import Lists
from sparkperso.testing.models import random_users, users_of, with_cold_users

N, K, CATALOGUE = 42, 5, 25
USERS = with_cold_users(random_users())


def random_case(seed):
    """Lists of 0 to K items, 0 to 8 right answers, some of them outside the catalogue."""
    rng = np.random.default_rng(seed)
    items = np.full((N, K), -1)
    right = np.zeros((N, CATALOGUE), dtype=np.float32)
    outside = rng.integers(0, 3, N)
    for row in range(N):
        n = rng.integers(0, K + 1)
        items[row, :n] = rng.choice(CATALOGUE, n, replace=False)
        right[row, rng.choice(CATALOGUE, rng.integers(0, 9), replace=False)] = 1
    counts = (right.sum(axis=1) + outside * (right.sum(axis=1) > 0)).astype(np.int64)
    lists = Lists(items, np.where(items >= 0, 1.0, -np.inf))
    return lists, GroundTruth(csr_matrix(right), counts), right


def the_plain_way(listed, right, n_relevant):
    """The definitions, one user at a time."""
    hits = [item in right for item in listed]
    best = sum(1 / log2(r + 1) for r in range(1, min(K, n_relevant) + 1))
    ranked = [(rank, sum(hits[:rank])) for rank, hit in enumerate(hits, 1) if hit]
    return {
        "ndcg": sum(1 / log2(rank + 1) for rank, _ in ranked) / best,
        "map": sum(so_far / rank for rank, so_far in ranked) / min(K, n_relevant),
        "precision": sum(hits) / K,
        "recall": sum(hits) / n_relevant,
        "hit_rate": float(any(hits)),
        "mrr": max((1 / rank for rank, _ in ranked), default=0.0),
    }


@pytest.mark.parametrize("seed", range(5))
def test_every_metric_is_its_definition(seed):
    lists, answers, right = random_case(seed)
    found = user_values(lists, answers)
    assert set(found) == set(METRICS)
    for row in np.flatnonzero(answers.counts):
        listed = [item for item in lists.items[row] if item >= 0]
        expected = the_plain_way(listed, set(np.flatnonzero(right[row])), answers.counts[row])
        assert {name: values[row] for name, values in found.items()} == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_judgements_of_two_groups_add_up_to_that_of_all(seed):
    lists, answers, _ = random_case(seed)
    whole = judge_lists(lists, USERS, answers)
    order = np.random.default_rng(seed).permutation(N)
    groups = (np.sort(order[:17]), np.sort(order[17:]))
    first, second = (
        judge_lists(
            Lists(lists.items[rows], lists.scores[rows]), USERS.take(rows), answers.take(rows)
        )
        for rows in groups
    )
    both = first + second
    assert both.users.tolist() == whole.users.tolist()
    assert both.listed == whole.listed
    for name in METRICS:
        assert both.sums[name] == pytest.approx(whole.sums[name])
    assert both.means(Criterion(K), CATALOGUE) == whole.means(Criterion(K), CATALOGUE)


@pytest.mark.parametrize("decides", METRICS)
def test_means_are_over_judged_users_with_a_history(decides):
    lists, answers, _ = random_case(1)
    criterion = Criterion(K, decides)
    per_user = user_values(lists, answers)
    means = judge_lists(lists, USERS, answers).means(criterion, 50)
    judged = (answers.counts > 0) & (USERS.lengths > 0)
    assert means["n_judged"] == judged.sum() < N
    for name in METRICS:
        assert means[metric_name(name, K)] == pytest.approx(per_user[name][judged].mean(), abs=1e-6)
    listed = {item for item in lists.items[judged].ravel() if item >= 0}
    assert means[f"coverage_at_{K}"] == pytest.approx(len(listed) / 50)
    for place, bucket in enumerate(BUCKETS):
        here = (answers.counts > 0) & (USERS.buckets == place)
        name = f"{criterion.name}_history_{bucket.replace('+', '_up')}"
        assert (name in means) == here.any()
        if here.any():
            assert means[name] == pytest.approx(per_user[decides][here].mean(), abs=1e-6)


def test_a_user_without_a_list_counts_as_nothing_found():
    users = users_of([[(0, 1, 1)], [(0, 1, 1)]], 3)
    answers = GroundTruth(
        csr_matrix(np.array([[0, 1, 0], [0, 1, 0]], np.float32)), np.array([1, 1])
    )
    lists = Lists(np.array([[1, -1], [-1, -1]]), np.zeros((2, 2)))
    means = judge_lists(lists, users, answers).means(Criterion(2), 3)
    assert (means["ndcg_at_2"], means["recall_at_2"], means["precision_at_2"]) == (0.5, 0.5, 0.25)


def test_an_empty_place_is_no_hit_even_for_who_wants_the_first_item():
    answers = GroundTruth(csr_matrix(np.array([[1, 0]], np.float32)), np.array([1]))
    assert not hit_matrix(Lists(np.array([[-1, -1]]), np.zeros((1, 2))), answers).any()


def test_nobody_to_judge_gives_zeros():
    lists, answers, _ = random_case(0)
    nobody = np.array([], dtype=np.int64)
    empty = Lists(lists.items[nobody], lists.scores[nobody])
    means = judge_lists(empty, USERS.take(nobody), answers.take(nobody)).means(Criterion(K), 0)
    assert set(means.values()) == {0.0}
    assert f"ndcg_at_{K}" in means
