"""The gap statistic finds the clusters that there are, and says when there are none."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.segments.kmeans.gap import Gap, best_k, gap_statistic, is_noise


def blobs(k, seed=0, each=60, width=3):
    chance = np.random.default_rng(seed)
    centres = np.eye(max(k, 2), width)[:k] * 12 if k <= width else chance.normal(0, 12, (k, width))
    return np.vstack([centre + chance.normal(0, 1, (each, width)) for centre in centres])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_true_number_of_clusters_is_found(k, seed):
    gaps = gap_statistic(blobs(k, seed), 4, 10, seed=42)
    assert best_k(gaps) == k
    assert is_noise(gaps) is (k == 1)


@pytest.mark.parametrize("seed", range(3))
def test_noise_of_any_shape_has_no_clusters(seed):
    chance = np.random.default_rng(seed)
    turn = np.linalg.qr(chance.normal(size=(3, 3)))[0]
    for noise in (chance.uniform(0, 1, (200, 3)) * [10, 1, 1] @ turn, chance.normal(size=(200, 3))):
        assert is_noise(gap_statistic(noise, 4, 10, seed=42))


def test_the_rule_takes_the_first_gap_that_is_not_clearly_exceeded():
    gaps = [Gap(1, 0.1, 0.05), Gap(2, 0.5, 0.05), Gap(3, 0.52, 0.05), Gap(4, 0.9, 0.05)]
    assert best_k(gaps) == 2
    assert best_k(gaps[:1]) == 1


def test_too_few_different_points_are_refused():
    with pytest.raises(ValueError, match="2 different points"):
        gap_statistic(np.array([[0.0], [1.0], [1.0]]), 3, 2, seed=1)
