"""Item-kNN: the laws of all models, then its similarities worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.models import KnnParams
from sparkperso.recommend.models import item_knn
from sparkperso.recommend.models.item_knn import nearest, weigh
from sparkperso.testing.models import ModelTests, random_users, users_of


class KnnTests(ModelTests):
    bad_settings = (
        {"similarity": "euclid"},
        {"n_neighbours": 0},
        {"k1": 0},
        {"b": 1.5},
        {"prior_half_life_days": 0},
    )


class TestCosine(KnnTests):
    params = KnnParams(similarity="cosine")


class TestTfidf(KnnTests):
    params = KnnParams(similarity="tfidf")


class TestBm25(KnnTests):
    params = KnnParams(similarity="bm25")


class TestFewNeighbours(KnnTests):
    params = KnnParams(similarity="cosine", n_neighbours=5)


class TestWithPrior(KnnTests):
    params = KnnParams(similarity="bm25", prior_half_life_days=30)


class TestWithPriorOfNothing(KnnTests):
    """The half-life is so short that old items' share of what sells now is 0."""

    params = KnnParams(similarity="cosine", prior_half_life_days=0.1)


def similarities(users, **params):
    return nearest(weigh(KnnParams(**params), users.likes), 100).toarray()


def test_cosine_is_the_share_of_common_users():
    users = users_of([[(0, 1, 1), (1, 5, 1)], [(0, 1, 1), (2, 1, 1)], [(1, 0, 1)]], 3)
    root = 1 / np.sqrt(2)
    assert similarities(users, similarity="cosine") == pytest.approx(
        np.array([[0, root, root], [root, 0, 0], [root, 0, 0]])
    )


def test_tfidf_is_the_cosine_of_columns_where_nothing_is_too_common():
    # A weight per column goes away when columns are brought to length 1.
    users = random_users()
    cosine, tfidf = (similarities(users, similarity=s) for s in ("cosine", "tfidf"))
    assert tfidf == pytest.approx(cosine, abs=1e-6)


def test_bm25_is_the_formula_of_robertson_and_zaragoza():
    users, k1, b = random_users(), 1.7, 0.3
    likes = users.likes.toarray().astype(float)
    idf = np.maximum(np.log(len(users) / (1 + likes.sum(axis=0))), 0)
    length = likes.sum(axis=1) / likes.sum(axis=1).mean()
    tf = likes * (k1 + 1) / (likes + k1 * (1 - b + b * length)[:, None])
    expected = (tf * idf).T @ (tf * idf)
    np.fill_diagonal(expected, 0)
    found = similarities(users, similarity="bm25", k1=k1, b=b)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_only_the_nearest_are_kept_and_equal_ones_by_position():
    users = users_of([[(n, 1, 1) for n in range(4)]] * 2 + [[(0, 1, 1), (3, 1, 1)]], 4)
    kept = nearest(weigh(KnnParams(similarity="cosine"), users.likes), 1)
    assert kept.indices.tolist() == [3, 2, 1, 0]


def test_the_nearest_are_the_largest_and_of_equal_ones_the_first(monkeypatch):
    rng = np.random.default_rng(3)
    likes = csr_matrix((rng.random((30, 20)) < 0.3).astype(np.float32))
    similar = (likes.T @ likes).toarray()
    np.fill_diagonal(similar, 0)
    order = np.lexsort((np.tile(np.arange(20), (20, 1)), -similar), axis=1)
    expected = np.zeros_like(similar)
    for item in range(20):
        kept = order[item][:4]
        expected[item, kept] = similar[item, kept]
    assert len(np.unique(similar)) < 10
    assert np.array_equal(nearest(likes, 4).toarray(), expected)
    monkeypatch.setattr(item_knn, "CELLS", 60)
    assert np.array_equal(nearest(likes, 4).toarray(), expected)
