"""ALS of the kernels beside MLlib's, and ALS in blocks beside the kernels'."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyspark
import pytest
from pyspark.ml.recommendation import ALS
from scipy.sparse import csr_matrix

from sparkperso.core.errors import JobError
from sparkperso.recommend.fit.distributed_als import fit_als_blocks, gram_blocks
from sparkperso.recommend.kernels.als import fit_als, fold_in

PARAMS = {"reg_param": 0.05, "alpha": 4.0}
RANK = 5


@pytest.fixture(scope="module")
def matrix():
    """Two tastes; strengths of 1 to 3, some of them taken back."""
    rng = np.random.default_rng(7)
    same = rng.integers(0, 2, 90)[:, None] == rng.integers(0, 2, 50)[None, :]
    held = rng.random((90, 50)) < np.where(same, 0.3, 0.05)
    strengths = rng.choice([-1, 1, 2, 3], size=held.sum(), p=[0.1, 0.5, 0.3, 0.1])
    return csr_matrix((strengths.astype(np.float32), np.nonzero(held)), shape=held.shape)


def mllib(spark, matrix, implicit, **changed):
    """Returns MLlib's (user factors, item factors); rows of zeros where it has none."""
    coo = matrix.tocoo()
    rows = zip(coo.row.tolist(), coo.col.tolist(), coo.data.tolist(), strict=True)
    frame = spark.createDataFrame(list(rows), "user int, item int, rating float")
    settings = {
        "rank": RANK, "maxIter": 15, "regParam": PARAMS["reg_param"], "alpha": PARAMS["alpha"],
        "implicitPrefs": implicit, "seed": 3, "numUserBlocks": 1, "numItemBlocks": 1,
        "checkpointInterval": 5, **changed,
    }  # fmt: skip
    fit = ALS(userCol="user", itemCol="item", ratingCol="rating", **settings).fit(frame.coalesce(1))
    found = []
    for frame, size in ((fit.userFactors, matrix.shape[0]), (fit.itemFactors, matrix.shape[1])):
        factors = np.zeros((size, settings["rank"]), dtype=np.float32)
        for row in frame.collect():
            factors[row["id"]] = row["features"]
        found.append(factors)
    return found


@pytest.fixture(scope="module", autouse=True)
def checkpoints(spark, tmp_path_factory):
    """Fifteen iterations of MLlib overflow the stack of a task without them."""
    spark.sparkContext.setCheckpointDir(str(tmp_path_factory.mktemp("checkpoints")))


@pytest.fixture(scope="module", params=[True, False], ids=["implicit", "explicit"])
def beside(request, spark, matrix):
    return request.param, *mllib(spark, matrix, request.param)


def test_mllibs_items_give_mllibs_users(matrix, beside):
    implicit, users, items = beside
    found = fold_in(matrix, items, implicit=implicit, **PARAMS)
    error = np.linalg.norm(found - users, axis=1) / np.linalg.norm(users, axis=1).clip(1e-9)
    assert error.max() < 1e-3


def test_predictions_are_mllibs(spark, matrix):
    """Two factors for two tastes have one best answer, from any start: RMS over all cells."""
    users, items = mllib(spark, matrix, True, rank=2)
    own = fit_als(matrix, rank=2, max_iter=15, implicit=True, seed=3, **PARAMS)
    found = fold_in(matrix, own, implicit=True, **PARAMS) @ own.T
    assert rms(users @ items.T) > 0.3
    assert rms(found - users @ items.T) < 0.01


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def test_ratings_of_movielens_are_foretold_as_well_as_by_mllib(spark):
    path = Path(pyspark.__file__).parent / "data/mllib/als/sample_movielens_ratings.txt"
    rows = np.array([line.split("::")[:3] for line in path.read_text().split()], dtype=int)
    shape = rows[:, 0].max() + 1, rows[:, 1].max() + 1
    held_out = np.arange(len(rows)) % 5 == 0
    users, items, ratings = rows[~held_out].T
    matrix = csr_matrix((ratings.astype(np.float32), (users, items)), shape=shape)
    asked_users, asked_items, answers = rows[held_out].T

    def rmse(users, items):
        product = (users[asked_users] * items[asked_items]).sum(1)
        return rms(product - answers)

    theirs, ours = [], []
    for seed in range(3):
        params = {"reg_param": 0.2, "alpha": 1.0, "implicit": False}
        own = fit_als(matrix, rank=8, max_iter=10, seed=seed, **params)
        ours.append(rmse(fold_in(matrix, own, **params), own))
        found = mllib(spark, matrix, False, rank=8, maxIter=10, regParam=0.2, seed=seed)
        theirs.append(rmse(*found))
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.02)


