"""The best columns of each row: what a full sort gives, ties and gaps included."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.recommend.kernels.top_n import top_n


def the_plain_way(scores, n):
    columns = np.full((len(scores), n), -1, dtype=np.int32)
    values = np.full((len(scores), n), -np.inf, dtype=np.float32)
    for row, found in enumerate(scores):
        order = np.lexsort((np.arange(len(found)), -found))
        kept = [c for c in order if np.isfinite(found[c])][:n]
        columns[row, : len(kept)], values[row, : len(kept)] = kept, found[kept]
    return columns, values


@pytest.mark.parametrize("seed", range(30))
def test_the_best_are_those_of_a_full_sort(seed):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 40), rng.integers(1, 300)
    scores = rng.integers(0, rng.integers(2, 200), shape).astype(np.float32)
    for gap in (-np.inf, np.nan, np.inf):
        scores[rng.random(shape) < rng.choice([0, 0.1, 0.6])] = gap
    n = int(rng.integers(1, 20))
    for threads in (1, 2):
        columns, values = top_n(scores, n, threads)
        expected = the_plain_way(scores, n)
        assert columns.dtype == np.int32
        assert np.array_equal(columns, expected[0])
        assert np.array_equal(values, expected[1])


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (3, 0)])
def test_nothing_has_no_best(shape):
    columns, values = top_n(np.zeros(shape, np.float32), 2)
    assert columns.tolist() == [[-1, -1]] * shape[0]
    assert (values == -np.inf).all()
    assert top_n(np.zeros((2, 3), np.float32), 0)[0].shape == (2, 0)
