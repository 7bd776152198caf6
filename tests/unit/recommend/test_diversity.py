"""Lists that are not more of the same: without limits nothing changes, limits hold for all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from tests.unit.recommend.test_eligibility import Fixed, people

from sparkperso.config.recommend.lists import DiversityConfig
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.scoring.diversity import category_codes, fill, make_diversity
from sparkperso.recommend.scoring.lister import Lister, make_lists
from sparkperso.recommend.scoring.top_n import Lists, Selection, best_items
from sparkperso.testing.models import bare_catalogue

N_ITEMS, N_USERS, N = 200, 40, 10
WORDS = ["red", "blue", "mug", "lamp", "rug", "clock", "small", "large"]


def shop(seed=0, with_texts=True):
    chance = np.random.default_rng(seed)
    texts = [" ".join(chance.choice(WORDS, 3)) if with_texts else "" for _ in range(N_ITEMS)]
    return Catalogue(
        np.array([f"i{item:03d}" for item in range(N_ITEMS)], dtype=object),
        np.array(texts, dtype=object),
        chance.choice(["", "a", "b", "c", "d"], N_ITEMS, p=[0.1, 0.5, 0.2, 0.1, 0.1]).astype(
            object
        ),
        np.full(N_ITEMS, np.nan),
    )


class Drawn:
    """Random scores, many of them equal; some users have few."""

    def __init__(self, seed, finite=1.0):
        chance = np.random.default_rng(seed)
        self.values = chance.integers(0, 50, (N_USERS, N_ITEMS)).astype(np.float32)
        self.values[chance.random(self.values.shape) > finite] = -np.inf

    def scores(self, users):
        return self.values[[int(name[1:]) for name in users.ids]]


def listed(model, config, catalogue, n=N):
    select = Selection(n, reranker=make_diversity(DiversityConfig(**config), catalogue))
    return best_items(model, people([()] * N_USERS, N_ITEMS), select)


def assert_limit(items, catalogue, limit):
    for row in items:
        known = [catalogue.categories[i] for i in row if i >= 0 and catalogue.categories[i]]
        assert all(known.count(name) <= limit for name in known)


def assert_same(one, other):
    assert np.array_equal(one.items, other.items)
    assert np.array_equal(one.scores, other.scores)


def test_off_by_default():
    assert make_diversity(DiversityConfig(), shop()) is None


@pytest.mark.parametrize("config", [{"mmr_lambda": 1}, {"max_per_category": N}])
@pytest.mark.parametrize("finite", [1.0, 0.03])
def test_without_a_limit_or_with_lambda_one_the_order_is_the_plain_one(config, finite):
    model = Drawn(3, finite)
    assert_same(listed(model, config, shop()), listed(model, {}, shop()))


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("weight", [None, 0.0, 0.5])
def test_no_list_holds_more_of_a_category_than_the_limit(limit, weight):
    catalogue = shop()
    found = listed(Drawn(4), {"max_per_category": limit, "mmr_lambda": weight}, catalogue)
    assert_limit(found.items, catalogue, limit)
    for row in found.items:
        kept = row[row >= 0]
        assert len(set(kept)) == len(kept)
        assert (row[len(kept) :] == -1).all()


def test_the_limit_is_greedy_in_order_of_score():
    catalogue, scores = shop(), np.arange(N_ITEMS, 0, -1)
    found = best_items(
        Fixed(scores),
        people([()], N_ITEMS),
        Selection(
            N, reranker=make_diversity(DiversityConfig(max_per_category=2, shortlist=20), catalogue)
        ),
    )
    wanted, counts = [], {}
    for item in range(N_ITEMS):
        name = catalogue.categories[item]
        if not name or counts.get(name, 0) < 2:
            wanted.append(item)
            counts[name] = counts.get(name, 0) + 1
    assert list(found.items[0]) == wanted[:N]


def marginal(short, scores, similarity, weight, n):
    """Says maximal marginal relevance once more, plainly."""
    spread = scores.max() - scores.min()
    relevance = (scores - scores.min()) / spread if spread else np.ones(len(scores))
    chosen = []
    while len(chosen) < min(n, len(short)):
        left = [at for at in range(len(short)) if at not in chosen]
        near = [max((similarity[short[a], short[c]] for c in chosen), default=0) for a in left]
        gains = [weight * relevance[a] - (1 - weight) * s for a, s in zip(left, near, strict=True)]
        chosen.append(left[int(np.argmax(np.round(gains, 6)))])
    return [short[at] for at in chosen]


@pytest.mark.parametrize("weight", [0.0, 0.4, 0.8])
def test_mmr_is_that_of_carbonell_and_goldstein(weight):
    catalogue, model = shop(), Drawn(5, 0.5)
    v = make_diversity(DiversityConfig(mmr_lambda=weight), catalogue).vectors
    matrix = csr_matrix((v.data.astype(float), v.indices, v.indptr), shape=(N_ITEMS, v.width))
    similarity = (matrix @ matrix.T).toarray()
    short = listed(model, {}, catalogue, 5 * N)
    found = listed(model, {"mmr_lambda": weight}, catalogue)
    for row in range(N_USERS):
        wanted = marginal(short.items[row], short.scores[row], similarity, weight, N)
        assert list(found.items[row]) == wanted
        assert np.array_equal(found.scores[row], model.values[row, found.items[row]])


def test_where_only_categories_are_known_likeness_is_the_same_category():
    catalogue = shop(with_texts=False)
    found = listed(Drawn(6), {"mmr_lambda": 0.0}, catalogue)
    first = np.array([[catalogue.categories[item] for item in row[:4]] for row in found.items])
    assert all(len(set(row[row != ""])) == (row != "").sum() for row in first)
    unknown = bare_catalogue(catalogue.ids)
    assert_same(listed(Drawn(6), {"mmr_lambda": 0.5}, unknown), listed(Drawn(6), {}, unknown))


def test_filling_keeps_what_is_there_and_adds_what_is_not_in_order():
    own = Lists(np.array([[7, 3, -1, -1]]), np.array([[2.0, 1.0, -np.inf, -np.inf]]))
    extra = Lists(np.array([[3, 9, 7, 4, 5]]), np.array([[9.0, 8.0, 7.0, 6.0, 5.0]]))
    full = fill(own, extra)
    assert full.items.tolist() == [[7, 3, 9, 4]]
    assert full.scores.tolist() == [[2.0, 1.0, 8.0, 6.0]]


def test_lists_filled_by_the_fallback_keep_the_limit():
    catalogue, limit = shop(), 3
    diversity = make_diversity(DiversityConfig(max_per_category=limit, shortlist=10), catalogue)
    lister = Lister(Drawn(7, 0.04), "drawn", catalogue, Selection(N, reranker=diversity), Drawn(8))
    table = make_lists(lister, people([()] * N_USERS, N_ITEMS)).to_pandas()
    assert set(table.strategy) == {"drawn", "popularity"}
    assert (table.groupby("user_id").size() == N).all()
    place = {name: item for item, name in enumerate(catalogue.ids)}
    rows = [[place[name] for name in own] for _, own in table.groupby("user_id").item_id]
    assert_limit(rows, catalogue, limit)


def test_items_without_a_category_have_no_number():
    codes = category_codes(shop())
    assert ((codes == -1) == (shop().categories == "")).all()
