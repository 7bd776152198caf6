"""Which segment is which: laws of the matching, and agreement with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from sparkperso.segments.base.cluster_matching import (
    Change,
    adjusted_rand_index,
    changes,
    match,
    moved_share,
    nearness,
    overlap,
)


@pytest.mark.parametrize("seed", range(8))
def test_the_adjusted_rand_index_is_scikit_learns(seed):
    chance = np.random.default_rng(seed)
    old, new = chance.integers(0, 4, 200), chance.integers(0, 6, 200)
    new = np.where(chance.random(200) < seed / 8, old, new)
    found = adjusted_rand_index(contingency_matrix(old, new).astype(float))
    assert found == pytest.approx(adjusted_rand_score(old, new))


def test_segments_that_only_changed_their_order_stay_what_they_were():
    together = np.array([[0.0, 0, 30], [20, 0, 0], [0, 10, 0]])
    matched = match(overlap(together), 0.3)
    assert matched == {2: 0, 0: 1, 1: 2}
    assert moved_share(together, matched) == 0
    assert adjusted_rand_index(together) == 1
    assert changes(together, matched) == []


def test_a_split_is_told_by_where_its_members_came_from():
    together = np.array([[60.0, 40], [0, 0]])[:1]
    matched = match(overlap(together), 0.3)
    assert matched == {0: 0}
    assert changes(together, matched) == [Change("split", 1, 0, 1.0)]
    assert moved_share(together, matched) == pytest.approx(0.4)


def test_a_merge_is_told_by_where_its_members_went():
    together = np.array([[60.0], [40.0]])
    matched = match(overlap(together), 0.3)
    assert changes(together, matched) == [Change("merge", 1, 0, 1.0)]


def test_what_nobody_was_in_before_is_born_and_what_nobody_is_in_dies():
    together = np.array([[50.0, 0], [0, 0]])
    assert changes(together, match(overlap(together), 0.3)) == [
        Change("birth", 1),
        Change("death", 1),
    ]


def test_centres_tell_segments_whose_members_are_all_new():
    old, new = np.array([[0.0, 0], [5, 5]]), np.array([[5.1, 5], [0, 0.1]])
    assert match(nearness(old, new), 0.3) == {0: 1, 1: 0}
    assert match(nearness(old, new + 50), 0.3) == {}
