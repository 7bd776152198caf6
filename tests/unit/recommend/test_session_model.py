"""The session model by item_id: by its arrays it answers to the bit as before; bounds; threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest

from sparkperso.config.recommend.sessions import SessionKnnParams
from sparkperso.recommend.registered.session_model import load_session_model, session_model

BEGIN = datetime(2026, 3, 1, tzinfo=timezone.utc)
PARAMS = SessionKnnParams(n_candidates=20, n_neighbours=7, max_items=8, n_followers=4)


def table_of(sessions):
    return pa.table(
        {
            "session_id": [f"s{number}" for number in range(len(sessions))],
            "items": pa.array(sessions, pa.list_(pa.string())),
            "ended_at": [BEGIN + timedelta(minutes=number) for number in range(len(sessions))],
        }
    )


def random_sessions(seed, n=80):
    rng = np.random.default_rng(seed)
    return [[f"i{item}" for item in rng.integers(0, 30, rng.integers(1, 12))] for _ in range(n)]


@pytest.fixture
def model():
    return session_model(table_of(random_sessions(1)), PARAMS)


def test_the_model_of_its_arrays_answers_to_the_bit_as_it_does(model):
    data = {name: array.tobytes() for name, array in model.arrays().items()}
    kinds = {name: array.dtype for name, array in model.arrays().items()}
    # As mapped from a file: read-only.
    again = load_session_model(
        PARAMS, {name: np.frombuffer(data[name], kinds[name]) for name in data}
    )
    for recent in [*random_sessions(2), [], ["unheard of"]]:
        assert again.next_items(recent, 9) == model.next_items(recent, 9)


def test_what_is_excluded_is_left_out_and_the_next_ones_follow(model):
    for recent in random_sessions(3, n=20):
        every = model.next_items(recent, 30)
        excluded = [item for item, _ in every[::2]]
        others = [one for one in every if one[0] not in excluded]
        assert model.next_items(recent, 5, [*excluded, "unheard of"]) == others[:5]
        assert model.next_items(recent, 5, dict.fromkeys(excluded)) == others[:5]


@pytest.mark.parametrize("n", [-1, 0, 1, 10**9, 10**30])
def test_any_number_may_be_asked_for(model, n):
    every = model.next_items(["i1"], 30)
    assert model.next_items(["i1"], n) == every[: max(n, 0)]
    assert (
        model.next_items(["i1"], n, ["i2"] * 5)
        == [one for one in every if one[0] != "i2"][: max(n, 0)]
    )


def test_of_a_long_session_only_the_latest_items_are_looked_at(model):
    class Counting(list):
        looked_at = 0

        def __getitem__(self, places):
            found = super().__getitem__(places)
            Counting.looked_at += len(found)
            return found

    recent = [f"i{number % 30}" for number in range(100_000)]
    assert model.next_items(Counting(recent), 5) == model.next_items(recent[-8:], 5)
    assert Counting.looked_at == PARAMS.max_items


def test_threads_do_not_disturb_each_other(model):
    sessions = random_sessions(4, n=200)
    alone = [model.next_items(recent, 5) for recent in sessions]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda recent: model.next_items(recent, 5), sessions)) == alone


def test_a_model_of_no_session_says_nothing():
    empty = session_model(table_of([]), PARAMS)
    assert empty.next_items(["i1"], 5) == []
    assert load_session_model(PARAMS, empty.arrays()).next_items(["i1"], 5, ["i1"]) == []
