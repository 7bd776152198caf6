"""Popularity: the laws of all models, then what it counts."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.config.recommend.models import PopularityParams
from sparkperso.recommend.models.base import FitSetting
from sparkperso.recommend.models.popularity import SMOOTHING, fit
from sparkperso.testing.models import ModelTests, bare_catalogue, users_of


class PopularityTests(ModelTests):
    solves_board = False
    serves_known_country = serves_unknown_users = True
    bad_settings = ({"half_life_days": 0}, {"window_days": -1}, {"rank": 3})


class TestPlain(PopularityTests):
    params = PopularityParams()


class TestDecayed(PopularityTests):
    params = PopularityParams(half_life_days=20)


class TestWindowed(PopularityTests):
    params = PopularityParams(window_days=60)


class TestPerCountry(PopularityTests):
    params = PopularityParams(scope="country")
    solves_board = True


def shares(users, **params):
    catalogue = bare_catalogue(np.array([str(n) for n in range(users.n_items)], dtype=object))
    return fit(PopularityParams(**params), users, catalogue, FitSetting()).shares


SOLD = users_of([[(0, 1, 0), (1, 9, 10)], [(1, 1, 20), (2, 0, 0)], [(3, 1, 100)]], 4)


@pytest.mark.parametrize(
    ("params", "counts"),
    [
        ({}, [1, 2, 0, 1]),
        ({"half_life_days": 10}, [1, 0.75, 0, 2.0**-10]),
        ({"window_days": 15}, [1, 1, 0, 0]),
        ({"window_days": 10}, [1, 0, 0, 0]),
        ({"window_days": 15, "half_life_days": 10}, [1, 0.5, 0, 0]),
    ],
)
def test_a_pair_counts_by_its_age_and_not_by_its_strength(params, counts):
    assert shares(SOLD, **params)[0] == pytest.approx(np.array(counts) / sum(counts))


def test_a_scope_leans_on_all_by_the_smoothing():
    users = users_of([[(0, 1, 0)], [(1, 1, 0)]], 2, [("country=GB", "born=1980"), ("country=FR",)])
    everybody, france, britain = shares(users, scope="country")
    assert everybody.tolist() == [0.5, 0.5]
    assert britain == pytest.approx([(1 + SMOOTHING / 2) / (1 + SMOOTHING)] * 1 + [1 - britain[0]])
    assert france == pytest.approx(britain[::-1])


def test_a_window_in_which_nothing_was_sold_lists_nothing():
    assert not shares(SOLD, window_days=1e-9)[0, 1:].any()
    old = users_of([[(0, 1, 50)]], 2)
    assert not shares(old, window_days=10).any()
