"""One thread for numeric work that is small or much at a time; several for work that waits.

numpy, scipy and scikit-learn start a thread per core for every product and every fit. A small one
gains nothing by it; beside other work, such as Spark's, its threads wait for each other, and it
takes many times as long. Fits in the driver and in tasks run inside `one_thread`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps BLAS and OpenMP to one thread inside the block, or the decorated function.

    OpenMP's limit is the calling thread's own, BLAS's is the process's: where several threads have
    such blocks at the same time, one more around all of them holds it until the last has ended.
    """
    # Restores the limits at its end, whatever they were.
    with threadpool_limits(1):
        yield


def together(*tasks: Callable[[], Any]) -> list[Any]:
    """Carries out tasks side by side, such as writes, which wait; returns what each returned.

    The first error in the order of the tasks is raised once all have ended.
    """
    with ThreadPoolExecutor(max(len(tasks), 1)) as pool:
        return [future.result() for future in [pool.submit(task) for task in tasks]]
