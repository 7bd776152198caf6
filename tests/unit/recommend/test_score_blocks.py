"""Compiled passes over blocks of scores are numpy's and SciPy's, to the bit where they add up."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random

from sparkperso.recommend.kernels.reason_parts import largest_parts, row_products
from sparkperso.recommend.kernels.score_blocks import (
    above_zero,
    blend_in,
    leave_marked,
    spread_rows,
    times_columns,
)
from sparkperso.recommend.models.item_item import (
    ItemItemModel,
    entries_of,
    parts_of,
    sums_above_zero,
)
from sparkperso.testing.models import N_ITEMS, random_users

RNG = np.random.default_rng(3)
USERS = random_users(seed=5, n_users=20)
NOTHING = np.float32(-np.inf)


def sparse(n_rows, n_columns, density=0.4):
    found = random(n_rows, n_columns, density, format="csr", random_state=1, dtype=np.float32)
    found.data -= np.float32(0.3)
    return found


def scores(n_rows=12, n_items=301):
    found = RNG.normal(size=(n_rows, n_items)).astype(np.float32)
    found[RNG.random(found.shape) < 0.2] = NOTHING
    found[0] = NOTHING
    return found


def above(found):
    return np.where(found > 0, found, NOTHING)


def test_sums_of_sparse_rows_are_the_sparse_product():
    weights = sparse(N_ITEMS, N_ITEMS)
    expected = (USERS.likes @ weights).toarray()
    assert np.array_equal(sums_above_zero(USERS, weights), above(expected))
    more = RNG.normal(size=expected.shape).astype(np.float32)
    assert np.array_equal(sums_above_zero(USERS, weights, more.copy()), above(expected + more))
    whole = ItemItemModel(weights.toarray()).scores(USERS)
    assert np.array_equal(ItemItemModel(weights).scores(USERS), whole)


def test_a_factor_per_item_never_lifts_what_is_not_above_zero():
    given, factors = scores(), RNG.random(301).astype(np.float32)
    factors[:5] = 0
    given[1, 0], given[1, 1] = np.nan, -1
    found = np.empty_like(given)
    above_zero(given, factors, found)
    with np.errstate(invalid="ignore"):
        assert np.array_equal(found, above(np.maximum(given, 0) * factors))


def test_products_with_sparse_items_are_scipys():
    vectors, users = sparse(40, 90), RNG.random((19, 90))
    found = np.empty((19, 40), np.float32)
    times_columns(parts_of(vectors), users, found)
    expected = (vectors @ users.T).T.astype(np.float32)
    assert np.array_equal(found, above(expected))


def test_a_spread_is_that_of_the_finite_scores():
    given, found = scores(), np.empty(12)
    spread_rows(given, found)
    assert found[0] == 1
    for row, spread in zip(given[1:], found[1:], strict=True):
        assert spread == pytest.approx(np.std(row[np.isfinite(row)].astype(float)), rel=1e-12)


def test_a_blend_adds_what_is_finite_and_marks_it():
    parts, shares = [scores() for _ in range(3)], RNG.random((3, 12)).astype(np.float32)
    shares[1, 4] = 0
    total, marks = np.zeros(parts[0].shape, np.float32), np.zeros(parts[0].shape, np.uint32)
    expected, counted = np.zeros_like(total), np.zeros(total.shape, bool)
    for place, (part, share) in enumerate(zip(parts, shares, strict=True)):
        blend_in(total, marks, part, share, place)
        is_in = np.isfinite(part) & (share > 0)[:, None]
        expected += np.where(is_in, part, np.float32(0)) * share[:, None]
        counted |= is_in
        assert np.array_equal((marks >> place) & 1, is_in)
    leave_marked(total, marks)
    assert np.array_equal(total, np.where(counted, expected, NOTHING))


def test_entries_are_picked_whatever_the_order_of_columns():
    weights = sparse(30, 30)
    shuffled = weights.copy()
    for row in range(30):
        part = slice(shuffled.indptr[row], shuffled.indptr[row + 1])
        shuffled.indices[part] = shuffled.indices[part][::-1]
        shuffled.data[part] = shuffled.data[part][::-1]
    shuffled.has_sorted_indices = False
    own, items = np.array([3, 29, 7]), np.array([29, 0, 13, 14])
    for matrix in (weights, shuffled):
        assert np.array_equal(entries_of(matrix)(own, items), weights[np.ix_(own, items)].toarray())


def test_products_of_rows_are_scipys():
    rows, declared = sparse(25, 60), RNG.random(60).astype(np.float32)
    own, items = np.array([1, 4, 24]), np.array([24, 0])
    found, base = np.empty((3, 2)), np.empty(2)
    row_products(parts_of(rows), own, items, declared, (found, base))
    wide = rows.astype(np.float64)
    assert np.array_equal(found, (wide[own] @ wide[items].T).toarray())
    assert np.array_equal(base, wide[items] @ declared)


def test_the_largest_part_is_the_first_of_equals_and_its_share_is_of_all_that_adds():
    contributions = np.array([[0.2, -1.0, 0.1], [0.2 + 1e-9, -2.0, 0.4], [-0.5, 0.0, 0.1]])
    places, shares = np.empty(3, np.int64), np.empty(3)
    largest_parts(contributions, np.array([0.6, 1.0, -5.0]), places, shares)
    assert places.tolist() == [0, -1, 1]
    assert shares[[0, 2]] == pytest.approx([0.2, 0.4 / 0.6])
    assert np.isnan(shares[1])


def test_an_empty_matrix_gives_nothing():
    found = sums_above_zero(USERS, csr_matrix((N_ITEMS, N_ITEMS), dtype=np.float32))
    assert (found == NOTHING).all()
