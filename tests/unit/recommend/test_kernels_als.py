"""ALS on arrays: laws of least squares, and the answers to cases that are known."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sparkperso.recommend.kernels.als import first_factors, fit_als, fold_in, gram

SRC = Path(__file__).parents[3] / "src"
PARAMS = {"reg_param": 0.05, "alpha": 4.0}


def interactions(n_users=60, n_items=40, density=0.15, seed=0):
    """Strengths of two tastes, some of them negative or 0."""
    rng = np.random.default_rng(seed)
    same = rng.integers(0, 2, n_users)[:, None] == rng.integers(0, 2, n_items)[None, :]
    held = rng.random((n_users, n_items)) < np.where(same, 2, 0.3) * density
    strengths = rng.choice([-1, 0, 1, 2, 3], size=held.sum(), p=[0.05, 0.05, 0.5, 0.3, 0.1])
    rows, columns = np.nonzero(held)
    return csr_matrix((strengths.astype(np.float32), (rows, columns)), shape=held.shape)


def objective(matrix, users, items, implicit, *, reg_param, alpha):
    """The sum that is minimised, cell by cell."""
    r, held = matrix.toarray().astype(float), held_cells(matrix)
    product = users.astype(float) @ items.T.astype(float)
    counted = (r > 0) if implicit else held
    errors = (1 + alpha * abs(r)) * ((r > 0) - product) ** 2
    total = errors.sum() if implicit else ((r - product)[held] ** 2).sum()
    sizes = counted.sum(1) @ (users**2).sum(1) + counted.sum(0) @ (items**2).sum(1)
    return total + reg_param * sizes


def held_cells(matrix):
    ones = csr_matrix((np.ones_like(matrix.data), matrix.indices, matrix.indptr), matrix.shape)
    return ones.toarray() > 0


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("cg_steps", [1, 3])
def test_the_objective_never_rises(implicit, cg_steps):
    matrix, seen = interactions(), []

    def watch(n, items):
        users = fold_in(matrix, items, implicit=implicit, **PARAMS)
        seen.append(objective(matrix, users, items, implicit, **PARAMS))
        return True

    fit_als(
        matrix, rank=6, max_iter=12, implicit=implicit, seed=1, cg_steps=cg_steps,
        after_iteration=watch, **PARAMS,
    )  # fmt: skip
    assert len(seen) == 12
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(seen))
    assert seen[-1] < 0.95 * seen[0]


@pytest.mark.parametrize("implicit", [True, False])
def test_fold_in_is_the_minimum(implicit):
    matrix = interactions()
    items = first_factors(40, 5, 3)
    users = fold_in(matrix, items, implicit=implicit, **PARAMS)
    least = objective(matrix, users, items, implicit, **PARAMS)
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = users + 0.01 * rng.standard_normal(users.shape) * (users != 0)
        assert objective(matrix, moved, items, implicit, **PARAMS) > least


@pytest.mark.parametrize("implicit", [True, False])
def test_the_fit_ends_where_exact_sweeps_end(implicit):
    matrix = interactions()
    exact = first_factors(40, 4, 2)
    for _ in range(100):
        users = fold_in(matrix, exact, implicit=implicit, **PARAMS)
        exact = fold_in(matrix.T.tocsr(), users, implicit=implicit, **PARAMS)
    fitted = fit_als(matrix, rank=4, max_iter=100, implicit=implicit, seed=2, **PARAMS)

    def reached(items):
        users = fold_in(matrix, items, implicit=implicit, **PARAMS)
        return objective(matrix, users, items, implicit, **PARAMS)

    assert reached(fitted) == pytest.approx(reached(exact), rel=0.01)


def test_the_checkerboard_is_filled_in():
    n = 12
    rows = [(u, i) for u in range(n) for i in range(n) if (u + i) % 2 == 0 and i != (u + 4) % n]
    users, items = np.array(rows).T
    board = csr_matrix((np.ones(len(rows), np.float32), (users, items)), shape=(n, n))
    params = {"reg_param": 0.01, "alpha": 5.0, "implicit": True}
    factors = fit_als(board, rank=2, max_iter=10, seed=42, **params)
    scores = fold_in(board, factors, **params) @ factors.T
    scores[users, items] = -np.inf
    assert scores.argmax(1).tolist() == [(u + 4) % n for u in range(n)]


@pytest.mark.parametrize("implicit", [True, False])
def test_threads_do_not_change_a_bit(implicit):
    matrix = interactions(300, 200)
    fit = {"rank": 17, "max_iter": 3, "implicit": implicit, "seed": 5, **PARAMS}
    one, two = (fit_als(matrix, threads=threads, **fit) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()
    one, two = (fold_in(matrix, one, implicit=implicit, threads=n, **PARAMS) for n in (1, 2))
    assert one.tobytes() == two.tobytes()


def test_a_row_is_folded_in_alike_whatever_its_neighbours():
    matrix, items = interactions(50, 40), first_factors(40, 9, 1)
    together = fold_in(matrix, items, implicit=True, **PARAMS)
    for row in (0, 17, 49):
        alone = fold_in(matrix[row], items, implicit=True, **PARAMS)
        assert alone[0].tobytes() == together[row].tobytes()


def test_gram_is_a_sum_in_64_bits_alike_for_any_threads():
    factors = np.random.default_rng(0).standard_normal((9001, 13)).astype(np.float32)
    found = gram(factors)
    assert found.tobytes() == gram(factors, threads=2).tobytes()
    assert np.allclose(found, factors.astype(float).T @ factors.astype(float), rtol=1e-12)
    code = (
        "import numpy as np; from sparkperso.recommend.kernels.als import gram\n"
        "f = np.random.default_rng(0).standard_normal((9001, 13)).astype(np.float32)\n"
        "print(gram(f).tobytes().hex())"
    )
    answer = python(code, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    assert answer == found.tobytes().hex()


def test_rows_and_columns_of_nothing_have_zeros():
    matrix = interactions().tolil()
    matrix[3] = 0
    matrix[4] = 0
    matrix[4, 7] = -2
    matrix[:, 5] = 0
    matrix = matrix.tocsr()
    factors = fit_als(matrix, rank=4, max_iter=3, implicit=True, seed=1, **PARAMS)
    users = fold_in(matrix, factors, implicit=True, **PARAMS)
    assert not factors[5].any()
    assert not users[3].any()
    assert not users[4].any()
    assert np.isfinite(factors).all()
    assert (abs(np.delete(users, [3, 4], axis=0)).sum(1) > 0).all()


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (4, 3)])
@pytest.mark.parametrize("implicit", [True, False])
def test_an_empty_matrix_gives_zeros(shape, implicit):
    matrix = csr_matrix(shape, dtype=np.float32)
    params = {"implicit": implicit, **PARAMS}
    factors = fit_als(matrix, rank=3, max_iter=2, seed=1, **params)
    assert factors.shape == (shape[1], 3)
    assert not factors.any()
    assert fold_in(matrix, factors, **params).tolist() == np.zeros((shape[0], 3)).tolist()


def test_one_user_and_no_regularisation_stay_finite():
    matrix = csr_matrix(np.array([[1, 0, 2, 0]], dtype=np.float32))
    for reg_param in (0.0, 0.1):
        params = {"reg_param": reg_param, "alpha": 1.0, "implicit": True}
        factors = fit_als(matrix, rank=3, max_iter=4, seed=1, **params)
        scores = (fold_in(matrix, factors, **params) @ factors.T)[0]
        assert np.isfinite(scores).all()
        assert scores[[0, 2]].min() > 0.5
        assert scores[[1, 3]].max() == 0


def test_a_fit_starts_where_it_is_told_and_ends_when_it_is_told():
    matrix = interactions()
    fit = {"rank": 4, "implicit": True, "seed": 1, **PARAMS}
    seen = []

    def two_only(n, items):
        seen.append(n)
        return n < 2

    stopped = fit_als(matrix, max_iter=9, after_iteration=two_only, **fit)
    assert seen == [1, 2]
    assert stopped.tobytes() == fit_als(matrix, max_iter=2, **fit).tobytes()
    start = stopped.copy()
    assert fit_als(matrix, max_iter=0, start=start, **fit).tobytes() == start.tobytes()
    fit_als(matrix, max_iter=1, start=start, **fit)
    assert start.tobytes() == stopped.tobytes()
    with pytest.raises(ValueError, match="expected shape"):
        fit_als(matrix, max_iter=1, start=start[1:], **fit)


def test_first_factors_of_an_item_do_not_depend_on_later_ones():
    assert first_factors(5, 3, 1).tobytes() == first_factors(9, 3, 1)[:5].tobytes()
    assert np.allclose(np.linalg.norm(first_factors(9, 3, 1), axis=1), 1)


def test_kernels_run_where_nothing_can_be_written(tmp_path):
    """A cache folder that is a file: numba finds no place, the kernels compile all the same."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    code = (
        "import numba.core.caching as c\n"
        "c.CacheImpl._locator_classes = []\n"
        "import numpy as np; from sparkperso.recommend.kernels.als import gram\n"
        "print(gram(np.ones((2, 1), np.float32))[0, 0])"
    )
    assert python(code, NUMBA_CACHE_DIR=str(blocked / "below")) == "2.0"
    assert python(code.replace("c.CacheImpl._locator_classes = []", ""),
                  NUMBA_CACHE_DIR=str(blocked / "below")) == "2.0"  # fmt: skip


def python(code, **variables):
    environment = {**os.environ, "PYTHONPATH": str(SRC), **variables}
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()
