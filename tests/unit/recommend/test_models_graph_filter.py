"""Graph filters: the laws of all models, then the filters worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.config.recommend.models import GraphFilterParams
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.graph_filter import low_pass, n_signals, normalised
from sparkperso.testing.models import ModelTests, coloured_catalogue, random_users


class GraphFilterTests(ModelTests):
    bad_settings = (
        {"user_exponent": 1.5},
        {"power": 0},
        {"n_neighbours": 0},
        {"low_pass": -1},
        {"rank": 0},
        {"prior_half_life_days": 0},
    )


class TestLinear(GraphFilterTests):
    params = GraphFilterParams(low_pass=0)


class TestLinearAndLowPass(GraphFilterTests):
    params = GraphFilterParams(low_pass=0.3, rank=2)


class TestPower(GraphFilterTests):
    params = GraphFilterParams(low_pass=0, power=1.7, user_exponent=0.4)


class TestFewNeighbours(GraphFilterTests):
    params = GraphFilterParams(low_pass=0.5, rank=2, n_neighbours=5)


class TestWithPrior(GraphFilterTests):
    params = GraphFilterParams(low_pass=0.3, rank=2, prior_half_life_days=30)


def scored(users, **params):
    model = fit_model(GraphFilterParams(**params), users, coloured_catalogue(users.n_items))
    return np.where(np.isfinite(scores := model.scores(users)), scores, 0)


def test_the_scores_are_the_filters_of_shen_et_al():
    users, weight, rank = random_users(), 0.4, 5
    likes = users.likes.toarray().astype(float)
    n_u, n_i = (np.maximum(likes.sum(axis=axis), 1) for axis in (1, 0))
    graph = likes / np.sqrt(n_u)[:, None] / np.sqrt(n_i)
    linear = graph.T @ graph
    np.fill_diagonal(linear, 0)
    signals = np.linalg.svd(graph)[2][:rank].T
    ideal = (signals @ signals.T) / np.sqrt(n_i)[:, None] * np.sqrt(n_i)
    expected = np.maximum(likes @ (linear + weight * ideal), 0)
    found = scored(users, low_pass=weight, rank=rank)
    # What rounding leaves of a sum of 0 may have either sign.
    assert found == pytest.approx(np.where(expected < 1e-6, 0, expected), rel=1e-4, abs=2e-6)


def test_powers_are_of_the_similarities():
    users, power, a = random_users(), 1.7, 0.3
    likes = users.likes.toarray().astype(float)
    n_u, n_i = (np.maximum(likes.sum(axis=axis), 1) for axis in (1, 0))
    graph = likes / (n_u**a)[:, None] / n_i ** (1 - a)
    similar = (graph.T @ graph) ** power
    np.fill_diagonal(similar, 0)
    found = scored(users, low_pass=0, power=power, user_exponent=a)
    assert found == pytest.approx(likes @ similar, rel=1e-5, abs=1e-7)


def signals(users, n, seed=1):
    return low_pass(normalised(users.likes, 0.5), n, seed)


def test_the_low_pass_keeps_a_quarter_of_the_smaller_side_at_most():
    sizes = [(100, 40), (40, 100), (3, 100)]
    assert [n_signals(GraphFilterParams(), *size) for size in sizes] == [10, 10, 0]
    assert n_signals(GraphFilterParams(low_pass=0), 100, 100) == 0


def test_signals_are_orthogonal_and_their_projection_does_not_depend_on_the_seed():
    one, two = (signals(random_users(), 4, seed) for seed in (1, 2))
    assert one.T @ one == pytest.approx(np.eye(4), abs=1e-5)
    assert one @ one.T == pytest.approx(two @ two.T, abs=1e-5)
