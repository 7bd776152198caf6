"""Blocks of scores: against the plain way, with ties, gaps and nothing left."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sparkperso.recommend.scoring import ItemBlock, best_places, score_block


def the_plain_way(scores, n):
    rows = []
    for row, values in enumerate(scores):
        order = sorted(range(len(values)), key=lambda c: (-values[c], c))
        kept = [c for c in order if np.isfinite(values[c])][:n]
        rows += [(row, c, rank) for rank, c in enumerate(kept, 1)]
    return rows


@pytest.mark.parametrize("seed", range(20))
def test_best_places_are_those_of_a_full_sort(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, (rng.integers(1, 9), rng.integers(1, 15))).astype(float)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    n = int(rng.integers(1, 8))
    found = list(zip(*(part.tolist() for part in best_places(scores, n)), strict=True))
    assert found == the_plain_way(scores, n)


def items(factors, bias=None):
    factors = np.array(factors, dtype=float)
    ids = np.array([f"i{n}" for n in range(len(factors))], dtype=object)
    return ItemBlock(ids, factors, np.zeros(len(factors)) if bias is None else np.array(bias))


def users(*factors):
    names = [f"u{n}" for n in range(len(factors))]
    return pd.DataFrame({"user_id": names, "factors": list(factors)})


def test_score_is_product_plus_bias_and_seen_items_are_left_out():
    block = items([[1, 0], [0, 1], [1, 1]], bias=[0, 0, 0.5])
    found = score_block(
        users([1.0, 2.0], [1.0, 0.0]), [np.array([1]), np.array([], int)], block, 2, False
    )
    assert found[["user_id", "rank", "item_id", "score"]].to_numpy().tolist() == [
        ["u0", 1, "i2", 3.5],
        ["u0", 2, "i0", 1.0],
        ["u1", 1, "i2", 1.5],
        ["u1", 2, "i0", 1.0],
    ]


def test_without_factors_the_bias_alone_ranks():
    block = ItemBlock(np.array(["a", "b"], dtype=object), np.zeros((2, 0)), np.array([1.0, 3.0]))
    found = score_block(users([], []), [np.array([1]), np.array([0, 1])], block, 5, False)
    assert found["item_id"].tolist() == ["a"]


def test_likes_name_the_seen_item_that_points_the_same_way():
    block = items([[1, 0], [0, 1], [5, 1], [0, 0]])
    found = score_block(users([1.0, 1.0]), [np.array([0, 1])], block, 2, True)
    assert found["like"].tolist() == ["i0", "i0"]


def test_a_zero_factor_has_no_direction_and_no_nan():
    assert np.isfinite(items([[0, 0], [3, 4]]).directions()).all()
