"""VMIS-kNN: what it is by definition, on sessions of any kind; then examples."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from sparkperso.config.recommend.sessions import (
    ItemToItemParams,
    PopularityParams,
    SessionKnnParams,
)
from sparkperso.recommend.arrays.session_index import Sessions
from sparkperso.recommend.models.vmis_knn import SessionKnn, fit
from sparkperso.recommend.sessions.next_items import fit_next_items

N_ITEMS = 30
SMALL = SessionKnnParams(n_candidates=20, n_neighbours=7, max_items=8, n_followers=4)


def sessions_of(rows, n_items=N_ITEMS):
    flat = np.array([item for row in rows for item in row], dtype=np.int32)
    return Sessions(flat, np.cumsum([0, *map(len, rows)]), n_items)


def random_rows(seed, n=80):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, N_ITEMS, rng.integers(1, 12)).tolist() for _ in range(n)]


def by_definition(rows, params, recent):
    """Returns item → score, as the docstring has it."""
    rows = rows[-params.max_sessions :]
    recent = recent[-params.max_items :]
    since = {item: len(recent) - 1 - place for place, item in enumerate(recent)}
    sharing = [s for s in range(len(rows)) if since.keys() & set(rows[s])]
    candidates = sharing[-params.n_candidates :]
    similarity = {
        s: sum((len(recent) - since[i]) / len(recent) for i in since if i in rows[s])
        for s in candidates
    }
    nearest = sorted(candidates, key=lambda s: (-round(similarity[s], 5), -s))
    scores = dict.fromkeys(range(N_ITEMS), 0.0)
    for s in nearest[: params.n_neighbours]:
        place = 1 + min(since[i] for i in since if i in rows[s])
        for item in set(rows[s]):
            holders = sum(item in row for row in rows)
            rarity = np.log(1 + len(rows) / holders)
            scores[item] += similarity[s] * max(1 - 0.1 * place, 0) * rarity
    largest = max(scores.values()) or 1
    scores = {item: score / largest for item, score in scores.items()}
    last = recent[-1]
    after = [b for row in rows for a, b in pairwise(row) if a == last != b]
    counts = sorted((-after.count(b), b) for b in set(after))[: params.n_followers]
    for count, item in counts:
        scores[item] += params.transitions * -count / len(after)
    return {item: score for item, score in scores.items() if score > 0 and item != last}


@pytest.mark.parametrize("seed", range(8))
def test_scores_are_those_of_the_definition(seed):
    rows = random_rows(seed)
    model = fit(SMALL, sessions_of(rows))
    for recent in random_rows(100 + seed, n=15):
        expected = by_definition(rows, SMALL, recent)
        found = model.next_items(np.array(recent), N_ITEMS)
        scores = dict(zip(found.items.tolist(), found.scores.tolist(), strict=True))
        assert scores == pytest.approx(expected, rel=1e-4)
        assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("params", [SMALL, ItemToItemParams(), PopularityParams()], ids=str)
def test_fitting_leaves_the_sessions_as_they_are(params):
    rows = random_rows(5)
    sessions = sessions_of(rows)
    fit_next_items(params, sessions)
    assert sessions.items.tolist() == [item for row in rows for item in row]


def test_only_the_latest_sessions_are_held():
    rows = random_rows(1)
    few = SMALL.model_copy(update={"max_sessions": 10})
    old, new = fit(few, sessions_of(rows)), fit(few, sessions_of(rows[-10:]))
    same(old, new)


def same(one: SessionKnn, other: SessionKnn):
    for recent in random_rows(7, n=20):
        first, second = (m.next_items(np.array(recent), 5) for m in (one, other))
        assert first.items.tolist() == second.items.tolist()
        assert first.scores.tobytes() == second.scores.tobytes()


def test_an_answer_does_not_depend_on_the_calls_before_or_beside_it():
    rows, asked = random_rows(2), [np.array(row) for row in random_rows(3, n=60)]
    model = fit(SMALL, sessions_of(rows))
    alone = [fit(SMALL, sessions_of(rows)).next_items(recent, 5) for recent in asked]
    with ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(lambda recent: model.next_items(recent, 5), asked))
    for one, other in zip(alone, beside, strict=True):
        assert one.items.tolist() == other.items.tolist()
        assert one.scores.tobytes() == other.scores.tobytes()


@pytest.mark.parametrize(
    "rows", [[], [[]], [[3]], [[3, 3, 3]], [[3]] * 5, [list(range(N_ITEMS))] * 3], ids=str
)
@pytest.mark.parametrize("recent", [[], [3], [-1], [3, -1], [N_ITEMS + 5], [3] * 200])
def test_odd_sessions_are_answered(rows, recent):
    found = fit(SMALL, sessions_of(rows)).next_items(np.array(recent, dtype=np.int64), 5)
    assert len(found.items) == len(found.scores) <= 5
    assert np.isfinite(found.scores).all()
    assert not recent or recent[-1] not in found.items


def test_unknown_items_take_a_place_and_nothing_else():
    rows = [[1, 2], [1, 3], [4, 5]]
    model = fit(SMALL.model_copy(update={"transitions": 0.0}), sessions_of(rows))
    known, unknown = model.next_items(np.array([1, 4]), 9), model.next_items(np.array([1, -1]), 9)
    assert set(unknown.items) == {1, 2, 3}
    assert set(known.items) == {1, 2, 3, 5}


def test_what_came_right_after_the_last_item_comes_first():
    rows = [[1, 2, 3]] * 5 + [[1, 9, 2]] * 2
    found = fit(SessionKnnParams(transitions=5.0), sessions_of(rows)).next_items(np.array([1]), 3)
    assert found.items.tolist()[:2] == [2, 9]
