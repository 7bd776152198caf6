"""Metrics: hand-worked examples, Spark's own RankingMetrics, and what cannot change them."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from pyspark.mllib.evaluation import RankingMetrics

from sparkperso.evaluate import ranking
from sparkperso.evaluate.ranking import (
    judge_lists,
    map_at_k,
    mean_metrics,
    mean_of,
    mrr,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
    user_metrics,
)

LISTS = {"u": ["a", "b", "c", "d"], "v": ["b", "x"], "w": ["y", "z", "a"], "short": ["a"]}
TRUTH = {"u": ["b", "d", "q"], "v": ["b", "x"], "w": ["m"], "short": ["a"], "no list": ["a"]}


@pytest.fixture(scope="module")
def judged(spark):
    return judge_lists(spark, LISTS, TRUTH, {"a": 8, "b": 4, "c": 1}).cache()


@pytest.mark.parametrize("module", [ranking])
def test_the_examples_of_the_docstrings_run(spark, module):
    found = doctest.testmod(module, extraglobs={"spark": spark})
    assert (found.failed, found.attempted > 1) == (0, True)


def test_values_worked_out_by_hand(judged):
    gain = [1.0, 1 / np.log2(3), 1 / np.log2(4), 1 / np.log2(5)]
    found = {
        row.user_id: row
        for row in user_metrics(
            judged, {"ndcg": ndcg_at_k(4), "map": map_at_k(4), "p": precision_at_k(4), "mrr": mrr()}
        ).collect()
    }
    assert found["u"].ndcg == pytest.approx((gain[1] + gain[3]) / (gain[0] + gain[1] + gain[2]))
    assert found["u"].map == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert (found["u"].p, found["u"].mrr) == (0.5, 0.5)
    assert found["v"].ndcg == pytest.approx(1.0)
    assert tuple(found["w"])[1:] == (0.0, 0.0, 0.0, 0.0)
    assert found["short"].map == 1.0
    assert found["no list"].ndcg == 0.0


@pytest.mark.parametrize("k", [1, 3, 10])
def test_figures_are_those_of_sparks_ranking_metrics(spark, judged, k):
    pairs = [(LISTS.get(user, []), answers) for user, answers in TRUTH.items()]
    theirs = RankingMetrics(spark.sparkContext.parallelize(pairs, 1))
    expected = {
        "ndcg": theirs.ndcgAt(k),
        "precision": theirs.precisionAt(k),
        "recall": theirs.recallAt(k),
        "map": theirs.meanAveragePrecisionAt(k),
    }
    ours = {"ndcg": ndcg_at_k, "precision": precision_at_k, "recall": recall_at_k, "map": map_at_k}
    assert {n: mean_of(judged, m(k)) for n, m in ours.items()} == pytest.approx(expected, abs=1e-6)


def test_one_pass_gives_the_means_of_the_user_metrics(judged):
    found = mean_metrics(judged, [2, 4], n_items=10, n_users=16)
    users = user_metrics(judged, ranking.ranking_metrics([2, 4])).toPandas()
    means = users.drop(columns="user_id").mean().to_dict()
    assert {name: found[name] for name in means} == pytest.approx(means, abs=1e-6)
    assert found["n_judged"] == len(TRUTH)
    assert found["coverage_at_4"] == pytest.approx(7 / 10)
    bits = {"a": 1, "b": 2, "c": 4}
    listed = [bits.get(item, 4) for items in LISTS.values() for item in items]
    assert found["novelty_at_4"] == pytest.approx(np.mean(listed), abs=1e-6)


def test_places_beyond_k_and_the_order_of_rows_do_not_matter(spark, judged):
    longer = {user: [*items, *(f"tail{n}" for n in range(8))] for user, items in LISTS.items()}
    more = judge_lists(spark, {**longer, "short": ["a"], "v": ["b", "x"]}, TRUTH)
    names = {"ndcg": ndcg_at_k(1), "map": map_at_k(1)}
    assert all(mean_of(more.repartition(5), m) == mean_of(judged, m) for m in names.values())


def test_without_users_everything_is_zero(spark):
    nobody = judge_lists(spark, {"u": ["a"]}, {"u": ["a"]}).where("false")
    assert set(mean_metrics(nobody, [3], 1, 1).values()) == {0.0}
