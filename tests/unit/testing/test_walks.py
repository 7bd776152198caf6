"""Walks along trails go on as often as they say."""

from __future__ import annotations

import numpy as np

from sparkperso.testing.walks import ON, TRAIL, walk_items


def test_the_next_item_of_a_trail_is_what_most_often_comes_next():
    sessions = np.repeat(np.arange(4000), 6)
    items = walk_items(sessions, 10 * TRAIL, np.random.default_rng(1))
    within = sessions[1:] == sessions[:-1]
    pairs, counts = np.unique(
        np.stack([items[:-1][within], items[1:][within]]), axis=1, return_counts=True
    )
    most = [counts[pairs[0] == item].max() / counts[pairs[0] == item].sum() for item in range(200)]
    # One event in seven strays, and what comes after it is the next of another item.
    assert 0.8 * ON < np.mean(most) < ON


def test_the_same_seed_gives_the_same_walks():
    first, second = (walk_items(np.arange(50) // 5, 40, np.random.default_rng(3)) for _ in range(2))
    assert first.tolist() == second.tolist()
    assert len(walk_items(np.arange(0), 40, np.random.default_rng(3))) == 0
