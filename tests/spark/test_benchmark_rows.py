"""benchmark: rows that count, attributes, folds; ALS on ratings beside MLlib's."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyspark
import pytest
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.models import AlsParams, ExplicitParams
from sparkperso.core.errors import JobError

SAMPLE = Path(pyspark.__file__).parent / "data/mllib/als/sample_movielens_ratings.txt"
ROUNDS = 6
"""MLlib's plans grow with each: more need checkpoints or a deeper stack."""


@pytest.fixture
def rows_of(spark):
    from sparkperso.recommend.benchmark.read_ratings import read_rows

    def make(rows, schema):
        return read_rows(spark.createDataFrame(rows, schema), "--train")

    return make


def test_every_dropped_row_is_counted_under_its_reason(rows_of):
    nan = float("nan")
    given = [
        (1, "a", 1.0, "2020-01-01"),
        (None, "a", 1.0, "2020-01-01"),
        (1, None, 1.0, "2020-01-01"),
        (1, "", 1.0, "2020-01-01"),
        (1, "b", nan, "2020-01-01"),
        (1, "b", float("inf"), "2020-01-01"),
        (1, "b", None, "2020-01-01"),
        (1, "b", 1.0, "yesterday"),
        (1, "b", 1.0, None),
        (1, "c", -2.0, "2020-01-02"),
    ]
    schema = "user_id long, item_id string, rating double, timestamp string"
    found = rows_of(given, schema).counts
    assert found["invalid"] == {
        "item_id is missing": 2,
        "rating is not a number": 3,
        "timestamp cannot be read": 2,
        "user_id is missing": 1,
    }
    assert (found["n_rows"], found["n_pairs"], found["n_without_preference"]) == (10, 2, 1)


def test_of_repeated_pairs_the_latest_counts(rows_of):
    from sparkperso.recommend.benchmark.read_ratings import pairs_of

    given = [
        ("u", "a", 5.0, "2020-01-01"),
        ("u", "a", 2.0, "2020-01-03"),
        ("u", "a", 4.0, "2020-01-02"),
        ("u", "b", 3.0, "2020-01-01"),
        ("u", "b", -1.0, "2020-01-02"),
    ]
    rows = rows_of(given, "USER_ID string, Item_Id string, rating double, timestamp string")
    pairs = {row.item_id: row.strength for row in pairs_of(rows.frame).collect()}
    assert pairs == {"a": 2.0, "b": 0.0}
    assert rows.counts["n_duplicates"] == 3


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([2**40, 7], "long", ["1099511627776", "7"]),
        ([17.0, 2.5], "double", ["17", "2.5"]),
        (["x-1", "007"], "string", ["007", "x-1"]),
        ([True, False], "boolean", ["false", "true"]),
    ],
)
def test_ids_of_any_type_are_text(rows_of, values, kind, expected):
    rows = rows_of([(value, "a") for value in values], f"user_id {kind}, item_id string")
    assert sorted(row.user_id for row in rows.frame.collect()) == sorted(expected)
    assert not rows.has_times


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("2021-03-04T05:06:07Z", "string"),
        ("2021-03-04 06:06:07+01:00", "string"),
        ("1614834367", "string"),
        (1614834367, "long"),
        (1614834367.0, "double"),
        (1614834367000, "long"),
        (1614834367000000, "long"),
        (1614834367000000000, "long"),
        (datetime(2021, 3, 4, 5, 6, 7), "timestamp_ntz"),
    ],
)
def test_times_in_many_forms(rows_of, value, kind):
    rows = rows_of([("u", "a", value)], f"user_id string, item_id string, timestamp {kind}")
    assert rows.first_at == datetime(2021, 3, 4, 5, 6, 7)


def purchases():
    """Twelve users who buy some of eight items again and again over thirty days."""
    rng = np.random.default_rng(4)
    return [
        (f"u{rng.integers(12)}", f"i{rng.integers(8)}", datetime(2021, 1, 1 + int(day)))
        for day in rng.integers(0, 30, 150)
    ]


def folds_of(rows, spark):
    from sparkperso.recommend.benchmark.folds import _rolling

    nothing = spark.createDataFrame([], "item_id string")
    cuts = [datetime(2021, 1, 10), datetime(2021, 1, 20)]
    folds = _rolling(rows, cuts, nothing)
    return [sorted(map(tuple, fold.relevant.collect())) for fold in folds]


