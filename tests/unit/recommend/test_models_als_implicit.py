"""ALS: the laws of all models, then that users are folded in exactly."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.config.recommend.models import AlsParams
from sparkperso.recommend.models import als, fit_model
from sparkperso.recommend.models.base import FitSetting
from sparkperso.testing.models import ModelTests, coloured_catalogue, random_users, same_bits


class TestBinary(ModelTests):
    params = AlsParams(rank=2, reg_param=0.01, alpha=5, max_iter=8)
    bad_settings = (
        {"rank": 0},
        {"reg_param": 0},
        {"alpha": -1},
        {"max_iter": 101},
        {"values": "log"},
    )


class TestStrength(TestBinary):
    params = AlsParams(rank=2, reg_param=0.01, alpha=5, max_iter=8, values="strength")


class TestWithPrior(TestBinary):
    params = AlsParams(rank=2, reg_param=0.01, alpha=5, max_iter=8, prior_half_life_days=30)


class TestManyFactors(TestBinary):
    params = AlsParams(rank=128, reg_param=0.05, alpha=5, max_iter=8)


def fitted(setting=None, **params):
    users = random_users()
    settings = AlsParams(**{"rank": 4, "reg_param": 0.1, "alpha": 3, "max_iter": 4, **params})
    return users, fit_model(settings, users, coloured_catalogue(users.n_items), setting)


@pytest.mark.parametrize("rank", [4, als.MANY_FACTORS])
@pytest.mark.parametrize("values", ["binary", "strength"])
def test_user_factors_minimise_the_objective(values, rank):
    users, model = fitted(values=values, rank=rank)
    rated = users.values(values).toarray().astype(float)
    items = model.item_factors.astype(float)
    for row, factors in enumerate(model.user_factors(users)):
        confidence = np.diag(1 + 3 * rated[row])
        matrix = items.T @ confidence @ items + 0.1 * (rated[row] > 0).sum() * np.eye(rank)
        wished = items.T @ confidence @ (rated[row] > 0)
        assert factors == pytest.approx(np.linalg.solve(matrix, wished), rel=1e-3, abs=1e-4)


def test_strengths_matter_only_where_they_are_asked_for():
    (users, binary), (_, strength) = fitted(), fitted(values="strength")
    assert not np.allclose(binary.scores(users), strength.scores(users), atol=1e-3)


def test_the_number_of_threads_does_not_show():
    (users, one), (_, two) = fitted(), fitted(FitSetting(threads=2))
    same_bits(one.scores(users), two.scores(users))


def test_the_seed_shows_in_the_factors():
    (_, one), (_, other) = fitted(), fitted(FitSetting(seed=43))
    assert not np.array_equal(one.item_factors, other.item_factors)


def test_a_watch_sees_every_iteration_and_stops_the_fit():
    seen = []

    def watch(iteration, model):
        seen.append((iteration, model.item_factors))
        return iteration < 3

    _, model = fitted(FitSetting(watch=watch), max_iter=9)
    assert [n for n, _ in seen] == [1, 2, 3]
    same_bits(seen[-1][1], model.item_factors)
    assert not np.array_equal(seen[0][1], seen[1][1])


def test_what_a_watch_sees_has_the_prior():
    found = []
    setting = FitSetting(watch=lambda n, model: found.append(model) is None)
    users, model = fitted(setting, prior_half_life_days=20)
    same_bits(found[-1].scores(users), model.scores(users))


@pytest.mark.parametrize("values", ["binary", "strength"])
def test_a_system_of_the_historys_items_gives_what_one_of_the_factors_does(values, monkeypatch):
    users, model = fitted(values=values, rank=als.MANY_FACTORS)
    items = np.array([3, 0, 11])
    by_items = model.user_factors(users), model.explainer(users)(2, items).contributions
    monkeypatch.setattr(als, "MANY_FACTORS", 1000)
    monkeypatch.setattr(als, "CHUNK", 2)
    by_factors = model.user_factors(users), model.explainer(users)(2, items).contributions
    assert by_items[0] == pytest.approx(by_factors[0], rel=1e-4, abs=1e-6)
    assert by_items[1] == pytest.approx(by_factors[1], rel=1e-4, abs=1e-6)
