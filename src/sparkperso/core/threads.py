"""One thread for numeric work that is small or much at a time; several for work that waits.

numpy, scipy and scikit-learn start a thread per core for every product and every fit. A small one
gains nothing by it; beside other work, such as Spark's, its threads wait for each other, and it
takes many times as long. Fits in the driver and in tasks run inside `one_thread`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any

from threadpoolctl import threadpool_limits


class _Blas:
    """BLAS's limit of threads, the whole process's: the first sets it, the last lifts it."""

    def __init__(self) -> None:
        self.lock, self.inside = Lock(), 0
        self.limits: threadpool_limits | None = None

    def enter(self) -> None:
        """Sets the limit, or joins those who have."""
        with self.lock:
            # Finding the libraries takes milliseconds, so it is left out where the limit holds.
            if not self.inside:
                self.limits = threadpool_limits(1, user_api="blas")
            self.inside += 1

    def leave(self) -> None:
        """Restores what was, when nobody else is inside."""
        with self.lock:
            self.inside -= 1
            if not self.inside and self.limits is not None:
                self.limits.restore_original_limits()


_blas = _Blas()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keeps BLAS to one thread, in the whole process, until the last such block has ended."""
    _blas.enter()
    try:
        yield
    finally:
        _blas.leave()


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps BLAS and OpenMP to one thread inside the block, or the decorated function.

    OpenMP's limit is the calling thread's own, BLAS's is the process's (`one_blas_thread`).
    """
    # Restores the limits at its end, whatever they were.
    with one_blas_thread(), threadpool_limits(1, user_api="openmp"):
        yield


def together(*tasks: Callable[[], Any]) -> list[Any]:
    """Carries out tasks side by side, such as writes, which wait; returns what each returned.

    The first error in the order of the tasks is raised once all have ended.
    """
    with ThreadPoolExecutor(max(len(tasks), 1)) as pool:
        return [future.result() for future in [pool.submit(task) for task in tasks]]
