"""Small fits keep to one thread, and give back what held before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.linalg  # noqa: F401 - loads its own BLAS
import sklearn.cluster  # noqa: F401 - loads OpenMP
from threadpoolctl import threadpool_info, threadpool_limits

from sparkperso.core.threads import one_thread
from sparkperso.evaluate import bootstrap
from sparkperso.segments.kmeans import centres, gap


def threads(kind=None):
    """Returns the threads of each pool in this process; of one kind if given."""
    return {p["num_threads"] for p in threadpool_info() if kind in (None, p["user_api"])}


@pytest.fixture(autouse=True)
def three():
    """Three threads each, whatever the machine has."""
    with threadpool_limits(3):
        yield


def test_a_block_has_one_thread_and_what_held_before_returns():
    assert threads() == {3}
    with one_thread():
        with one_thread():
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {3}


def test_a_block_that_fails_gives_back_too():
    with pytest.raises(ValueError, match="no"), one_thread():
        raise ValueError("no")
    assert threads() == {3}


def test_a_block_around_those_of_several_threads_holds_until_the_last_has_ended():
    seen = []

    def other(_):
        with one_thread():
            seen.append(threads())
        seen.append(threads("blas"))

    with one_thread(), ThreadPoolExecutor(2) as pool:
        list(pool.map(other, range(6)))
        assert threads() == {1}
    assert all(found == {1} for found in seen)
    assert threads() == {3}


@pytest.mark.parametrize("place", [gap, centres], ids=["gap statistic", "k-means"])
def test_fits_of_scikit_learn_have_one_thread(place, monkeypatch):
    seen = set()

    class Fit(place.KMeans):
        def fit(self, points):
            seen.update(threads())
            return super().fit(points)

    monkeypatch.setattr(place, "KMeans", Fit)
    points = np.random.default_rng(1).normal(size=(60, 2))
    if place is gap:
        gap.gap_statistic(points, 2, 2, seed=1)
    else:
        plan = centres.KMeansSegmentation(name="t", features=["a", "b"])
        centres.best_centres(points, plan, 2, 1, 2)
    assert seen == {1}


def test_products_of_the_bootstrap_have_one_thread(monkeypatch):
    seen = set()

    def quantile(*given):
        seen.update(threads())
        return np.zeros(2)

    monkeypatch.setattr(bootstrap.np, "quantile", quantile)
    bootstrap.bootstrap_interval(np.ones(4), np.ones(4), 10, 0.9, 1)
    assert seen == {1}
