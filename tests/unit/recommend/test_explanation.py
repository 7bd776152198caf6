"""Why an item is listed: parts and reasons add up, places and obstacles are those of the lists."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from tests.champion import CATALOGUE, DOCUMENT, USERS, fitted

from sparkperso.config.recommend.models import EaseParams
from sparkperso.core.errors import UsageError
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.registered.recommender import Recommender, arrays_of


class Known:
    """All users of the shop, with their countries."""

    def histories(self, user_ids):
        places = {user: place for place, user in enumerate(USERS.ids)}
        return USERS.take(np.array([places[user] for user in user_ids]))


def recommender(lists=None, catalogue=CATALOGUE, params=None):
    document = copy.deepcopy(DOCUMENT)
    document["config"]["lists"] |= lists or {}
    model, fallback = fitted()
    if params is not None:
        model = fit_model(params, USERS, CATALOGUE)
        document |= {"params": params.model_dump(mode="json"), "strategy": params.model}
    return Recommender(document, arrays_of(model, fallback), catalogue, Known())


@pytest.mark.parametrize("params", [None, EaseParams(reg_param=2, prior_half_life_days=30)])
def test_parts_and_reasons_each_add_up_to_the_score_and_ranks_are_those_of_the_list(params):
    champion = recommender(params=params)
    for user in USERS.ids[:12]:
        listed = {place.item_id: place for place in champion.recommend(user)}
        scores = champion.score(user, list(CATALOGUE.ids))
        for item, score in zip(CATALOGUE.ids, scores, strict=True):
            why = champion.explain(user, item)
            place = listed.get(item)
            assert why.rank == (place and place.rank)
            assert bool(why.obstacles) == (place is None)
            if place:
                assert why.strategy == place.strategy
                assert why.score == pytest.approx(place.score, abs=1e-6)
            value = place.score if place else score
            if np.isfinite(value):
                close = {"rel": 1e-4, "abs": 1e-4}
                assert why.score == pytest.approx(value, **close)
                assert sum(part.added for part in why.parts) == pytest.approx(value, **close)
                reasons = sum(why.others.values()) + sum(one.added for one in why.history)
                assert reasons == pytest.approx(value, **close)
                assert item in str(why)
            else:
                assert why.score is None
                assert not why.history


def test_an_item_is_kept_from_a_list_for_the_reason_that_is_named():
    user = USERS.ids[0]
    (had, *_) = CATALOGUE.ids[USERS.pairs[0].indices]
    blocked, foreign, adult = (place.item_id for place in recommender().recommend(user, n=3))
    attributes = [{} for _ in CATALOGUE.ids]
    ids = list(CATALOGUE.ids)
    attributes[ids.index(foreign)] = {"sold_in": "DE"}
    attributes[ids.index(adult)] = {"min_age": "18"}
    parts = (CATALOGUE.ids, CATALOGUE.texts, CATALOGUE.categories, CATALOGUE.prices)
    rules = {"blocked_items": [blocked], "countries": "sold_in", "min_age": "min_age"}
    champion = recommender({"eligibility": rules}, Catalogue(*parts, tuple(attributes)))
    says = {had: "has it already", blocked: "blocked", foreign: "country", adult: "age limit"}
    for item, reason in says.items():
        (why,) = champion.explain(user, item).obstacles
        assert reason in why
    short = recommender({"n_items": 1})
    second = recommender().recommend(user, n=2)[1].item_id
    assert short.explain(user, second).obstacles == (
        "1 items have a larger score, and a list has 1 places",
    )


def test_an_unknown_item_is_refused():
    with pytest.raises(UsageError, match="brand new"):
        recommender().explain(USERS.ids[0], "brand new")
