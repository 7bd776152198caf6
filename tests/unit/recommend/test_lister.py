"""Lists of blocks: every model scores a block once, on any number of threads, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.models import AlsParams, ContentParams, KnnParams, PopularityParams
from sparkperso.recommend.kernels.als import first_factors
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.als import AlsModel
from sparkperso.recommend.models.hybrid import HybridModel
from sparkperso.recommend.models.item_item import ItemItemModel
from sparkperso.recommend.models.recency_prior import WithPrior
from sparkperso.recommend.scoring import top_n
from sparkperso.recommend.scoring.lister import Lister, make_lists
from sparkperso.recommend.scoring.top_n import Selection
from sparkperso.testing.models import (
    N_ITEMS,
    bare_catalogue,
    coloured_catalogue,
    random_users,
    users_of,
    with_cold_users,
)

USERS = with_cold_users(random_users(n_users=90))
CATALOGUE = coloured_catalogue(N_ITEMS)
KINDS = (KnnParams(prior_half_life_days=30), AlsParams(rank=4), ContentParams(), PopularityParams())
WEIGHTS = np.array([[0, 0, 0, 1], [3, 1, 2, 1], [3, 1, 1, 0], [4, 2, 1, 0]], np.float32)


class Counted:
    """A model that counts how often a user is scored."""

    def __init__(self, inner, counts, name):
        self.inner, self.counts, self.name = inner, counts, name

    def scores(self, users):
        self.counts.update((self.name, user) for user in users.ids)
        return self.inner.scores(users)

    def explainer(self, users):
        return self.inner.explainer(users)

    def arrays(self):
        return self.inner.arrays()


def parts():
    return [fit_model(params, USERS.training, CATALOGUE) for params in KINDS]


def lister(model, catalogue=CATALOGUE, n=5):
    fallback = fit_model(PopularityParams(), USERS.training, CATALOGUE)
    return Lister(model, "hybrid", catalogue, Selection(n), fallback, is_explained=True)


def test_a_blend_with_reasons_scores_each_part_once():
    counts = Counter()
    named = [Counted(part, counts, str(place)) for place, part in enumerate(parts())]
    found = make_lists(lister(HybridModel(named, WEIGHTS)), USERS)
    assert set(counts.values()) == {1}
    assert len(counts) == len(named) * len(USERS)
    assert found.column("reason_item").null_count < len(found)


def test_scores_and_reasons_worked_out_together_are_those_worked_out_apart():
    model = HybridModel(parts(), WEIGHTS)
    apart = Counted(model, Counter(), "")
    assert make_lists(lister(apart), USERS).equals(make_lists(lister(model), USERS))


def test_neither_blocks_nor_threads_change_a_list(monkeypatch):
    model = lister(HybridModel(parts(), WEIGHTS))
    expected = make_lists(model, USERS)
    monkeypatch.setattr(top_n, "MOST_CELLS", 7 * N_ITEMS)
    assert make_lists(model, USERS).equals(expected)
    assert make_lists(model, USERS, threads=3).equals(expected)


def test_without_users_lists_are_an_empty_table_of_the_same_columns():
    model = lister(HybridModel(parts(), WEIGHTS))
    nobody = make_lists(model, USERS.take(slice(0, 0)), threads=2)
    assert len(nobody) == 0
    assert nobody.schema == make_lists(model, USERS).schema


def test_a_model_that_gives_no_reasons_is_refused_where_they_are_wanted():
    model = type("Bare", (), {"scores": lambda self, users: np.ones((len(users), N_ITEMS))})()
    with pytest.raises(TypeError, match="gives no reasons"):
        make_lists(lister(model), USERS)


@pytest.mark.parametrize("n_items", [41_000, 200_000])
def test_a_blend_over_a_large_catalogue_stays_within_256_mb(n_items):
    rng = np.random.default_rng(2)
    n_near = 20 * n_items
    weights = csr_matrix(
        (
            rng.random(n_near, np.float32),
            rng.integers(n_items, size=n_near),
            np.arange(0, n_near + 1, 20),
        ),
        shape=(n_items, n_items),
    )
    near = WithPrior(ItemItemModel(weights), np.ones(n_items, np.float32))
    far = AlsModel(AlsParams(rank=16), first_factors(n_items, 16, 1))
    model = HybridModel([near, far, near], np.ones((4, 3), np.float32))
    users = users_of([[(n, 1.0, 1.0), (n + 9, 1.0, 1.0)] for n in range(130)], n_items)
    ids = np.arange(n_items).astype(str).astype(object)
    make = Lister(model, "hybrid", bare_catalogue(ids), Selection(20), is_explained=True)
    # Models keep what they work out of themselves: that is no part of a block's.
    make_lists(make, users.take(slice(0, 1)))
    tracemalloc.start()
    assert len(make_lists(make, users)) == 130 * 20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 256e6


def test_reasons_of_a_long_history_take_time_and_memory_by_its_items():
    n_items, rank = 30_000, 128
    model = AlsModel(AlsParams(rank=rank), first_factors(n_items, rank, 1))
    users = users_of([[(n, 1.0, 1.0) for n in range(0, n_items - 40)]], n_items)
    make = Lister(
        model,
        "als_implicit",
        bare_catalogue(np.arange(n_items).astype(str).astype(object)),
        Selection(20),
        is_explained=True,
    )
    tracemalloc.start()
    assert len(make_lists(make, users)) == 20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # History × list in 64 bits is 5 MB; history × factors would be 31 MB an array.
    assert peak <= 60e6


@pytest.mark.parametrize("size", [1.0, 1e-3, 3e-7, 1e-20])
def test_reasons_do_not_depend_on_how_large_a_models_scores_are(size):
    weights = np.zeros((4, 4), np.float32)
    # The first item says nothing of the last one, the second less than the third.
    weights[:3, 3] = np.array([0, 0.2, 0.6]) * size
    model = Lister(ItemItemModel(weights), "tiny", coloured_catalogue(4), Selection(1))
    user = users_of([[(0, 1.0, 1.0), (1, 1.0, 1.0), (2, 1.0, 1.0)]], 4)
    (row,) = make_lists(replace(model, is_explained=True), user).to_pylist()
    assert (row["item_id"], row["reason_item"], row["reason_share"]) == ("i03", "i02", 0.75)
