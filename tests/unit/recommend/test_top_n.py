"""Lists: as a full sort gives them, whatever the block, and of nothing that is not allowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from sparkperso.recommend.scoring import top_n
from sparkperso.recommend.scoring.top_n import Selection, best_items, blocks_of, select_from
from sparkperso.testing.models import N_ITEMS, random_users, rows_of, users_of, with_cold_users

USERS = with_cold_users(random_users())


@dataclass(frozen=True)
class Given:
    """A model that knows the scores of users by their ids; it gives what it keeps."""

    kept: np.ndarray

    def scores(self, users):
        return self.kept[[place(i) for i in users.ids]]


def place(user_id):
    return list(USERS.ids).index(user_id)


def random_scores(seed=3):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-3, 4, (len(USERS), N_ITEMS)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    return scores


def the_plain_way(scores, n, forbidden):
    rows = []
    for row, values in enumerate(scores):
        order = sorted(range(len(values)), key=lambda c, v=values: (-v[c], c))
        open_ = [c for c in order if np.isfinite(values[c]) and not forbidden(row, c)]
        rows.append(open_[:n])
    return rows


def is_seen(row, item):
    return item in USERS.pairs[row].indices


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1, 4, N_ITEMS, N_ITEMS + 3])
def test_lists_are_those_of_a_full_sort_with_seen_items_left_out(seed, n):
    scores = random_scores(seed)
    found = best_items(Given(scores), USERS, Selection(n))
    assert rows_of(found) == the_plain_way(scores, n, is_seen)
    assert found.items.shape == found.scores.shape == (len(USERS), n)
    for row, items in enumerate(rows_of(found)):
        assert found.scores[row, : len(items)].tolist() == scores[row, items].tolist()
        assert np.isneginf(found.scores[row, len(items) :]).all()


def test_only_what_is_allowed_is_listed():
    allowed = np.arange(N_ITEMS) % 3 == 0
    found = best_items(Given(random_scores()), USERS, Selection(6, allowed))
    expected = the_plain_way(random_scores(), 6, lambda r, c: is_seen(r, c) or not allowed[c])
    assert rows_of(found) == expected


def test_seen_items_are_listed_where_that_is_asked_for():
    found = best_items(Given(random_scores()), USERS, Selection(6, with_seen=True))
    assert rows_of(found) == the_plain_way(random_scores(), 6, lambda r, c: False)


def test_a_rule_forbids_for_one_user_what_it_allows_another():
    class NoFirstFive:
        def forbid(self, scores, users):
            scores[users.ids == "u001", :5] = -np.inf

    found = best_items(Given(random_scores()), USERS, Selection(6, rules=(NoFirstFive(),)))
    expected = the_plain_way(random_scores(), 6, lambda r, c: is_seen(r, c) or (r == 1 and c < 5))
    assert rows_of(found) == expected


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_the_size_of_a_block_does_not_show(monkeypatch, rows):
    whole = best_items(Given(random_scores()), USERS, Selection(5))
    monkeypatch.setattr(top_n, "ROWS", rows)
    found = best_items(Given(random_scores()), USERS, Selection(5))
    assert np.array_equal(found.items, whole.items)
    assert np.array_equal(found.scores, whole.scores)
    blocks = list(blocks_of(USERS))
    assert max(map(len, blocks)) == min(rows, len(USERS))
    assert [i for block in blocks for i in block.ids] == USERS.ids.tolist()


def test_a_large_catalogue_makes_small_blocks(monkeypatch):
    monkeypatch.setattr(top_n, "MOST_CELLS", 3 * N_ITEMS)
    assert max(len(block) for block in blocks_of(USERS)) == 3


@pytest.mark.parametrize("n_items", [1, 4_000, 41_000, 200_000, 500_000, 20_000_000])
def test_five_arrays_of_a_block_hold_256_mb_or_one_user(n_items):
    rows = top_n.rows_of_block(n_items)
    assert rows == 1 or 5 * 4 * rows * n_items <= 256e6
    assert rows <= top_n.ROWS
    # Products come in tiles: less than one would be work for nobody.
    assert n_items > 200_000 or rows % top_n.TILE == 0


def test_what_a_model_keeps_is_not_written_to():
    model = Given(random_scores())
    # A view of the model's own, where fancy indexing gives a copy.
    model_of_views = type("Views", (), {"scores": lambda self, users: model.kept[: len(users)]})()
    best_items(model_of_views, USERS, Selection(3))
    assert np.array_equal(model.kept, random_scores())


def test_no_users_have_no_lists():
    found = best_items(Given(random_scores()), USERS.take(slice(0, 0)), Selection(4))
    assert found.items.shape == found.scores.shape == (0, 4)


def test_what_is_no_number_is_never_listed():
    scores = np.array([[np.nan, np.inf, 1.0, -np.inf]], dtype=np.float32)
    assert rows_of(select_from(scores, 4)) == [[2]]


def test_a_user_who_has_everything_gets_an_empty_list():
    everything = users_of([[(n, 1.0, 0.0) for n in range(3)]], 3)
    model = type("Flat", (), {"scores": lambda self, users: np.ones((1, 3), np.float32)})()
    assert rows_of(best_items(model, everything, Selection(2))) == [[]]
