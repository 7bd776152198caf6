"""TIFU-kNN (Hu, He, Gao and Zhang 2020, SIGIR): next baskets from personal frequencies that fade.

1. A person's baskets are cut into groups of `group_size`, the last one full. Within a group basket
   b of m counts within_decay^(m − b), and the group is the mean of them; group g of n counts
   group_decay^(n − g), and the person is the mean of the groups.
2. The prediction is alpha × the person + (1 − alpha) × the mean of the nearest `n_neighbours`, by
   Euclidean distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class TifuSettings:
    """Defaults are the paper's for its online shop (ValuedShopper)."""

    group_size: int = 7
    within_decay: float = 1.0
    group_decay: float = 0.6
    n_neighbours: int = 300
    alpha: float = 0.7


def item_frequencies(rows: pd.DataFrame, settings: TifuSettings) -> csr_matrix:
    """Returns persons × items of frequencies.

    `rows` has one row per item of an order: user, item (numbers), place (of the order among the
    person's, from 0) and n_orders (of the person).
    """
    m = settings.group_size
    later = rows.n_orders - 1 - rows.place
    # Groups are counted from the end: it is the first one that may be short.
    group, within = later // m, later % m
    n_groups = (rows.n_orders - 1) // m + 1
    size = np.where(group == n_groups - 1, rows.n_orders - (n_groups - 1) * m, m)
    weight = settings.within_decay**within / size * settings.group_decay**group / n_groups
    return csr_matrix(
        (weight, (rows.user, rows.item)), shape=(rows.user.max() + 1, rows.item.max() + 1)
    )


def predictions(own: csr_matrix, settings: TifuSettings, block: int = 500):
    """Yields the first person's number, and persons × items of predictions, a block at a time."""
    squares = np.asarray(own.multiply(own).sum(axis=1)).ravel()
    for start in range(0, own.shape[0], block):
        mine = own[start : start + block]
        distances = squares[None, :] - 2 * (mine @ own.T).toarray()
        rows = np.arange(mine.shape[0])
        distances[rows, start + rows] = np.inf
        k = min(settings.n_neighbours, own.shape[0] - 1)
        nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
        indptr = np.arange(0, k * (len(rows) + 1), k)
        chosen = csr_matrix(
            (np.full(k * len(rows), 1 / k), nearest.ravel(), indptr),
            shape=(len(rows), own.shape[0]),
        )
        blended = settings.alpha * mine + (1 - settings.alpha) * (chosen @ own)
        yield start, blended.toarray()
