"""Similar items in memory: exact cosines in a total order, found by all pairs or by a graph."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.config.recommend.lists import GraphConfig, ListsConfig
from sparkperso.recommend.lists.similar_items import as_table, exact_table
from sparkperso.recommend.scoring.nearest_items import (
    DECIMALS,
    Directions,
    build_graph,
    nearest_exact,
    nearest_in,
    open_graph,
)

N_ITEMS, RANK, N = 3000, 24, 10


def directions(n_items=N_ITEMS, rank=RANK, seed=5, hidden=()):
    """Clustered vectors; some items are twins of others, so that cosines tie."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(max(n_items // 40, 1), rank))
    vectors = centres[chance.integers(0, len(centres), n_items)]
    vectors = vectors + chance.normal(size=vectors.shape)
    vectors[n_items // 2 : n_items // 2 + n_items // 50] = vectors[: n_items // 50]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.array([f"i{item:05d}" for item in range(n_items)], dtype=object)
    shown = np.ones(n_items, dtype=bool)
    shown[list(hidden)] = False
    return Directions(ids, vectors.astype(np.float32), shown)


def by_graph(items, asking, n=N, config=None):
    config = config or GraphConfig()
    return nearest_in(open_graph(build_graph(items, config), config), items, asking, n)


WAYS = [nearest_exact, by_graph]


def recall(found, exact):
    hits = [len(set(a) & set(b)) for a, b in zip(found.items, exact.items, strict=True)]
    return sum(hits) / exact.items.size


@pytest.mark.parametrize("way", WAYS)
def test_scores_are_the_cosines_in_falling_order_and_ties_go_to_the_smaller_item(way):
    items, asking = directions(), np.arange(0, N_ITEMS, 3)
    found = way(items, asking, N)
    vectors = items.vectors.astype(np.float64)
    for row, item in enumerate(asking):
        others = found.items[row]
        assert item not in others
        assert len(set(others)) == N
        assert np.abs(vectors[others] @ vectors[item] - found.scores[row]).max() < 10**-DECIMALS
        order = list(zip(-found.scores[row], others, strict=True))
        assert order == sorted(order)


def test_the_graph_finds_nearly_all_that_all_pairs_find():
    items, asking = directions(), np.arange(N_ITEMS)
    exact = nearest_exact(items, asking, N)
    assert recall(by_graph(items, asking), exact) >= 0.95
    # The law above can fail: a starved search finds clearly less.
    starved = GraphConfig(connectivity=2, expansion_add=1, expansion_search=1)
    assert recall(by_graph(items, asking, config=starved), exact) < 0.95


@pytest.mark.parametrize("way", WAYS)
def test_exact_is_a_plain_sort_and_so_is_the_graph_where_it_looks_at_everything(way):
    items, asking = directions(n_items=60), np.arange(60)
    found = way(items, asking, 30)
    cosines = np.round(items.vectors.astype(np.float64) @ items.vectors.T.astype(np.float64), 6)
    for item in asking:
        others = [other for other in range(60) if other != item]
        wanted = sorted(others, key=lambda o, i=item: (-cosines[i, o], o))[:30]
        assert list(found.items[item]) == wanted


@pytest.mark.parametrize("way", WAYS)
def test_hidden_items_ask_and_are_not_listed(way):
    hidden = range(0, N_ITEMS, 2)
    found = way(directions(hidden=hidden), np.arange(100), N)
    assert (found.items % 2 == 1).all()
    none = way(directions(n_items=20, hidden=range(20)), np.arange(20), N)
    assert (none.items == -1).all()


@pytest.mark.parametrize("way", WAYS)
def test_lists_are_shorter_where_there_are_fewer_items(way):
    found = way(directions(n_items=4), np.arange(4), N)
    assert (np.sort(found.items, axis=1)[:, -3:] >= 0).all()
    assert (found.items >= 0).sum() == 12
    assert np.isneginf(found.scores[found.items < 0]).all()
    assert (way(directions(n_items=1), np.arange(1), N).items == -1).all()


def test_the_same_directions_give_the_same_graph_to_the_byte():
    first, again = (build_graph(directions(), GraphConfig()) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("way", WAYS)
def test_an_items_list_does_not_depend_on_who_asks_beside_it(way):
    items = directions()
    together = way(items, np.arange(256), N)
    alone = way(items, np.array([200]), N)
    assert np.array_equal(alone.items[0], together.items[200])
    assert np.array_equal(alone.scores[0], together.scores[200])


def test_rows_name_the_items():
    items, config = directions(n_items=50), ListsConfig(n_similar=2)
    asking = np.array([7, 9])
    table = as_table(items, asking, nearest_exact(items, asking, 2)).to_pydict()
    assert table["item_id"] == ["i00007", "i00007", "i00009", "i00009"]
    assert table["rank"] == [1, 2, 1, 2]
    graph = open_graph(build_graph(items, config.graph), config.graph)
    of_graph = nearest_in(graph, items, asking, 2)
    assert as_table(items, asking, of_graph).to_pydict() == table
    every = exact_table(items, config).to_pylist()
    assert [row for row in every if row["item_id"] in {"i00007", "i00009"}] == [
        dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)
    ]
    nobody = Directions(items.ids[:0], items.vectors[:0], items.shown[:0])
    assert exact_table(nobody, config).num_rows == 0