def profiles(spark, matrix, partitions):
    rows = [
        (f"u{row}", matrix[row].indices.tolist(), matrix[row].data.tolist())
        for row in range(matrix.shape[0])
    ]
    frame = spark.createDataFrame(rows, "user_id string, items array<int>, strengths array<float>")
    return frame.repartition(partitions, "user_id")


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("partitions", [1, 3])
def test_blocks_give_what_one_process_gives(spark, matrix, implicit, partitions):
    """With as many gradients as factors, which is exact, nothing but rounding differs."""
    fit = {"rank": RANK, "max_iter": 2, "implicit": implicit, "seed": 4, "cg_steps": 8, **PARAMS}
    alone = fit_als(matrix, **fit)
    found = fit_als_blocks(profiles(spark, matrix, partitions), matrix.shape[1], **fit)
    assert found.dtype == np.float32
    assert np.allclose(found, alone, atol=2e-4)


def test_pairs_of_preferred_items_are_counted(spark, matrix):
    liked = (matrix > 0).astype(float).toarray()
    found = gram_blocks(profiles(spark, matrix, 3), matrix.shape[1])
    assert found.dtype == np.float64
    assert np.array_equal(found, liked.T @ liked)


def test_sums_are_put_together_from_several_chunks(spark, matrix, monkeypatch):
    monkeypatch.setattr("sparkperso.recommend.data.user_blocks.CHUNK_BYTES", 4 * 50 * 7)
    liked = (matrix > 0).astype(float).toarray()
    found = gram_blocks(profiles(spark, matrix, 2), matrix.shape[1])
    assert np.array_equal(found, liked.T @ liked)


def test_too_many_items_for_pairs_are_refused(spark, matrix):
    with pytest.raises(JobError, match="at most 10 items"):
        gram_blocks(profiles(spark, matrix, 1), matrix.shape[1], max_items=10)


def test_a_position_that_no_item_has_is_refused(spark):
    rows = [("u", [0, 9], [1.0, 1.0])]
    frame = spark.createDataFrame(rows, "user_id string, items array<int>, strengths array<float>")
    with pytest.raises(Exception, match=r"expected positions 0 … 4, found 0 … 9"):
        gram_blocks(frame, 5)


def test_users_without_items_change_nothing(spark, matrix):
    rows = [("a", [0, 1], [1.0, 2.0]), ("b", [], []), ("c", None, None)]
    schema = "user_id string, items array<int>, strengths array<float>"
    fit = {"rank": 2, "max_iter": 2, "implicit": True, "seed": 4, **PARAMS}
    some, less = (
        fit_als_blocks(spark.createDataFrame(part, schema).coalesce(1), 3, **fit)
        for part in (rows, rows[:1])
    )
    assert np.allclose(some, less, atol=1e-6)
    assert not some[2].any()


def driver_memory_left(spark):
    (status,) = spark._jvm.scala.jdk.javaapi.CollectionConverters.asJava(
        spark.sparkContext._jsc.sc().getExecutorMemoryStatus()
    ).values()
    return status._2()


def test_no_iteration_leaves_its_factors_in_the_drivers_memory(spark):
    # Every item is rated: rows of zeros would be packed to nothing.
    wide = csr_matrix(np.arange(80_000).reshape(4, 20_000) % 7 + 1, dtype=np.float32)
    frame, sizes = profiles(spark, wide, 2).persist(), {"rank": 32, "max_iter": 3}
    frame.count()
    before = driver_memory_left(spark)
    fit_als_blocks(frame, 20_000, **sizes, **PARAMS, implicit=True, seed=1)
    one_sent = 20_000 * sizes["rank"] * 4
    kept = soon_below(lambda: before - driver_memory_left(spark), one_sent)
    frame.unpersist()
    assert kept < one_sent


def soon_below(measure, limit):
    """Returns what is measured once it is below the limit, or after five seconds."""
    end = time.monotonic() + 5
    while (found := measure()) >= limit and time.monotonic() < end:
        time.sleep(0.05)
    return found
