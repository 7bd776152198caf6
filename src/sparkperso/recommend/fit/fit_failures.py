"""What keeps a model from being fitted: bounds that are known before, and what a fit may end in."""

from __future__ import annotations

from typing import Any

from numpy.linalg import LinAlgError

from sparkperso.config.recommend.models import (
    PARAMS,
    EaseParams,
    GraphFilterParams,
    HybridParams,
    KnnParams,
    LastSessionParams,
    SparseEaseParams,
)
from sparkperso.core.errors import SparkpersoError

FAILURES = (SparkpersoError, LinAlgError, ArithmeticError, MemoryError)
"""Errors that say of a model that it cannot be fitted on these data, or on this machine. Any other
is a fault of the program or of the cluster, and ends the run."""

SPARSE_BYTES = 12 * 10_000**2
"""What neighbours and signals of items may take, however small `max_item_pairs` is."""


def reason_of(error: BaseException) -> str:
    """Returns why a model could not be fitted, as one line.

    >>> reason_of(MemoryError("Unable to allocate 8 GiB"))
    'MemoryError: Unable to allocate 8 GiB'
    """
    if isinstance(error, SparkpersoError):
        return f"{error.expected}; {error.found}".rstrip("; ")
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def obstacle(params: Any, n_items: int, max_item_pairs: int, is_whole: bool) -> str | None:
    """Returns why a model cannot be fitted on so many items; None when no bound says so.

    `max_item_pairs` is the largest number of items for a matrix of items × items; `is_whole`
    whether the fit is one task. A blend can be fitted where its parts can: look at them one by one.
    """
    assert not isinstance(params, HybridParams), params
    if not is_whole and (params.model not in PARAMS or isinstance(params, LastSessionParams)):
        return "it is fitted whole, in one task: raise recommend.one_task_pairs, or engine: kernel"
    if is_whole and (why := _too_much(params, n_items, max_item_pairs)):
        return why
    of_gram = KnnParams | GraphFilterParams | SparseEaseParams
    in_blocks = isinstance(params, of_gram) and not is_whole
    if n_items <= max_item_pairs or not (in_blocks or isinstance(params, EaseParams)):
        return None
    size = f"{n_items**2 * 12 / 2**30:,.1f} GB"
    where = " in blocks" if in_blocks else ""
    return (
        f"{n_items:,} items; it is fitted{where} on up to {max_item_pairs:,} "
        f"(recommend.max_item_pairs), since it holds items × items, {size}"
    )


def _too_much(params: Any, n_items: int, max_item_pairs: int) -> str | None:
    """Returns why a model's neighbours and signals of so many items are too many, by their bytes.

    They may take what items × items of `max_item_pairs` do, and SPARSE_BYTES in any case.
    """
    if not isinstance(params, KnnParams | GraphFilterParams):
        return None
    signals = params.rank if isinstance(params, GraphFilterParams) else 0
    # A neighbour is a position and a number, a signal a number on either side.
    n_bytes = n_items * (min(params.n_neighbours, n_items) + signals) * 8
    bound = max(max_item_pairs**2 * 12, SPARSE_BYTES)
    if n_bytes <= bound:
        return None
    held = f"{params.n_neighbours:,} neighbours" + (f" and {signals:,} signals" if signals else "")
    return (
        f"{n_items:,} items with {held} each are {n_bytes / 2**30:,.1f} GB, more than "
        f"{bound / 2**30:,.1f} GB: lower its n_neighbours, or raise recommend.max_item_pairs"
    )
