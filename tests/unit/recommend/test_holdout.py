"""The test in memory: its figures are those of the lists, judged another way."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.criterion import METRICS, Criterion, metric_name
from sparkperso.config.recommend.models import EaseParams, PopularityParams
from sparkperso.config.recommend.section import BootstrapConfig
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.fit.driver_folds import DriverFold
from sparkperso.recommend.fit.trial import FoldInMemory
from sparkperso.recommend.holdout import compare
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.scoring.ranking_blocks import GroundTruth
from sparkperso.testing.models import bare_catalogue

N_USERS, N_ITEMS, K = 80, 30, 5
CATALOGUE = bare_catalogue(np.array([f"i{n:02}" for n in range(N_ITEMS)], dtype=object))


@pytest.fixture(scope="module")
def fold():
    """Histories and relevant items at random; the first five users have no history."""
    rng = np.random.default_rng(3)
    had = rng.random((N_USERS, N_ITEMS)) < 0.2
    had[:5] = False
    pairs = csr_matrix(had.astype(np.float32))
    users = Histories(
        np.array([f"u{n:02}" for n in range(N_USERS)], dtype=object),
        pairs,
        np.ones(pairs.nnz, dtype=np.float32),
        ((),) * N_USERS,
    )
    relevant = csr_matrix(((rng.random(had.shape) < 0.1) & ~had).astype(np.float32))
    truth = GroundTruth(relevant, np.diff(relevant.indptr).astype(np.int64))
    in_memory = FoldInMemory(users, truth, np.ones(N_ITEMS, dtype=bool), Criterion(K))
    return DriverFold(SimpleNamespace(cold_user_share=0.25), in_memory, np.arange(N_USERS))


@pytest.fixture(scope="module")
def models(fold):
    candidates = {"popularity_tuned": PopularityParams(), "ease": EaseParams(reg_param=5)}
    training = fold.in_memory.training
    return {name: fit_model(params, training, CATALOGUE) for name, params in candidates.items()}


@pytest.fixture(scope="module", params=METRICS)
def comparison(fold, models, request):
    """The same lists, compared by each metric that may decide."""
    in_memory = replace(fold.in_memory, criterion=Criterion(K, request.param))
    decided = replace(fold, in_memory=in_memory)
    return compare(models, "ease", decided, CATALOGUE, (BootstrapConfig(), 1))


def test_the_metric_that_decides_is_the_one_that_intervals_and_buckets_are_of(comparison):
    names = {metric_name(metric, K) for metric in METRICS}
    assert comparison.metric in names
    for name, interval in comparison.intervals.items():
        assert interval.mean == pytest.approx(comparison.metrics[name][comparison.metric], abs=2e-6)
        for bucket in comparison.buckets[name].values():
            assert names & set(bucket) == {comparison.metric}


def test_means_are_those_of_a_judgement_of_the_same_lists(fold, models, comparison):
    for name, model in models.items():
        judged = fold.in_memory.judge(model).means(Criterion(K), N_ITEMS)
        for key in (*(metric_name(metric, K) for metric in METRICS), f"coverage_at_{K}"):
            assert comparison.metrics[name][key] == pytest.approx(judged[key], abs=1e-6), key
        assert comparison.metrics[name]["n_judged"] == judged["n_judged"] == fold.n_judged_users


def test_a_gain_is_the_difference_of_the_means(comparison):
    means = {name: interval.mean for name, interval in comparison.intervals.items()}
    gain = comparison.gains["popularity_tuned"]
    assert gain.mean == pytest.approx(means["ease"] - means["popularity_tuned"], abs=2e-6)
    assert gain.low <= gain.mean <= gain.high
    assert "ease" not in comparison.gains


def test_buckets_are_all_judged_users_and_weigh_up_to_the_mean(fold, comparison):
    truth, lengths = fold.in_memory.truth, fold.in_memory.users.lengths
    for name, buckets in comparison.buckets.items():
        assert sum(bucket["n"] for bucket in buckets.values()) == (truth.counts > 0).sum()
        warm = [bucket for place, bucket in buckets.items() if place != "0"]
        total = sum(bucket[comparison.metric] * bucket["n"] for bucket in warm)
        n = ((truth.counts > 0) & (lengths > 0)).sum()
        assert total / n == pytest.approx(comparison.intervals[name].mean, abs=1e-5)


def test_users_without_a_history_are_served_by_the_tuned_popularity(comparison):
    ease, popularity = (comparison.buckets[name]["0"] for name in ("ease", "popularity_tuned"))
    assert ease == popularity
    assert popularity["n"] > 0
