"""What each item of a history adds to a few scores, compiled: work is history × items, no more."""

from __future__ import annotations

import numpy as np

from sparkperso.recommend.kernels.compiled import compiled_as_written
from sparkperso.recommend.kernels.score_blocks import Floats, Places, Rows, Singles

STEPS, FEWEST_STEPS = 1e6, 1e3
"""Contributions are compared in millionths, so that the same one is the largest everywhere; small
ones in thousandths of the largest: the scores of a model may all be below a millionth."""


@compiled_as_written
def pick_entries(rows: Rows, own: Places, items: Places, found: Floats) -> None:
    """Writes the entries (own × items) of a sparse matrix whose rows are in order of column."""
    starts, columns, data = rows
    for place in range(len(own)):
        first, end = starts[own[place]], starts[own[place] + 1]
        for at in range(len(items)):
            entry, last = first, end
            while entry < last:
                middle = (entry + last) // 2
                if columns[middle] < items[at]:
                    entry = middle + 1
                else:
                    last = middle
            is_there = entry < end and columns[entry] == items[at]
            found[place, at] = data[entry] if is_there else 0.0


@compiled_as_written
def row_products(
    rows: Rows, own: Places, items: Places, declared: Singles, found: tuple[Floats, Floats]
) -> None:
    """Writes the products of rows of a sparse matrix, own × items, and of `declared` with items.

    `declared` is one row, dense. In 64 bits, in order of the columns.
    """
    starts, columns, data = rows
    products, base = found
    terms = np.zeros(len(declared))
    for at in range(len(items)):
        base[at] = 0.0
        for entry in range(starts[items[at]], starts[items[at] + 1]):
            terms[columns[entry]] = data[entry]
            base[at] += np.float64(data[entry]) * declared[columns[entry]]
        for place in range(len(own)):
            product = 0.0
            for entry in range(starts[own[place]], starts[own[place] + 1]):
                product += np.float64(data[entry]) * terms[columns[entry]]
            products[place, at] = product
        for entry in range(starts[items[at]], starts[items[at] + 1]):
            terms[columns[entry]] = 0.0


@compiled_as_written
def largest_parts(contributions: Floats, base: Floats, places: Places, shares: Floats) -> None:
    """Writes, per explained item, the place of what adds most, and its share of all that adds.

    `contributions` are of a history (rows) to items (columns), `base` (items) is what adds besides;
    of equal contributions the first. -1 and NaN where none is above 0.
    """
    n_own, n_items = contributions.shape
    for item in range(n_items):
        most, total = 0.0, max(base[item], 0.0)
        for own in range(n_own):
            part = max(contributions[own, item], 0.0)
            total += part
            most = max(most, part)
        steps = max(STEPS, FEWEST_STEPS / most) if most > 0 else STEPS
        best, largest = -1, -np.inf
        for own in range(n_own):
            rounded = np.rint(contributions[own, item] * steps)
            if rounded > largest:
                best, largest = own, rounded
        adds = best >= 0 and contributions[best, item] > 0
        places[item] = best if adds else -1
        shares[item] = contributions[best, item] / total if adds else np.nan
