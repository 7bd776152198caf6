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

from sparkperso.config.lists import GraphConfig
from sparkperso.core.threads import one_thread
from sparkperso.recommend.arrays.histories import Floats, Ints, Singles, Texts
from sparkperso.recommend.scoring.top_n import Lists, select_from

DECIMALS = 6
TILE = 256
"""Items that ask at a time."""
LEVELS = 127
SPARE = 3
"""Candidates per neighbour wanted, since the graph's order is that of rounded directions."""


@dataclass(frozen=True)
class Directions:
    """Items in order of their ids."""

    ids: Texts
    vectors: Singles
    """Items × rank, rows at length 1."""
    shown: npt.NDArray[np.bool_]
    """Items that may be listed; those that may not still ask."""


@one_thread()
def nearest_exact(items: Directions, asking: Ints, n: int) -> Lists:
    """Returns the n nearest of some items, themselves left out: positions, cosines.

    Cosines are rounded to 6 decimals; ties go to the smaller position.
    """
    vectors = items.vectors.astype(np.float64)
    scores = np.round(vectors[asking] @ vectors.T, DECIMALS)
    scores[:, ~items.shown] = -np.inf
    scores[np.arange(len(asking)), asking] = -np.inf
    found = select_from(scores.astype(np.float32), n).items
    exact = np.take_along_axis(scores, np.maximum(found, 0), axis=1)
    return Lists(found, np.where(found >= 0, exact, -np.inf))


def build_graph(items: Directions, config: GraphConfig) -> bytes:
    """Returns the graph of the items that may be listed.

    One thread adds them in order: the same directions give the same bytes.
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


def open_graph(held: bytes, config: GraphConfig) -> Index:
    """Returns the graph that gave these bytes, ready to be searched.

    Raises ValueError for bytes that are no graph.
    """
    graph = Index.restore(held)
    if graph is None:
        raise ValueError(f"expected a graph of usearch, found {len(held):,} other bytes")
    # It can be set, which usearch's annotations do not say.
    graph.expansion_search = config.expansion_search  # type: ignore[misc]
    return graph


def nearest_in(graph: Index, items: Directions, asking: Ints, n: int) -> Lists:
    """Returns what the graph finds of the n nearest of some items, as `nearest_exact` does."""
    wanted = min(SPARE * n + 1, len(graph))
    if wanted == 0:
        return select_from(np.zeros((len(asking), 0), dtype=np.float32), n)
    others = _proposed(graph, items, asking, wanted)
    own = items.vectors[asking].astype(np.float64)
    cosines = np.einsum("ir,icr->ic", own, items.vectors[others].astype(np.float64))
    cosines = np.where(others == asking[:, None], -np.inf, np.round(cosines, DECIMALS))
    return _best(others, cosines, n)


def _proposed(graph: Index, items: Directions, asking: Ints, wanted: int) -> Ints:
    """Returns the candidates of each item; the item itself where there are fewer."""
    # One row more, since a single one would be answered in another shape.
    rows = np.append(asking, asking[-1])
    found: Any = graph.search(_whole(items.vectors[rows]), wanted, threads=1)
    is_found = np.arange(wanted) < np.asarray(found.counts)[:-1, None]
    return np.where(is_found, np.asarray(found.keys)[:-1].astype(np.int64), asking[:, None])


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