def test_pairs_with_their_first_time_are_asked_what_raw_rows_are(spark, rows_of):
    raw = pd.DataFrame(purchases(), columns=["user_id", "item_id", "timestamp"])
    times = raw.groupby(["user_id", "item_id"])["timestamp"].agg(["min", "max"]).reset_index()
    pairs = [
        (user, item, first.to_pydatetime(), last.to_pydatetime())
        for user, item, first, last in times.itertuples(index=False)
    ]
    schema = "user_id string, item_id string"
    columns = f"{schema}, first_timestamp timestamp_ntz, timestamp timestamp_ntz"
    known = rows_of(pairs, columns)
    bare = rows_of([(u, i, last) for u, i, _, last in pairs], f"{schema}, timestamp timestamp_ntz")
    whole = rows_of(purchases(), f"{schema}, timestamp timestamp_ntz")
    assert folds_of(known, spark) == folds_of(whole, spark) != folds_of(bare, spark)
    assert [rows.is_once for rows in (whole, bare, known)] == [False, True, False]
    assert known.counts["n_rows"] == known.counts["n_pairs"] == len(pairs)
    assert known.counts["n_duplicates"] == 0
    assert (known.first_at, known.began_at) == (times["max"].min(), times["min"].min())


def test_a_first_time_may_be_missing_but_not_wrong(rows_of):
    given = [
        ("u", "a", "2021-01-02", "2021-01-03"),
        ("u", "b", None, "2021-01-03"),
        ("u", "c", " ", "2021-01-03"),
        ("u", "d", "2021-01-04", "2021-01-03"),
        ("u", "e", "long ago", "2021-01-03"),
    ]
    schema = "user_id string, item_id string, first_timestamp string, timestamp string"
    rows = rows_of(given, schema)
    assert list(rows.counts["invalid"].values()) == [2]
    assert "first_timestamp" in next(iter(rows.counts["invalid"]))
    assert sorted(row.item_id for row in rows.frame.collect()) == ["a", "a", "b", "c"]


def test_pairs_of_the_test_that_began_in_training_are_not_new(rows_of):
    from sparkperso.recommend.benchmark.prepare import begun_later

    schema = "user_id string, item_id string, first_timestamp string, timestamp string"
    given = [("u", "old", "2021-01-01", "2021-02-01"), ("u", "new", "2021-02-01", "2021-02-02")]
    rows, cut = rows_of(given, schema), datetime(2021, 1, 15)
    assert {row.item_id for row in begun_later(rows, cut).collect()} == {"new"}
    assert rows.first_at == datetime(2021, 2, 1)
    without = rows_of(
        [(u, i, last) for u, i, _, last in given], schema.replace("first_timestamp string, ", "")
    )
    assert {row.item_id for row in begun_later(without, cut).collect()} == {"old", "new"}


def test_rows_that_cannot_be_used_are_refused(rows_of):
    with pytest.raises(JobError, match="no item_id"):
        rows_of([("u", 1)], "user_id string, item long")
    with pytest.raises(JobError, match="It is empty"):
        rows_of([], "user_id string, item_id string")
    with pytest.raises(JobError, match="user_id is missing in 1 rows"):
        rows_of([(None, "a")], "user_id string, item_id string")


def test_attributes_are_values_or_buckets_of_numbers(spark):
    from sparkperso.recommend.benchmark.column_attributes import describe

    given = [
        (n, n / 10, n % 3, "north" if n % 2 else None, ["x", "y"], f"mail-{n}") for n in range(1200)
    ]
    schema = "user_id int, age double, level int, area string, likes array<string>, mail string"
    found = describe(spark.createDataFrame([*given, given[0]], schema), "user_id")
    rows = {row.user_id: row.attributes for row in found.frame.collect()}
    assert rows["0"] == ["age=0", "level=0", "likes=x", "likes=y"]
    assert rows["1199"] == ["age=9", "area=north", "level=2", "likes=x", "likes=y"]
    assert len({token for row in rows.values() for token in row if token[:4] == "age="}) == 10
    assert list(found.counts["left_out"]) == ["mail"]
    assert found.counts["n_duplicates"] == 1


