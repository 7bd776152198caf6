"""One thread for numeric work that is small, or of which there is much at a time.

numpy, scipy and scikit-learn start a thread per core for every product and every fit. A small one
gains nothing by it; beside other work, such as Spark's, its threads wait for each other, and it
takes many times as long. Fits in the driver and in tasks run inside `one_thread`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
