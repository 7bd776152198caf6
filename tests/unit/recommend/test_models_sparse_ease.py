"""EASE on neighbours: the laws of all models, then the regressions worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sparkperso.config.recommend.models import EaseParams, SparseEaseParams
from sparkperso.core.errors import JobError
from sparkperso.recommend.models import fit_model, sparse_ease
from sparkperso.recommend.models.base import FitSetting
from sparkperso.testing.models import (
    ModelTests,
    coloured_catalogue,
    random_users,
    same_bits,
    users_of,
)


class SparseEaseTests(ModelTests):
    bad_settings = (
        {"reg_param": 0},
        {"n_neighbours": 0},
        {"n_neighbours": 2000},
        {"prior_half_life_days": 0},
    )


class TestSparseEase(SparseEaseTests):
    params = SparseEaseParams(reg_param=2.0)


class TestFewNeighbours(SparseEaseTests):
    params = SparseEaseParams(reg_param=2.0, n_neighbours=6)


class TestWithPrior(SparseEaseTests):
    params = SparseEaseParams(reg_param=2.0, prior_half_life_days=30)


def weights_of(users, setting=None, **params):
    catalogue = coloured_catalogue(users.n_items)
    return fit_model(SparseEaseParams(**params), users, catalogue, setting).weights.toarray()


def test_with_all_items_as_neighbours_it_is_ease():
    rng = np.random.default_rng(5)
    rows = [
        [(int(item), 1.0, 1.0) for item in np.flatnonzero(own)] for own in rng.random((60, 8)) < 0.5
    ]
    users = users_of(rows, 8)
    assert (users.item_gram > 0).all()
    ease = fit_model(EaseParams(reg_param=3.0), users, coloured_catalogue(8)).weights
    assert weights_of(users, reg_param=3.0) == pytest.approx(ease, abs=1e-5)


def test_an_item_is_the_ridge_regression_on_its_neighbours():
    users, ridge, n = random_users(), 2.0, 4
    likes = users.likes.toarray().astype(float)
    lengths = np.maximum(np.sqrt((likes**2).sum(axis=0)), 1)
    cosines = likes.T @ likes / lengths / lengths[:, None]
    np.fill_diagonal(cosines, 0)
    found = weights_of(users, reg_param=ridge, n_neighbours=n)
    for item in range(users.n_items):
        near = [
            i
            for i in np.argsort(-cosines[item].round(6), kind="stable")[:n]
            if cosines[item][i] > 0
        ]
        own = np.vstack([likes[:, near], np.sqrt(ridge) * np.eye(len(near))])
        answer = np.concatenate([likes[:, item], np.zeros(len(near))])
        expected = np.zeros(users.n_items)
        expected[near] = np.linalg.lstsq(own, answer, rcond=None)[0]
        assert found[:, item] == pytest.approx(expected, abs=1e-5)


def test_neither_blocks_nor_threads_show(monkeypatch):
    users = random_users()
    whole = weights_of(users, n_neighbours=5, reg_param=2.0)
    monkeypatch.setattr(sparse_ease, "CELLS", 60)
    setting = FitSetting(threads=2)
    same_bits(weights_of(users, setting, n_neighbours=5, reg_param=2.0), whole)


def test_more_pairs_of_items_than_the_bound_are_refused_before_any_work():
    users = random_users()
    with pytest.raises(JobError, match="at most 24"):
        weights_of(users, replace(FitSetting(), max_item_pairs=4))
