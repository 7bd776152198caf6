"""How kernels are compiled and spread over threads.

Kernels give up the interpreter's lock, so plain threads run them: numba's own thread pools do not
bear being called from several Python threads, as a search over candidates does, nor a fork.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import numba as nb
import numpy as np
import numpy.typing as npt
from numba.core import config

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
Bounds = npt.NDArray[np.int64]
PIECES = 8  # Per thread: enough that the last one to end is not far behind.
EXACT: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
"""Sums in the order in which they are written, each product rounded: as numpy and SciPy add."""
OPTIONS: dict[str, Any] = {
    **EXACT,
    # Sums may be reordered, hence vectorised; NaN and infinities keep their meaning.
    "fastmath": {"contract", "arcp", "nsz", "reassoc"},
}


def compiled(function: Kernel) -> Kernel:
    """Returns `function` compiled by numba at its first call, kept on disk where that can be.

    Where numba finds no folder to write to (on an executor, say), each process compiles anew.
    """
    return _compiled(function, OPTIONS)


def compiled_as_written(function: Kernel) -> Kernel:
    """Returns `function` compiled as `compiled` does, but adding and rounding as it is written."""
    return _compiled(function, EXACT)


def _compiled(function: Kernel, options: dict[str, Any]) -> Kernel:
    try:
        kernel: Kernel = nb.njit(cache=True, **options)(function)
    except (RuntimeError, OSError):
        kernel = nb.njit(**options)(function)
    return kernel


def run_pieces(work: Callable[[int, int], None], bounds: Bounds, threads: int) -> None:
    """Calls work(first, last) for all neighbours in `bounds`, on up to `threads` threads.

    No more threads are used than numba would use: the cores that this process may run on. Pieces
    run in any order, so `work` must not depend on another piece. Raises what `work` raises.
    """
    pairs = [(int(a), int(b)) for a, b in pairwise(bounds) if a < b]
    most: int = config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    threads = min(threads, most, len(pairs))
    if threads <= 1:
        for first, last in pairs:
            work(first, last)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda pair: work(*pair), pairs))


def even_bounds(n_rows: int, threads: int) -> Bounds:
    """Returns bounds of pieces of `n_rows` rows, of one length; one piece for one thread.

    >>> even_bounds(100, threads=1).tolist()
    [0, 100]
    """
    return np.linspace(0, n_rows, _pieces(threads) + 1).astype(np.int64)


def work_bounds(indptr: npt.NDArray[Any], row_cost: int, threads: int) -> Bounds:
    """Returns bounds of pieces of rows of one cost: entries (CSR `indptr`) + `row_cost` a row.

    Users' histories differ by orders of magnitude: pieces of one length would leave threads idle.
    """
    cost = indptr.astype(np.int64) + row_cost * np.arange(len(indptr))
    marks = np.linspace(0, cost[-1], _pieces(threads) + 1)
    bounds: Bounds = np.searchsorted(cost, marks).astype(np.int64)
    bounds[-1] = len(indptr) - 1
    return bounds


def _pieces(threads: int) -> int:
    return 1 if threads <= 1 else PIECES * threads
