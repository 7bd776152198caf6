"""Blends: weights that add up to 1, chosen for what they do, never worse than one part."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.criterion import METRICS, Criterion
from sparkperso.config.recommend.models import EaseParams, HybridParams, PopularityParams
from sparkperso.recommend.arrays.histories import BUCKETS
from sparkperso.recommend.fit.blend_weights import (
    GROUPS,
    blend_sums,
    choose_weights,
    cross_fitted_means,
    weight_grid,
)
from sparkperso.recommend.fit.trial import FoldInMemory
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.hybrid import HybridModel, weight_table
from sparkperso.recommend.scoring.ranking_blocks import GroundTruth
from sparkperso.recommend.tune.trial_result import TrialResult
from sparkperso.testing.models import (
    N_ITEMS,
    coloured_catalogue,
    random_users,
    with_cold_users,
)

USERS = with_cold_users(random_users(n_users=60))


@dataclass(frozen=True)
class Given:
    kept: np.ndarray

    def scores(self, users):
        return self.kept[[list(USERS.ids).index(i) for i in users.ids]]


def examined(seed=1):
    """Right answers are at random among what users do not have; some users have none."""
    rng = np.random.default_rng(seed)
    right = rng.random((len(USERS), N_ITEMS)) < 0.15
    right[::7] = False
    known = (np.ones(USERS.pairs.nnz), USERS.pairs.indices, USERS.pairs.indptr)
    right[csr_matrix(known, shape=right.shape).nonzero()] = False
    answers = GroundTruth(csr_matrix(right.astype(np.float32)), right.sum(axis=1).astype(np.int64))
    return FoldInMemory(USERS, answers, np.ones(N_ITEMS, dtype=bool), Criterion(5))


EXAM = examined()
RIGHT = Given(np.where(EXAM.truth.items.toarray() > 0, 2.0, 1.0).astype(np.float32))


def useless(seed=9):
    noise = np.random.default_rng(seed).random((len(USERS), N_ITEMS))
    return Given(noise.astype(np.float32))


def half_right():
    """Right answers come first for every second item."""
    helped = EXAM.truth.items.toarray() * (np.arange(N_ITEMS) % 2 == 0)
    return Given((useless(4).kept + 0.6 * helped).astype(np.float32))


def summed(parts, grid):
    """Sums over all groups of users."""
    users, sums = blend_sums(parts, EXAM, grid)
    return users.sum(axis=0), sums[0].sum(axis=0)


@pytest.mark.parametrize(("parts", "steps"), [(1, 5), (2, 5), (3, 4), (5, 5)])
def test_the_grid_holds_every_weighting_once(parts, steps):
    grid = weight_grid(parts, steps)
    assert grid.sum(axis=1) == pytest.approx(1)
    assert (grid >= 0).all()
    assert (grid * steps) == pytest.approx(np.round(grid * steps))
    assert len(grid) == len(np.unique(grid, axis=0)) == comb(steps + parts - 1, parts - 1)


def test_a_part_that_is_always_right_gets_all_weight():
    grid = weight_grid(3, 4)
    parts = [useless(1), RIGHT, useless(2)]
    users, sums = summed(parts, grid)
    assert sums[:, grid[:, 1] == 1].ravel() == pytest.approx(users)
    for weights in choose_weights(users, sums, grid, 1).values():
        assert np.argmax(weights) == 1
        assert weights[1] >= 0.5


def test_a_blend_is_never_worse_where_it_was_learned_than_its_best_part():
    grid = weight_grid(2, 5)
    users, sums = summed([half_right(), useless()], grid)
    weights = choose_weights(users, sums, grid, 1)
    places = [grid.tolist().index(list(w)) for w in weights.values()]
    alone = grid[:, 0].argmax()
    for bucket, place in enumerate(places):
        assert sums[bucket, place] >= sums[bucket, alone]
    assert sums[:, alone].sum() > sums[:, grid[:, 1].argmax()].sum()


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.4, 0.6), (0.0, 1.0)])
def test_a_weighting_is_worth_what_the_fitted_blend_will_be(weights):
    catalogue = coloured_catalogue(N_ITEMS)
    candidates = (EaseParams(reg_param=2.0), PopularityParams())
    parts = [fit_model(params, USERS, catalogue) for params in candidates]
    params = HybridParams(parts=candidates, weights=dict.fromkeys(BUCKETS, weights))
    judged = EXAM.judge(HybridModel(parts, weight_table(params)))
    users, sums = blend_sums(parts, EXAM, np.array([weights]))
    assert judged.users.tolist() == users.sum(axis=0).tolist()
    for metric, own in zip(METRICS, sums, strict=True):
        assert judged.sums[metric] == pytest.approx(own.sum(axis=0)[:, 0], abs=1e-6), metric


def test_a_bucket_of_few_users_takes_what_is_best_for_all_with_a_history():
    grid = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    users = np.array([3, 100, 200, 3])
    sums = np.array([[0, 0, 3.0], [9, 1, 0], [1, 20, 2], [0, 0, 1]])
    assert choose_weights(users, sums, grid, 50) == {
        "0": (0.5, 0.5),
        "1-4": (1.0, 0.0),
        "5-19": (0.5, 0.5),
        "20+": (0.5, 0.5),
    }
    assert choose_weights(users, sums, grid, 1)["20+"] == (0.0, 1.0)


def test_of_equal_weightings_the_first_is_chosen():
    grid, users = weight_grid(2, 2), np.array([9, 9, 9, 9])
    assert set(choose_weights(users, np.ones((4, 3)), grid, 1).values()) == {(0.0, 1.0)}


def worth(users, sums, grid):
    """What a blend is worth on one fold."""
    return cross_fitted_means([(users, sums)], grid, 1)[0]


def learned_here(users, sums, grid, min_users):
    """What weights are worth to the very users that they were learned on."""
    weights = choose_weights(users.sum(axis=0), sums.sum(axis=0), grid, min_users)
    places = [grid.tolist().index(list(w)) for w in weights.values()]
    total = sum(sums[:, n, places[n]].sum() for n in range(1, len(BUCKETS)))
    return total / users[:, 1:].sum()


@pytest.mark.parametrize("seed", range(5))
def test_no_weights_are_judged_by_the_users_that_they_were_learned_on(seed):
    grid = weight_grid(3, 5)
    users, (sums, *_) = blend_sums([useless(seed), useless(seed + 20), half_right()], EXAM, grid)
    assert users.shape == (GROUPS, len(BUCKETS))
    assert users.sum() == (EXAM.truth.counts > 0).sum()
    # Of the weights that are best for all, each group loses by those that are best for the others.
    assert worth(users, sums, grid) <= learned_here(users, sums, grid, 1) + 1e-12


def test_among_useless_parts_a_blend_is_not_taken_for_better():
    rng, grid = np.random.default_rng(8), weight_grid(4, 5)
    users = np.full((GROUPS, len(BUCKETS)), 40)
    sums = 40 * 0.1 + rng.normal(0, 0.3, (GROUPS, len(BUCKETS), len(grid)))
    alone = sums[:, 1:, :].sum(axis=(0, 1)) / users[:, 1:].sum()
    flattered = learned_here(users, sums, grid, 1)
    assert flattered > alone.mean() + 2 * alone.std()
    assert abs(worth(users, sums, grid) - alone.mean()) < 2 * alone.std()


def test_a_blend_is_worth_what_its_best_part_is_where_one_is_always_right():
    grid = weight_grid(2, 2)
    users, (sums, *others) = blend_sums([useless(1), RIGHT], EXAM, grid)
    assert len(others) == len(METRICS) - 1
    assert worth(users, sums, grid) == pytest.approx(1)
    assert worth(0 * users, 0 * sums, grid) == 0


def test_a_blend_is_held_against_its_parts_by_the_mean_of_the_folds_however_large_they_are():
    # Whatever the weights, each fold's lists are of one worth: 0.3 on the small, 0.1 on the large.
    grid, shape = weight_grid(2, 2), (GROUPS, len(BUCKETS))
    folds = [
        (np.full(shape, n), np.full((*shape, len(grid)), n * mean))
        for n, mean in ((10, 0.3), (1_000, 0.1))
    ]
    means = cross_fitted_means(folds, grid, 1)
    assert means == pytest.approx([0.3, 0.1])
    part = TrialResult("als_1", None, ({"ndcg_at_10": 0.3}, {"ndcg_at_10": 0.1}))
    assert np.mean(means) == pytest.approx(part.mean["ndcg_at_10"])


def test_weights_are_learned_on_all_folds_and_never_on_the_users_that_they_are_judged_by():
    grid, shape = weight_grid(2, 1), (GROUPS, len(BUCKETS))
    users, first, second = np.full(shape, 10), np.zeros((*shape, 2)), np.zeros((*shape, 2))
    # Weighting 0 is right for one group in the first fold, weighting 1 for the others in both.
    first[0, :, 0], second[0, :, 0] = 10, 10
    first[1:, :, 1], second[1:, :, 1] = 1, 2
    folds = [(users, first), (users, second)]
    # The large gain of group 0 decides for the others (0), not for itself (1): all get nothing.
    assert cross_fitted_means(folds, grid, 1) == [0, 0]
