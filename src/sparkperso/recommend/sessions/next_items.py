"""What says what comes next: the session model, and two that are plainer to hold it against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.sessions import (
    ItemToItemParams,
    PopularityParams,
    SessionKnnParams,
)
from sparkperso.recommend.arrays.numbers import Ints, Singles
from sparkperso.recommend.arrays.session_index import NextItems, Sessions
from sparkperso.recommend.kernels.top_n import top_n
from sparkperso.recommend.models import vmis_knn
from sparkperso.recommend.models.item_knn import nearest, unit_columns


class NextItemModel(Protocol):
    """A fitted model of sessions; may be called by several threads at the same time."""

    def next_items(self, recent: Ints, n: int) -> NextItems:
        """Returns up to n items, best first, that may follow these, in order, the latest last.

        The last item is none of them.
        """


@dataclass(frozen=True)
class ItemToItem:
    """The items nearest to the session's last one."""

    neighbours: csr_matrix
    """Items × items: cosines of the nearest, by the sessions that hold them."""

    def next_items(self, recent: Ints, n: int) -> NextItems:
        """Returns the neighbours of the last item."""
        if not len(recent) or not 0 <= recent[-1] < self.neighbours.shape[0]:
            return NextItems(np.zeros(0, np.int64), np.zeros(0, np.float32))
        row = self.neighbours[int(recent[-1])]
        order = np.lexsort((row.indices, -row.data))[:n]
        return NextItems(row.indices[order].astype(np.int64), row.data[order].astype(np.float32))


@dataclass(frozen=True)
class MostPopular:
    """The items of the most sessions, for everybody."""

    items: Ints
    """The most popular first."""
    scores: Singles

    def next_items(self, recent: Ints, n: int) -> NextItems:
        """Returns the most popular items but the last one."""
        last = int(recent[-1]) if len(recent) else -1
        kept = np.flatnonzero(self.items[: n + 1] != last)[:n]
        return NextItems(self.items[kept], self.scores[kept])


def fit_next_items(params: Any, sessions: Sessions) -> NextItemModel:
    """Returns the model of these settings, fitted on these sessions."""
    if isinstance(params, SessionKnnParams):
        return vmis_knn.fit(params, sessions)
    held = session_items(sessions)
    if isinstance(params, ItemToItemParams):
        return ItemToItem(nearest(unit_columns(held), params.n_neighbours))
    assert isinstance(params, PopularityParams), params
    counts = np.bincount(held.indices, minlength=sessions.n_items).astype(np.float32)
    counts[counts == 0] = -np.inf
    items, scores = (found[0] for found in top_n(counts[None], params.n_items))
    return MostPopular(items[items >= 0].astype(np.int64), scores[items >= 0])


def session_items(sessions: Sessions) -> csr_matrix:
    """Returns sessions × items: 1 where a session holds an item, however often."""
    # A copy: to add up what repeats, SciPy puts each session's items in another order.
    parts = (np.ones(len(sessions.items), np.float32), sessions.items.copy(), sessions.indptr)
    held = csr_matrix(parts, shape=(len(sessions), sessions.n_items))
    held.sum_duplicates()
    held.data[:] = 1
    return held
