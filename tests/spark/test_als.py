"""Models: a checkerboard whose answer is known, and factors that do not depend on row order."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pyspark
import pytest
from pyspark.sql import functions as F

from sparkperso.config.recommend import (
    AlsParams,
    ImplicitParams,
    InteractionsConfig,
    PopularityParams,
)
from sparkperso.evaluate.rating import rating_metrics
from sparkperso.recommend.als import AlsSetting, ExplicitAls, ImplicitAls, predict
from sparkperso.recommend.indexes import new_index_rows
from sparkperso.recommend.popularity import Popularity
from sparkperso.recommend.scoring import seen_lists
from sparkperso.recommend.split import TrainingSet, latest_ratings, training_set
from sparkperso.testing.frames import events_frame, table_frame

AS_OF = datetime(2026, 3, 1)
CONFIG = InteractionsConfig(weights={"purchase": 1.0}, half_life_days=None)
N = 12
IMPLICIT = ImplicitParams(rank=4, reg_param=0.01, alpha=5, max_iter=4)


def checkerboard():
    """User u bought every item of its own colour but one; the one left out is the answer."""
    return [
        {
            "user_id": f"u{u:02d}",
            "item_id": f"i{i:02d}",
            "event_type": "purchase",
            "timestamp": AS_OF - timedelta(days=1),
        }
        for u in range(N)
        for i in range(N)
        if (u + i) % 2 == 0 and i != left_out(u)
    ]


def left_out(user):
    return (user + 4) % N


def setting_of(interactions, spark, weights=None, num_blocks=1):
    indexes = {}
    for column in ("user_id", "item_id"):
        index = column.replace("_id", "_index")
        known = table_frame(spark, f"gold/{index}", [])
        indexes[index] = new_index_rows(known, interactions, column, index).cache()
    return AlsSetting(
        indexes["user_index"], indexes["item_index"], weights or CONFIG.weights, 42, num_blocks
    )


@pytest.fixture(scope="module")
def board(spark):
    return training_set(events_frame(spark, checkerboard()), CONFIG, AS_OF)


@pytest.fixture(scope="module")
def setting(board, spark):
    return setting_of(board.interactions, spark)


def first_places(model, training):
    users = training.interactions.select("user_id").distinct()
    rows = model.recommend(users, seen_lists(training.interactions), 1, 100).collect()
    return {row.user_id: row.item_id for row in rows}


@pytest.fixture(scope="module")
def fitted(board, setting):
    return ImplicitAls(IMPLICIT, setting).fit(board)


def test_implicit_als_fills_in_the_checkerboard(board, fitted):
    found = first_places(fitted, board)
    assert found == {f"u{u:02d}": f"i{left_out(u):02d}" for u in range(N)}


def test_factors_are_the_same_to_the_bit_in_any_order_of_rows(board, setting, fitted):
    def factors(model):
        return {row.user_id: row.factors for row in model.user_factors.collect()}

    shuffled = TrainingSet(
        AS_OF, board.events, board.interactions.orderBy(F.rand(3)).repartition(5)
    )
    assert factors(ImplicitAls(IMPLICIT, setting).fit(shuffled)) == factors(fitted)


def test_users_whose_purchases_went_back_have_no_factors(spark, board, setting):
    nothing = F.when(F.col("user_id") == "u00", 0.0).otherwise(F.col("strength"))
    training = TrainingSet(AS_OF, board.events, board.interactions.withColumn("strength", nothing))
    users = ImplicitAls(IMPLICIT, setting).fit(training).user_factors
    assert "u00" not in {row.user_id for row in users.collect()}
    assert users.count() == N - 1


def test_the_trend_lifts_what_sells_now(spark, board, setting):
    rush = [
        {"anonymous_id": f"a{n}", "item_id": "i03", "event_type": "purchase", "timestamp": AS_OF}
        for n in range(30)
    ]
    events = board.events.unionByName(events_frame(spark, rush))
    params = IMPLICIT.model_copy(update={"trend_weight": 10.0})
    model = ImplicitAls(params, setting).fit(TrainingSet(AS_OF, events, board.interactions))
    bias = {row.item_id: row.bias for row in model.item_factors.collect()}
    assert bias.pop("i03") == 10.0
    assert all(0 < value < 10.0 for value in bias.values())


def test_popularity_counts_the_window_the_age_and_anonymous_events(spark):
    def sold(item, days, **who):
        return {
            "item_id": item,
            "event_type": "purchase",
            "timestamp": AS_OF - timedelta(days=days),
            **who,
        }

    rows = [sold("a", 0), sold("b", 10, user_id="u"), sold("b", 20), sold("c", 100, user_id="v")]
    rows += [{**sold("d", 1), "event_type": "refund"}]
    training = training_set(events_frame(spark, rows), CONFIG, AS_OF)

    def scores(**params):
        weights = {"purchase": 1.0, "refund": -1.0}
        model = Popularity(PopularityParams(**params), weights).fit(training)
        return {row.item_id: row.bias for row in model.item_factors.collect()}

    assert scores() == {"a": 1.0, "b": 2.0, "c": 1.0}
    assert scores(half_life_days=10) == {"a": 1.0, "b": 0.75, "c": 0.000976563}
    assert scores(window_days=15) == {"a": 1.0, "b": 1.0}


@pytest.fixture(scope="module")
def movielens(spark):
    """Spark's own sample: 1,501 ratings by 30 users, in order of their times."""
    path = Path(pyspark.__file__).parent / "data/mllib/als/sample_movielens_ratings.txt"
    rows = [line.split("::") for line in path.read_text().split()]
    start = datetime(2026, 1, 1)
    return [
        {
            "user_id": user,
            "item_id": item,
            "event_type": "rating",
            "value": float(value),
            "timestamp": start + timedelta(minutes=n),
        }
        for n, (user, item, value, _) in enumerate(rows)
    ]


def test_explicit_als_predicts_ratings_better_than_their_mean(spark, movielens):
    held_out = movielens[::5]
    known = [row for n, row in enumerate(movielens) if n % 5]
    config = InteractionsConfig(weights={"rating": 1.0})
    training = training_set(events_frame(spark, known), config, AS_OF)
    model = ExplicitAls(
        AlsParams(rank=8, reg_param=0.2, max_iter=5),
        setting_of(training.interactions, spark, config.weights),
    ).fit(training)
    asked = latest_ratings(events_frame(spark, held_out))
    found = rating_metrics(predict(model, asked))
    values = [row["value"] for row in held_out]
    mean = sum(row["value"] for row in known) / len(known)
    of_mean = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
    assert found["rmse"] < 0.95 * of_mean
    assert found["dropped_share"] < 0.05


def test_an_index_is_dense_stable_and_only_grows(spark):
    def index(known, ids):
        rows = spark.createDataFrame([(i,) for i in ids], "item_id string").repartition(3)
        fresh = new_index_rows(known, rows, "item_id", "item_index")
        return known.unionByName(fresh)

    def content(frame):
        return {row.item_id: row.item_index for row in frame.collect()}

    first = index(table_frame(spark, "gold/item_index", []), ["c", "a", "b", "a"])
    assert content(first) == {"a": 0, "b": 1, "c": 2}
    second = content(index(first, ["b", "aa", "z", "0"]))
    assert second == {"a": 0, "b": 1, "c": 2, "0": 3, "aa": 4, "z": 5}
