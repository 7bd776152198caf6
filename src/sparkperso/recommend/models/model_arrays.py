"""A fitted model as rows: arrays in NumPy's own format, never a pickle.

A pickle runs code when it is read, and is read by no other version than its own; an array of
numbers or text does neither.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import numpy as np

from sparkperso.recommend.models.base import Arrays

BLOCK_BYTES = 16 * 2**20
"""Bytes of a block: a row of a table, so it should fit into a task many times over."""
Row = tuple[str, int, bytes]
"""Name of the array, number of the block from 0, the block as an .npy file."""


def to_rows(arrays: Arrays) -> Iterator[Row]:
    """Yields (name, block, data) of each array, cut along its first axis into blocks of 16 MB.

    Arrays in order of their names; an empty one is one block. Arrays of objects are written as
    text.

    >>> arrays = {"prior": np.ones(2), "ids": np.array(["a", "b"], dtype=object)}
    >>> {name: array.tolist() for name, array in from_rows(to_rows(arrays)).items()}
    {'ids': ['a', 'b'], 'prior': [1.0, 1.0]}
    """
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        if array.dtype == object:
            array = array.astype(str)
        row_bytes = max(array.nbytes // max(len(array), 1), 1)
        size = max(1, BLOCK_BYTES // row_bytes)
        for block, start in enumerate(range(0, max(len(array), 1), size)):
            buffer = io.BytesIO()
            np.save(buffer, array[start : start + size], allow_pickle=False)
            yield name, block, buffer.getvalue()


def from_rows(rows: Iterable[Row]) -> Arrays:
    """Returns the arrays of these rows, given in any order; texts come back as objects.

    Raises ValueError for a block that NumPy cannot read without a pickle.
    """
    blocks: dict[str, list[tuple[int, bytes]]] = {}
    for name, block, data in rows:
        blocks.setdefault(name, []).append((block, data))
    return {name: _joined(sorted(parts)) for name, parts in blocks.items()}


def _joined(blocks: list[tuple[int, bytes]]) -> np.ndarray:
    parts = [np.load(io.BytesIO(data), allow_pickle=False) for _, data in blocks]
    array = np.concatenate(parts) if len(parts) > 1 else parts[0]
    return array.astype(object) if array.dtype.kind == "U" else array
