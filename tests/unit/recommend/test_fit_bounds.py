"""What is too large, odd or long to fit: said beforehand, left out by name, or cut short."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.criterion import Criterion
from sparkperso.config.recommend.models import (
    AlsParams,
    ContentParams,
    EaseParams,
    GraphFilterParams,
    KnnParams,
    PopularityParams,
)
from sparkperso.recommend.fit.fit_failures import obstacle
from sparkperso.recommend.fit.shared_fits import shared_fit
from sparkperso.recommend.fit.trial import FoldInMemory, fit_groups, try_candidates
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.base import FitSetting
from sparkperso.recommend.scoring.ranking_blocks import GroundTruth
from sparkperso.testing.models import N_ITEMS, coloured_catalogue, random_users, same_bits, users_of

MODELS = (
    PopularityParams(),
    PopularityParams(window_days=7),
    KnnParams(),
    KnnParams(n_neighbours=2),
    EaseParams(prior_half_life_days=7),
    EaseParams(reg_param=5.0),
    GraphFilterParams(),
    GraphFilterParams(rank=2, prior_half_life_days=7),
    AlsParams(rank=4, max_iter=2),
    ContentParams(),
)


def fold(rows, answers, n_items):
    right = np.zeros((len(rows), n_items), dtype=np.float32)
    for row, item in enumerate(answers):
        right[row, item] = 1
    truth = GroundTruth(csr_matrix(right), right.sum(axis=1).astype(np.int64))
    users = users_of(rows, n_items)
    return FoldInMemory(users, truth, np.ones(n_items, dtype=bool), Criterion(3))


def tried(prepared, n_items):
    documents = {}
    for places in fit_groups(MODELS, None):
        group = [MODELS[place] for place in places]
        found = try_candidates(group, prepared, coloured_catalogue(n_items), FitSetting(), None)
        documents |= dict(zip(places, found, strict=True))
    assert sorted(documents) == list(range(len(MODELS)))
    return documents


def test_a_catalogue_of_one_item_is_no_error():
    rows = [[(0, 1.0, float(age))] for age in range(12)]
    for document in tried(fold([*rows, []], [0] * 13, 1), 1).values():
        assert "failure" not in document
        assert 0 <= document["ndcg_at_3"] <= 1


def test_an_item_in_every_basket_is_no_error_and_hides_no_other():
    # Two kinds of users beside the item of all: who has 1 has 2 and 3, who has 4 has 5 and 6.
    rows, answers = [], []
    for user in range(30):
        kind = 1 + 3 * (user % 2)
        kept = [kind + n for n in range(3) if n != user % 3]
        rows.append([(0, 1.0, 1.0), *((item, 1.0, 2.0) for item in kept)])
        answers.append(kind + user % 3)
    documents = tried(fold(rows, answers, 7), 7)
    for place, document in documents.items():
        assert "failure" not in document
        if MODELS[place].model in ("item_knn", "ease", "graph_filter"):
            assert document["ndcg_at_3"] > 0.9, MODELS[place]


def test_what_is_too_large_is_known_from_the_sizes_alone():
    huge = {"n_items": 200_000, "max_item_pairs": 10_000, "is_whole": True}
    assert "200,000 items" in obstacle(EaseParams(), **huge)
    why = obstacle(GraphFilterParams(), **huge)
    assert "1,000 neighbours and 256 signals each are 1.9 GB, more than 1.1 GB" in why
    assert obstacle(GraphFilterParams(n_neighbours=200, rank=64), **huge) is None
    assert obstacle(KnnParams(), **huge) is None
    assert "2,000 neighbours each" in obstacle(KnnParams(n_neighbours=2000), **huge)
    # Whoever has the memory says so.
    assert obstacle(GraphFilterParams(), 200_000, 14_000, is_whole=True) is None
    # Where the catalogue is small, no model has more neighbours than items.
    assert obstacle(KnnParams(n_neighbours=10**6), 3_000, 10, is_whole=True) is None


@pytest.mark.parametrize("params", MODELS, ids=str)
def test_models_learn_from_the_latest_items_of_a_user_alone(params):
    users, catalogue = random_users(), coloured_catalogue(N_ITEMS)
    setting = FitSetting(max_user_items=3)
    expected = fit_model(params, users.latest(3), catalogue).scores(users)
    same_bits(fit_model(params, users, catalogue, setting).scores(users), expected)
    if getattr(params, "window_days", None) is None:
        plain = fit_model(params, users, catalogue).scores(users)
        assert not np.array_equal(plain, expected)


def test_what_models_share_is_of_the_latest_items_too():
    users, catalogue = random_users(), coloured_catalogue(N_ITEMS)
    family = [KnnParams(n_neighbours=3), KnnParams(n_neighbours=9)]
    fit = shared_fit(family, users, catalogue, FitSetting(max_user_items=3))
    expected = fit_model(family[0], users.latest(3), catalogue).scores(users)
    same_bits(fit(family[0]).scores(users), expected)
