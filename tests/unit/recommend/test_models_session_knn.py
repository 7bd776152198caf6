"""The session model of histories: the laws of models, and whom it scores by what."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from sparkperso.config.recommend.models import LastSessionParams
from sparkperso.recommend.fit.fit_failures import obstacle
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.session_knn import user_sessions
from sparkperso.testing.models import (
    N_COLD,
    N_ITEMS,
    ModelTests,
    bare_catalogue,
    coloured_catalogue,
    listed,
    random_users,
    users_of,
)

LONG = {"gap_minutes": 1e6, "recent_days": 1000}
"""All that anybody has is one session, and recent."""
MINUTE = 1 / (24 * 60)


class TestSessionKnn(ModelTests):
    params = LastSessionParams(**LONG)
    bad_settings = (
        {"gap_minutes": 0},
        {"recent_days": -1},
        {"transitions": -1},
        {"prior_half_life_days": 0},
    )


class TestNeighboursAlone(TestSessionKnn):
    params = LastSessionParams(**LONG, transitions=0, n_neighbours=20)


class TestWithPrior(TestSessionKnn):
    params = LastSessionParams(**LONG, prior_half_life_days=30)


class TestManySessions(TestSessionKnn):
    """A pause of 8 days ends a session: most people have several of them."""

    params = LastSessionParams(gap_minutes=8 * 24 * 60, recent_days=1000)

    def test_items_that_nobody_has_are_listed_only_for_what_they_are(self):
        """Some get no list: their last session is one item that nobody else has had."""
        users = random_users()
        lists = listed(self.fit(users), users, N_ITEMS)
        assert not np.isin(lists.items, np.arange(N_ITEMS - N_COLD, N_ITEMS)).any()


def test_sessions_hold_every_liked_pair_once_in_order_and_end_at_pauses():
    users, gap = random_users(), 5.0
    found = user_sessions(users, gap * 24 * 60)
    ages = users.aged(users.ages)
    for row in range(len(users)):
        own = np.flatnonzero(found.owners == row)
        items = [found.items[found.indptr[s] : found.indptr[s + 1]] for s in own]
        assert sorted(item for session in items for item in session) == users.liked(row).tolist()
        dated = [[ages[row, item] for item in session] for session in items]
        assert found.ages[own] == pytest.approx([session[-1] for session in dated])
        for session in dated:
            assert all(0 <= a - b <= gap for a, b in pairwise(session))
        for before, after in pairwise(dated):
            assert before[-1] - after[0] > gap


def test_who_was_not_here_lately_has_no_scores():
    pairs = [(0, 1.0, 1.0), (1, 1.0, 1.0)]
    late, early = pairs, [(item, strength, 30.0) for item, strength, _ in pairs]
    users = users_of([late, late, early, []], 3)
    model = fit_model(LastSessionParams(recent_days=7), users, coloured_catalogue(3))
    assert np.isfinite(model.scores(users)).any(axis=1).tolist() == [True, True, False, False]


def test_the_last_session_alone_decides_and_its_items_are_the_reasons():
    others = [[(0, 1.0, 5.0), (3, 1.0, 5.0)]] * 3 + [[(1, 1.0, 5.0), (4, 1.0, 5.0)]] * 3
    # Item 0 a day ago, item 1 today.
    me = [(0, 1.0, 1.0), (1, 1.0, 0.0)]
    users = users_of([*others, me], 5)
    model = fit_model(LastSessionParams(recent_days=2), users, coloured_catalogue(5))
    scores = model.scores(users)[-1]
    assert np.isfinite(scores).tolist() == [False, True, False, False, True]
    reasons = model.explainer(users)(6, np.array([4]))
    assert reasons.contributions[:, 0] == pytest.approx([0, scores[4]])


def test_of_two_items_of_a_session_each_has_its_part():
    others = [[(0, 1.0, 5.0), (3, 1.0, 5.0)]] * 3 + [[(1, 1.0, 5.0), (3, 1.0, 5.0)]] * 3
    me = [(0, 1.0, 2 * MINUTE), (1, 1.0, MINUTE)]
    users = users_of([*others, me], 4)
    model = fit_model(LastSessionParams(), users, coloured_catalogue(4))
    first, second = model.explainer(users)(6, np.array([3])).contributions[:, 0]
    assert 0 < first < second


def test_across_tasks_it_is_left_out_with_its_reason():
    assert "recommend.one_task_pairs" in obstacle(LastSessionParams(), 100, 10_000, is_whole=False)
    assert obstacle(LastSessionParams(), 10**6, 10_000, is_whole=True) is None


def test_a_large_catalogue_is_an_index_of_what_was_touched():
    n_items = 200_000
    rng = np.random.default_rng(1)
    rows = [
        [(int(item), 1.0, float(n % 5)) for item in np.sort(rng.choice(n_items, 5, replace=False))]
        for n in range(400)
    ]
    users = users_of(rows, n_items)
    ids = np.array([f"i{n}" for n in range(n_items)], dtype=object)
    model = fit_model(LastSessionParams(), users, bare_catalogue(ids))
    assert sum(array.nbytes for array in model.arrays().values()) < 10 * 2**20
    assert np.isfinite(model.scores(users.take(slice(0, 3)))).any(axis=1).all()