def test_items_are_titles_and_words(spark):
    from sparkperso.recommend.benchmark.items import read_items

    schema = "item_id int, title string, tags string, price string, brand string"
    rows = [(1, "Red cup", "a|b", "2.5", "Best Co"), (2, None, None, "?", None)]
    frame, counts = read_items(spark.createDataFrame(rows, schema), None)
    first, second = sorted(frame.collect(), key=lambda row: row.item_id)
    assert (first.title, first.tags, first.price) == ("Red cup", ["a|b", "brand_best_co"], 2.5)
    assert first.attributes == {"brand": "Best Co"}
    assert (second.title, second.tags, second.price) == ("", [], None)
    assert counts["n_known"] == 2


def sample_matrices():
    lines = [line.split("::")[:3] for line in SAMPLE.read_text().split()]
    users, items, ratings = np.array(lines, dtype=float).T
    asked = np.arange(len(lines)) % 5 == 0
    shape = (int(users.max()) + 1, int(items.max()) + 1)

    def matrix(rows):
        return csr_matrix((ratings[rows], (users[rows], items[rows])), shape=shape)

    return matrix(~asked), matrix(asked)


def mllib_factors(spark, train, params, implicit):
    from pyspark.ml.recommendation import ALS

    places = train.tocoo()
    rows = [
        (int(u), int(i), float(r))
        for u, i, r in zip(places.row, places.col, places.data, strict=True)
    ]
    als = ALS(
        rank=params.rank, maxIter=params.max_iter, regParam=params.reg_param, seed=3,
        alpha=getattr(params, "alpha", 1.0), implicitPrefs=implicit,
        numUserBlocks=1, numItemBlocks=1,
        userCol="user", itemCol="item", ratingCol="rating",
    )  # fmt: skip
    model = als.fit(spark.createDataFrame(rows, "user int, item int, rating double"))
    sides = []
    for frame, size in ((model.userFactors, train.shape[0]), (model.itemFactors, train.shape[1])):
        factors = np.zeros((size, params.rank))
        for row in frame.collect():
            factors[row["id"]] = row["features"]
        sides.append(factors)
    return sides[0] @ sides[1].T


def test_explicit_als_errs_as_mllibs_does(spark):
    from sparkperso.recommend.fit.explicit_als import try_rating

    train, asked = sample_matrices()
    params = ExplicitParams(rank=8, reg_param=0.1, max_iter=ROUNDS)
    ours = try_rating(params, train.astype(np.float32), asked.astype(np.float32), seed=3)["rmse"]
    predicted = mllib_factors(spark, train, params, implicit=False)
    places = asked.tocoo()
    known = (np.diff(train.indptr) > 0)[places.row] & (train.getnnz(axis=0) > 0)[places.col]
    errors = (predicted[places.row, places.col] - places.data)[known]
    theirs = math.sqrt(np.mean(errors**2))
    assert ours == pytest.approx(theirs, rel=0.02)


def ndcg(scores, train, asked, k=10):
    scores = np.where(train.toarray() > 0, -np.inf, scores)
    values = []
    for user in np.flatnonzero(np.diff(asked.indptr)):
        best = np.argsort(-scores[user], kind="stable")[:k]
        right = asked[user].indices
        gains = 1 / np.log2(np.arange(2, k + 2))
        values.append(gains[np.isin(best, right)].sum() / gains[: len(right)].sum())
    return float(np.mean(values))


def test_implicit_als_ranks_as_mllibs_does(spark):
    from sparkperso.recommend.kernels.als import fit_als, fold_in

    train, asked = sample_matrices()
    params = AlsParams(rank=8, reg_param=0.1, alpha=2.0, max_iter=ROUNDS)
    how = {"reg_param": params.reg_param, "alpha": params.alpha, "implicit": True}
    items = fit_als(train.astype(np.float32), rank=8, max_iter=ROUNDS, seed=3, **how)
    users = fold_in(train.astype(np.float32), items, **how)
    theirs = ndcg(mllib_factors(spark, train, params, implicit=True), train, asked)
    assert ndcg(users @ items.T, train, asked) == pytest.approx(theirs, abs=0.03)
