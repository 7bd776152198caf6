"""Measures of points in memory are scikit-learn's, as Spark's are (tests/spark)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import davies_bouldin_score, silhouette_score

from sparkperso.evaluate.clustering import array_metrics, group_means


@pytest.mark.parametrize("k", [2, 5])
def test_measures_are_scikit_learns(k):
    chance = np.random.default_rng(k)
    points = chance.normal(size=(200, 3))
    labels = np.append(chance.integers(0, k, 199), k)  # the last one is alone
    found = array_metrics(points, labels)
    silhouette = silhouette_score(points, labels, metric="sqeuclidean")
    assert found.silhouette == pytest.approx(silhouette, abs=1e-12)
    assert found.davies_bouldin == pytest.approx(davies_bouldin_score(points, labels), abs=1e-12)
    centred = points - np.array([found.clusters[label].mean for label in labels])
    assert found.cost == pytest.approx((centred**2).sum())
    assert found.sizes == tuple(np.bincount(labels))


def test_one_cluster_has_nothing_to_compare_with():
    found = array_metrics(np.zeros((3, 2)), [7, 7, 7])
    assert math.isnan(found.silhouette)
    assert [(one.label, one.size, one.mean) for one in found.clusters] == [(7, 3, (0.0, 0.0))]


def test_means_leave_out_what_is_missing():
    values = np.array([[1.0, np.nan], [3.0, 5.0], [np.nan, np.nan]])
    found = group_means(values, np.array([0, 0, 1]), 2)
    assert np.array_equal(found, [[2.0, 5.0], [np.nan, np.nan]], equal_nan=True)
