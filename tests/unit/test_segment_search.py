"""Which candidate wins, and in which order its centres are numbered."""

from __future__ import annotations

import math
from itertools import permutations

import pytest

from sparkperso.errors import QualityGateError
from sparkperso.evaluate.clustering import Cluster, ClusteringMetrics
from sparkperso.segments.points import order_centres
from sparkperso.segments.search import Candidate, choose_candidate


def candidate(k, seed=1, silhouette=0.5, sizes=None):
    sizes = sizes or [10] * k
    clusters = tuple(Cluster(i, size, (0.0,), 0.0, 0.0) for i, size in enumerate(sizes))
    metrics = ClusteringMetrics(silhouette, 1.0, 1.0, clusters)
    return Candidate(k, seed, tuple((float(i),) for i in range(len(sizes))), metrics)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_best_silhouette_wins_and_the_smaller_k_and_seed_of_equals(order):
    candidates = [
        candidate(5, 1, 0.7),
        candidate(4, 2, 0.7),
        candidate(4, 1, 0.7 + 1e-9),
        candidate(3, 1, 0.6),
    ]
    chosen = choose_candidate([candidates[i] for i in order], 0.01)
    assert (chosen.k, chosen.seed) == (4, 1)


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


def test_the_number_of_a_segment_does_not_depend_on_the_number_of_its_centre():
    found = [((0.5, 1.0), 7), ((0.1, 2.0), 9), ((0.1, 1.0), 7)]
    for order in permutations(found):
        centres, sizes = zip(*order, strict=True)
        assert order_centres(centres, sizes) == ((0.1, 2.0), (0.1, 1.0), (0.5, 1.0))
