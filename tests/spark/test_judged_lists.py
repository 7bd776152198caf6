"""Lists judged in memory: the figures of Spark's columns, whatever the frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sparkperso.core.errors import UsageError
from sparkperso.evaluate import judge, mean_metrics
from sparkperso.recommend.scoring.judged_lists import judge_lists_of


def frames(seed, n_users=30, n_items=40):
    """Lists of 0 to 12 places, with gaps behind the first, and what users turned to, some twice."""
    rng = np.random.default_rng(seed)
    places, truth = [], []
    for user in range(n_users):
        n = int(rng.integers(0, 13))
        # A list has a first place: Spark's columns count judged users by it.
        ranks = np.sort([1, *rng.choice(np.arange(2, 16), max(n - 1, 0), replace=False)])[:n]
        items = rng.choice(n_items, n, replace=False)
        places += [(f"u{user}", int(r), f"i{i}") for r, i in zip(ranks, items, strict=True)]
        if user % 5:
            truth += [(f"u{user}", f"i{i}") for i in rng.choice(n_items + 5, 8)]
    columns = (["user_id", "rank", "item_id"], ["user_id", "item_id"])
    return pd.DataFrame(places, columns=columns[0]), pd.DataFrame(truth, columns=columns[1])


@pytest.mark.parametrize(("seed", "k"), [(1, 1), (2, 5), (3, 20)])
def test_means_are_those_of_sparks_columns_from_any_frame(spark, seed, k):
    lists, truth = frames(seed)
    of_spark = spark.createDataFrame(lists), spark.createDataFrame(truth)
    expected = mean_metrics(judge(*of_spark), [k], n_items=45, n_users=1)
    for given in (
        (lists, truth),
        (pa.Table.from_pandas(lists.sample(frac=1, random_state=1)), truth),
        of_spark,
    ):
        judged = judge_lists_of(*given, k)
        assert judged.n_users == expected["n_judged"]
        for name, interval in judged.metrics.items():
            assert interval.mean == pytest.approx(expected[name], abs=2e-6), name
            assert interval.low <= interval.mean <= interval.high


def test_a_gain_is_paired():
    lists, truth = frames(4)
    worse = lists.assign(rank=lists["rank"] + 20)
    judged = judge_lists_of(lists, truth, 10, worse)
    plain = judge_lists_of(worse, truth, 10)
    for name, gain in judged.gains.items():
        assert gain.mean == pytest.approx(
            judged.metrics[name].mean - plain.metrics[name].mean, abs=2e-6
        )
    same = judge_lists_of(lists, truth, 10, lists).gains["ndcg_at_10"]
    assert (same.low, same.mean, same.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.drop(columns="rank"), "lacks rank"),
        (lambda f: f.assign(rank=1), "one item"),
        (lambda f: f.assign(rank=f["rank"] - 5), "begin at 1"),
        (lambda f: f.assign(rank=f["rank"] + 10**9), "at most"),
        (lambda f: f.assign(rank=f["rank"] + 0.5), "rank of lists should be whole numbers"),
        (lambda f: f.assign(item_id=None), "item_id of lists should be filled"),
        (lambda f: f.assign(item_id="i1"), "an item once"),
        (lambda f: f.assign(user_id=["u1", *[1] * (len(f) - 1)]), "user_id"),
        (lambda f: f.to_dict(), "Found a dict"),
    ],
)
def test_other_frames_are_refused(change, says):
    lists, truth = frames(5)
    with pytest.raises(UsageError, match=says):
        judge_lists_of(change(lists), truth, 10)


def test_nobody_to_judge_is_no_error():
    lists, truth = frames(6)
    judged = judge_lists_of(lists, truth.head(0).astype(str), 10)
    assert (judged.n_users, judged.metrics["mrr"].mean) == (0, 0)
