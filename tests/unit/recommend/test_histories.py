"""Histories: taking users, counting their preferences, reading them from Arrow."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from sparkperso.recommend.arrays.histories import BUCKETS, flat, read_histories
from sparkperso.testing.models import N_ITEMS, random_users, users_of, with_cold_users

USERS = with_cold_users(random_users())


def pairs_of(users, row):
    places = slice(users.pairs.indptr[row], users.pairs.indptr[row + 1])
    values = (users.pairs.indices, users.pairs.data, users.ages)
    return list(zip(*(v[places].tolist() for v in values), strict=True))


@pytest.mark.parametrize(
    "rows", [slice(3, 9), slice(0, 0), np.array([5, 2, 2, 41]), np.array([], dtype=np.int64)]
)
def test_taken_users_keep_all_that_is_theirs(rows):
    taken, places = USERS.take(rows), np.arange(len(USERS))[rows]
    assert len(taken) == len(places)
    assert taken.n_items == N_ITEMS
    assert taken.ids.tolist() == USERS.ids[places].tolist()
    assert taken.attributes == tuple(USERS.attributes[place] for place in places)
    assert [pairs_of(taken, n) for n in range(len(taken))] == [pairs_of(USERS, p) for p in places]
    assert taken.lengths.tolist() == USERS.lengths[places].tolist()


@pytest.mark.parametrize(
    ("length", "bucket"), [(0, "0"), (1, "1-4"), (4, "1-4"), (5, "5-19"), (19, "5-19"), (20, "20+")]
)
def test_a_history_is_in_the_bucket_of_its_preferences(length, bucket):
    liked = [(n, 1.0, 0.0) for n in range(length)]
    users = users_of([liked, [*liked, (30, 0.0, 1.0)]], 31)
    assert [list(BUCKETS)[place] for place in users.buckets] == [bucket, bucket]


def test_likes_and_strengths_are_of_preferred_pairs_alone():
    users = users_of([[(0, 2.0, 1.0), (2, 0.0, 5.0)], [(1, 0.5, 3.0)]], 3)
    assert users.likes.toarray().tolist() == [[1, 0, 0], [0, 1, 0]]
    assert users.strengths.toarray().tolist() == [[2, 0, 0], [0, 0.5, 0]]
    assert users.aged(users.ages).toarray().tolist() == [[1, 0, 0], [0, 3, 0]]
    assert users.liked(0).tolist() == [0]
    assert users.likes.nnz == users.strengths.nnz == 2
    assert users.values("binary") is users.likes
    assert users.values("strength") is users.strengths


def test_the_gram_counts_users_who_like_both():
    likes = random_users().likes.toarray()
    assert np.array_equal(random_users().item_gram, likes.T @ likes)


def test_the_latest_items_of_a_user_are_those_touched_last():
    users = random_users()
    short = users.latest(4)
    assert np.array_equal(short.ids, users.ids)
    assert short.attributes == users.attributes
    for row in range(len(users)):
        by_age = sorted(pairs_of(users, row), key=lambda pair: (pair[2], pair[0]))
        assert pairs_of(short, row) == sorted(by_age[:4])
    assert users.latest(12) is users


def test_of_items_touched_at_once_the_smaller_positions_are_the_latest():
    users = users_of([[(item, 1.0, 5.0) for item in range(6)]], 8)
    assert users.latest(3).pairs.indices.tolist() == [0, 1, 2]


def table_of(rows):
    kinds = {
        "user_id": pa.string(),
        "items": pa.list_(pa.int32()),
        "strengths": pa.list_(pa.float32()),
        "ages": pa.list_(pa.float32()),
        "attributes": pa.list_(pa.string()),
    }
    columns = zip(*rows, strict=True)
    arrays = [pa.array(list(c), kind) for c, kind in zip(columns, kinds.values(), strict=True)]
    return pa.table(arrays, names=list(kinds))


ROWS = [
    ("b", [0, 3], [1.0, 0.0], [2.0, 9.0], ["country=GB"]),
    ("c", None, None, None, None),
    ("a", [1], [0.5], [4.0], []),
    ("d", [], [], [], ["born=1980"]),
]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]])
def test_rows_in_any_order_are_read_in_order_of_user(order):
    users = read_histories(table_of([ROWS[n] for n in order]), 5)
    assert users.ids.tolist() == ["a", "b", "c", "d"]
    assert [pairs_of(users, n) for n in range(4)] == [
        [(1, 0.5, 4.0)],
        [(0, 1.0, 2.0), (3, 0.0, 9.0)],
        [],
        [],
    ]
    assert users.attributes == ((), ("country=GB",), (), ("born=1980",))
    assert users.n_items == 5


def test_chunks_slices_and_no_rows_are_read_as_well():
    whole = table_of(ROWS)
    chunked = pa.concat_tables([whole.slice(2), whole.slice(0, 2)])
    assert pairs_of(read_histories(chunked, 5), 1) == [(0, 1.0, 2.0), (3, 0.0, 9.0)]
    assert read_histories(whole.slice(2, 1), 5).ids.tolist() == ["a"]
    assert len(read_histories(whole.slice(0, 0), 5)) == 0


def test_a_null_list_is_an_empty_one():
    indptr, values = flat(table_of(ROWS), "items", np.int32)
    assert indptr.tolist() == [0, 2, 2, 3, 3]
    assert values.tolist() == [0, 3, 1]
