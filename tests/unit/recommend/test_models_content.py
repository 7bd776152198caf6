"""Content: the laws of all models, then what makes items alike."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.config.recommend.models import ContentParams
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.content import item_vectors, price_buckets
from sparkperso.testing.models import ModelTests, bare_catalogue, listed, rows_of, users_of


class ContentTests(ModelTests):
    is_collaborative = False
    serves_known_country = True
    bad_settings = (
        {"text_weight": -1},
        {"category_weight": -0.1},
        {"price_weight": -2},
        {"prior_half_life_days": 0},
    )


class TestContent(ContentTests):
    params = ContentParams()


class TestWithPrior(ContentTests):
    params = ContentParams(prior_half_life_days=30)


def catalogue(texts, categories=None, prices=None):
    nothing = [""] * len(texts)
    return Catalogue(
        np.array([str(n) for n in range(len(texts))], dtype=object),
        np.array(texts, dtype=object),
        np.array(categories or nothing, dtype=object),
        np.array(prices or [np.nan] * len(texts), dtype=float),
    )


SHOP = catalogue(
    ["red mug", "blue mug", "red scarf", "green tent", ""],
    ["k", "k", "w", "o", ""],
    [5, 6, 9, 80, 0],
)


def cosines(params, shop=SHOP):
    vectors = item_vectors(params, shop)
    return (vectors @ vectors.T).toarray()


def test_vectors_have_length_1_and_nothing_known_is_like_nothing():
    shop = catalogue(["red mug", "a b", ""], ["k", "", ""], [1, np.nan, np.nan])
    lengths = np.diag(cosines(ContentParams(), shop))
    assert lengths == pytest.approx([1, 0, 0], abs=1e-6)


def test_a_weight_of_zero_takes_its_part_out():
    by_text = cosines(ContentParams(category_weight=0, price_weight=0))
    assert by_text[0, 2] > 0
    assert by_text[0, 3] == 0
    by_category = cosines(ContentParams(text_weight=0, price_weight=0))
    assert by_category[0] == pytest.approx([1, 1, 0, 0, 0])
    nothing = ContentParams(text_weight=0, category_weight=0, price_weight=0)
    assert not cosines(nothing).any()


def test_prices_are_alike_within_a_tenth_of_the_catalogue():
    shop = catalogue([""] * 21, prices=[*range(20), np.nan])
    buckets = price_buckets(shop)
    assert buckets[:20].tolist() == [str(n // 2) for n in range(20)]
    assert buckets[20] == ""
    assert set(price_buckets(catalogue(["", ""]))) == {""}


def test_an_item_that_nobody_has_is_listed_for_who_likes_its_kind():
    users = users_of([[(0, 1, 1)], [(3, 1, 1)]], 5)
    lists = rows_of(listed(fit_model(ContentParams(), users, SHOP), users, 5))
    assert lists[0][0] == 1
    assert 2 in lists[0]
    assert 3 not in lists[0]


def test_a_user_without_history_gets_what_users_with_the_same_attributes_like():
    users = users_of([[(0, 1, 1)], [(3, 1, 1)], []], 5, [("born=1980",), ("born=1950",), ()])
    model = fit_model(ContentParams(), users, SHOP)
    young = users_of([[]], 5, [("born=1980", "country=XX")])
    assert rows_of(listed(model, young, 1)) == [[0]]


def test_a_catalogue_of_which_nothing_is_known_lists_nothing():
    users = users_of([[(0, 1, 1)]], 3)
    bare = bare_catalogue(np.array(["a", "b", "c"], dtype=object))
    assert rows_of(listed(fit_model(ContentParams(), users, bare), users, 3)) == [[]]
