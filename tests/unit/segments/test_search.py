"""Which candidate wins, and in which order its centres are numbered."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from sparkperso.config.segments import KMeansSegmentation, SegmentsConfig
from sparkperso.core.errors import QualityGateError
from sparkperso.evaluate.clustering import Cluster, ClusteringMetrics
from sparkperso.segments.base.points import order_centres
from sparkperso.segments.kmeans.centres import best_centres
from sparkperso.segments.kmeans.search import Candidate, choose_candidate


def candidate(k, seed=1, silhouette=0.5, sizes=None):
    sizes = sizes or [10] * k
    clusters = tuple(Cluster(i, size, (0.0,), 0.0, 0.0) for i, size in enumerate(sizes))
    metrics = ClusteringMetrics(silhouette, 1.0, 1.0, clusters)
    return Candidate(k, seed, tuple((float(i),) for i in range(len(sizes))), metrics)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_best_silhouette_wins_and_the_smaller_k_of_equals(order):
    candidates = [
        candidate(6, 1, 0.7),
        candidate(5, 1, 0.7 + 1e-9),
        candidate(4, 1, 0.7),
        candidate(3, 1, 0.6),
    ]
    assert choose_candidate([candidates[i] for i in order], 0.01).k == 4


def test_a_candidate_with_a_tiny_segment_cannot_win():
    candidates = [candidate(2, silhouette=0.9, sizes=[999, 1]), candidate(3, silhouette=0.2)]
    assert choose_candidate(candidates, 0.01).k == 3
    assert choose_candidate(candidates, 0.001).k == 2


@pytest.mark.parametrize(
    "candidates",
    [
        [candidate(2, sizes=[999, 1]), candidate(3, sizes=[990, 9, 1])],
        [candidate(3, silhouette=math.nan, sizes=[30])],
        [candidate(3, silhouette=math.nan)],
    ],
)
def test_without_an_able_candidate_the_gate_closes(candidates):
    with pytest.raises(QualityGateError, match=r"Of \d candidates none does"):
        choose_candidate(candidates, 0.01)


def blobs(n_blobs=12, seed=3):
    """Groups of very different sizes, which single starts often cut and merge wrongly."""
    chance = np.random.default_rng(seed)
    parts = [chance.normal(chance.uniform(-9, 9, 3), 0.4, (10 + 12 * n, 3)) for n in range(n_blobs)]
    return np.vstack(parts)


def cost(points, centres):
    apart = points[:, None, :] - np.array(centres)[None]
    return (apart**2).sum(axis=2).min(axis=1).sum()


def test_of_several_starts_the_least_cost_stays():
    points, plan = blobs(), KMeansSegmentation(name="t", features=["a", "b", "c"])
    single = [cost(points, best_centres(points, plan, 12, seed, 1)) for seed in range(10)]
    assert max(single) > 1.15 * min(single), "the starts do not differ"
    starts = SegmentsConfig().num_seeds
    ours = [cost(points, best_centres(points, plan, 12, seed, starts)) for seed in range(10)]
    peer = KMeans(12, n_init=10, random_state=0).fit(points).inertia_
    assert max(ours) <= min(*single, peer) * 1.0001


def test_there_are_no_more_centres_than_different_points():
    plan = KMeansSegmentation(name="t", features=["a"])
    twice = np.array([[1.0], [2.0], [1.0], [2.0], [1.0]])
    assert sorted(best_centres(twice, plan, 4, 42, 3)) == [(1.0,), (2.0,)]
    assert best_centres(twice[:1], plan, 3, 42, 3) == ((1.0,),)


def test_the_number_of_a_segment_does_not_depend_on_the_number_of_its_centre():
    found = [((0.5, 1.0), 7), ((0.1, 2.0), 9), ((0.1, 1.0), 7)]
    for order in permutations(found):
        centres, sizes = zip(*order, strict=True)
        assert order_centres(centres, sizes) == ((0.1, 2.0), (0.1, 1.0), (0.5, 1.0))
