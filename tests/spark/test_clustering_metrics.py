"""Figures of a labelling agree with scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pyspark.ml.linalg import Vectors
from sklearn import metrics as sk

from sparkperso.evaluate.clustering import clustering_metrics


def frame(spark, points, labels):
    rows = [(Vectors.dense(p), int(label)) for p, label in zip(points, labels, strict=True)]
    return spark.createDataFrame(rows, ["point", "label"]).repartition(3)


@pytest.mark.parametrize("labels", ["by place", "random", "a single point"])
def test_silhouette_davies_bouldin_and_cost_are_those_of_scikit_learn(spark, labels):
    chance = np.random.default_rng(7)
    points = chance.normal(size=(120, 3)) * [1, 5, 0.2] + chance.integers(0, 3, (120, 1)) * 4
    found = {
        "by place": np.digitize(points[:, 0], [2, 6]) * 10,
        "random": chance.integers(0, 4, 120),
        "a single point": (np.arange(120) == 5).astype(int),
    }[labels]
    measured = clustering_metrics(frame(spark, points, found), "point", "label")
    silhouette = sk.silhouette_score(points, found, metric="sqeuclidean")
    assert measured.silhouette == pytest.approx(silhouette, abs=1e-9)
    assert measured.davies_bouldin == pytest.approx(sk.davies_bouldin_score(points, found))
    names, sizes = np.unique(found, return_counts=True)
    assert [(c.label, c.size) for c in measured.clusters] == list(zip(names, sizes, strict=True))
    members = [points[found == name] for name in names]
    cost = sum(((own - own.mean(axis=0)) ** 2).sum() for own in members)
    assert measured.cost == pytest.approx(cost)


def test_one_cluster_has_a_cost_but_nothing_to_compare_with(spark):
    measured = clustering_metrics(frame(spark, [[0.0], [2.0]], [0, 0]), "point", "label")
    assert measured.cost == pytest.approx(2.0)
    assert math.isnan(measured.silhouette)
    assert math.isnan(measured.davies_bouldin)
