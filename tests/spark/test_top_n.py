"""Lists of Spark: as worked out with numpy, and the same however the users are spread."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.errors import JobError
from sparkperso.recommend.lists import ListSize, Named, build_lists, similar_items
from sparkperso.recommend.model import FactorModel
from sparkperso.recommend.scoring import seen_lists

RNG = np.random.default_rng(5)
USERS = {f"u{n:02d}": RNG.normal(size=4).astype("float32").tolist() for n in range(30)}
ITEMS = {f"i{n:02d}": RNG.normal(size=4).astype("float32").tolist() for n in range(25)}
SEEN = [(user, f"i{n:02d}") for user in list(USERS)[:20] for n in RNG.integers(0, 25, 6)]
SIZE = ListSize(5, 100)


@pytest.fixture(scope="module")
def model(spark):
    items = [(i, f, 0.1 * n) for n, (i, f) in enumerate(ITEMS.items())]
    return FactorModel(
        spark.createDataFrame(items, "item_id string, factors array<float>, bias double"),
        spark.createDataFrame(list(USERS.items()), "user_id string, factors array<float>"),
    )


@pytest.fixture(scope="module")
def popular(spark):
    items = [(f"i{n:02d}", [], float(n // 2)) for n in range(25)]
    return FactorModel(
        spark.createDataFrame(items, "item_id string, factors array<float>, bias double")
    )


@pytest.fixture(scope="module")
def seen(spark):
    return seen_lists(spark.createDataFrame(SEEN, "user_id string, item_id string"))


def frame_of(spark, users):
    return spark.createDataFrame([(user,) for user in users], "user_id string")


def expected(user, n):
    had = {item for owner, item in SEEN if owner == user}
    scored = [
        (-round(float(np.dot(np.float64(USERS[user]), np.float64(f))) + 0.1 * place, 6), item)
        for place, (item, f) in enumerate(ITEMS.items())
        if item not in had
    ]
    return [(item, -score) for score, item in sorted(scored)[:n]]


def lists_of(frame):
    found = {}
    for row in frame.orderBy("user_id", "rank").collect():
        found.setdefault(row.user_id, []).append((row.item_id, row.score))
    return found


@pytest.mark.parametrize("partitions", [1, 6])
def test_lists_are_those_of_a_full_product(spark, model, seen, partitions):
    users = frame_of(spark, USERS).repartition(partitions)
    found = lists_of(model.recommend(users, seen, 5, 100))
    for user, items in found.items():
        assert [item for item, _ in items] == [item for item, _ in expected(user, 5)]
        assert [s for _, s in items] == pytest.approx([s for _, s in expected(user, 5)], abs=1e-6)
    assert set(found) == set(USERS)


def test_strangers_get_popularity_without_what_they_have(spark, model, popular, seen):
    users = frame_of(spark, [*USERS, "stranger"])
    had = spark.createDataFrame(
        [("stranger", "i24"), ("u00", "i01")], "user_id string, item_id string"
    )
    champion, fallback = (
        Named(model, "als_implicit", "7"),
        Named(popular, "popularity", "popularity"),
    )
    rows = build_lists(users, seen_lists(had), champion, fallback, SIZE).collect()
    stranger = sorted((r.rank, r.item_id) for r in rows if r.user_id == "stranger")
    assert [item for _, item in stranger] == ["i22", "i23", "i20", "i21", "i18"]
    assert {(r.strategy, r.model_version) for r in rows} == {
        ("als_implicit", "7"),
        ("popularity", "popularity"),
    }
    assert {r.reason for r in rows if r.user_id == "stranger"} == {"popular:global"}
    assert {r.reason for r in rows if r.user_id == "u00"} == {"similar_to:i01"}
    assert len(rows) == 5 * (len(USERS) + 1)


def test_without_a_champion_everybody_gets_popularity(spark, popular, seen):
    rows = build_lists(frame_of(spark, USERS), seen, None, Named(popular, "popularity", "-"), SIZE)
    assert {row.strategy for row in rows.collect()} == {"popularity"}


def test_similar_items_are_those_of_the_cosine(model):
    vectors = np.array(list(ITEMS.values()), dtype=np.float64)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -np.inf)
    names = np.array(list(ITEMS))
    for row in similar_items(model, ListSize(3, 100)).collect():
        place = list(ITEMS).index(row.item_id)
        order = np.argsort(-cosines[place])
        assert row.other_item_id == names[order[row.rank - 1]]
        assert row.score == pytest.approx(cosines[place].max() if row.rank == 1 else row.score)


def test_more_items_than_allowed_is_an_error_that_says_what_to_do(model):
    with pytest.raises(JobError, match="max_driver_items"):
        model.items(24)
