"""The nearest items by cosine, in memory: all pairs of a tile, or a search in a graph (HNSW).

The graph only proposes candidates: their cosines are worked out exactly, and order them. It holds
the directions as whole numbers of -127 to 127, so that its distances, and hence what it proposes,
are the same on every processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from usearch.index import Index

from sparkperso.config.recommend.lists import GraphConfig
from sparkperso.core.threads import one_thread
from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles, Texts
from sparkperso.recommend.scoring.top_n import Lists, select_from

DECIMALS = 6
"""Of cosines: vectors are in single precision, and what rounding tells apart is no order."""
TILE = 256
"""Items whose neighbours are searched at a time."""
LEVELS = 127
"""Largest whole number of a direction's part: what an int8 holds."""
SPARE = 3
"""Candidates searched per neighbour, since the graph's order is that of rounded directions."""


@dataclass(frozen=True)
class Directions:
    """Items in order of their ids."""

    ids: Texts
    vectors: Singles
    """Items × rank, rows at length 1."""
    shown: npt.NDArray[np.bool_]
    """Items that may be listed; those that may not have neighbours all the same."""


@one_thread()
def nearest_exact(items: Directions, queries: Ints, n: int) -> Lists:
    """Returns the n nearest of the items at `queries`, themselves left out: positions, cosines.

    A row per query. Cosines are rounded to 6 decimals; ties go to the smaller position. Time and
    memory grow with queries × items.
    """
    vectors = items.vectors.astype(np.float64)
    cosines = np.round(vectors[queries] @ vectors.T, DECIMALS)
    cosines[:, ~items.shown] = -np.inf
    cosines[np.arange(len(queries)), queries] = -np.inf
    # Selected in 32 bits, as the kernel takes them; 6 decimals survive that, and are listed.
    nearest = select_from(cosines.astype(np.float32), n).items
    exact = np.take_along_axis(cosines, np.maximum(nearest, 0), axis=1)
    return Lists(nearest, np.where(nearest >= 0, exact, -np.inf))


def build_graph(items: Directions, config: GraphConfig) -> bytes:
    """Returns the graph (HNSW, Malkov and Yashunin 2018) of the items that may be listed.

    As bytes, by the library usearch. One thread adds them in order: the same directions give the
    same bytes.
    """
    places = np.flatnonzero(items.shown)
    graph: Any = Index(
        ndim=items.vectors.shape[1],
        metric="ip",
        dtype="i8",
        connectivity=config.connectivity,
        expansion_add=config.expansion_add,
    )
    graph.add(places, _whole(items.vectors[places]), threads=1)
    return bytes(graph.save())


def open_graph(data: bytes, config: GraphConfig) -> Index:
    """Returns the graph that gave these bytes, ready to be searched.

    Raises ValueError for bytes that are no graph.
    """
    graph = Index.restore(data)
    if graph is None:
        raise ValueError(f"expected a graph of usearch, found {len(data):,} other bytes")
    # It can be set, which usearch's annotations do not say.
    graph.expansion_search = config.expansion_search  # type: ignore[misc]
    return graph


def nearest_in(graph: Index, items: Directions, queries: Ints, n: int) -> Lists:
    """Returns what the graph finds of the n nearest of some items, as `nearest_exact` does.

    1. The graph proposes SPARE × n candidates per item, and the item itself.
    2. Their cosines are worked out exactly, the item itself left out.
    3. The n best are listed; a list is shorter where the graph found fewer.
    """
    reach = min(SPARE * n + 1, len(graph))
    if reach == 0:
        return select_from(np.zeros((len(queries), 0), dtype=np.float32), n)
    # One row more, since usearch gives the matches of a single one in another shape.
    rows = np.append(queries, queries[-1])
    matches: Any = graph.search(_whole(items.vectors[rows]), reach, threads=1)
    is_match = np.arange(reach) < np.asarray(matches.counts)[:-1, None]
    # The item itself stands where there are fewer: the next lines leave it out.
    keys = np.asarray(matches.keys)[:-1].astype(np.int64)
    candidates = np.where(is_match, keys, queries[:, None])
    own = items.vectors[queries].astype(np.float64)
    cosines = np.einsum("ir,icr->ic", own, items.vectors[candidates].astype(np.float64))
    cosines = np.where(candidates == queries[:, None], -np.inf, np.round(cosines, DECIMALS))
    return _best(candidates, cosines, n)


def _best(others: Ints, cosines: Floats, n: int) -> Lists:
    """Returns the n best candidates of each row; ties go to the smaller position."""
    order = np.lexsort((others, -cosines), axis=1)[:, :n]
    scores = np.full((len(others), n), -np.inf)
    items = np.full((len(others), n), -1, dtype=np.int64)
    scores[:, : order.shape[1]] = np.take_along_axis(cosines, order, axis=1)
    items[:, : order.shape[1]] = np.take_along_axis(others, order, axis=1)
    return Lists(np.where(np.isfinite(scores), items, -1), scores)


def _whole(vectors: Singles) -> npt.NDArray[np.int8]:
    whole: npt.NDArray[np.int8] = np.rint(vectors * LEVELS).astype(np.int8)
    return whole
