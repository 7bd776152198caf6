"""Hybrid: the laws of all models, then that it is the weighted sum of its parts."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.config.recommend.models import (
    AlsParams,
    ContentParams,
    EaseParams,
    HybridParams,
    KnnParams,
    PopularityParams,
)
from sparkperso.recommend.arrays.histories import BUCKETS
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.hybrid import spreads
from sparkperso.testing.models import (
    ModelTests,
    coloured_catalogue,
    random_users,
    same_bits,
    with_cold_users,
)

ALS = AlsParams(rank=2, reg_param=0.01, alpha=5, max_iter=8)
EASE = EaseParams(reg_param=2.0)


def blend(parts, cold, warm):
    return HybridParams(
        parts=tuple(parts), weights={bucket: warm if bucket != "0" else cold for bucket in BUCKETS}
    )


class TestCollaborative(ModelTests):
    params = blend([EASE, ALS, PopularityParams()], (0, 0, 1), (0.6, 0.3, 0.1))
    serves_known_country = serves_unknown_users = True
    bad_settings = ({"parts": (EASE,)},)


class TestPersonalOnly(ModelTests):
    params = blend([KnnParams(prior_half_life_days=30), ALS], (1, 0), (0.5, 0.5))
    bad_settings = ({"parts": (EASE,)},)


class TestWithContent(ModelTests):
    params = blend([EASE, ContentParams()], (0, 1), (0.8, 0.2))
    is_collaborative = False
    serves_known_country = True
    bad_settings = ({"parts": (EASE,)},)


def fitted(params):
    users = with_cold_users(random_users())
    return users, fit_model(params, random_users(), coloured_catalogue(users.n_items))


def test_the_score_is_the_sum_of_weighted_parts_over_their_spreads():
    params = blend([EASE, KnnParams(), PopularityParams()], (0, 0, 1), (0.5, 0.2, 0.3))
    users, model = fitted(params)
    expected = np.zeros((len(users), users.n_items))
    for place, part in enumerate(model.parts):
        scores = part.scores(users).astype(float)
        known = np.where(np.isfinite(scores), scores, 0)
        spread = np.array([np.std([*row[np.isfinite(row)]] or [0]) for row in scores])
        weights = np.where(users.lengths == 0, *([w[place] for w in ((0, 0, 1), (0.5, 0.2, 0.3))]))
        expected += weights[:, None] * known / np.where(spread > 0, spread, 1)[:, None]
    found = model.scores(users)
    assert np.where(np.isfinite(found), found, 0) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_blend_with_all_weight_on_one_part_lists_what_that_part_lists():
    users, model = fitted(blend([EASE, PopularityParams()], (1, 0), (1, 0)))
    part = model.parts[0].scores(users)
    scaled = part / spreads(part).astype(np.float32)[:, None]
    finite = np.isfinite(part)
    assert np.array_equal(np.isfinite(model.scores(users)), finite)
    assert model.scores(users)[finite] == pytest.approx(scaled[finite], rel=1e-5)


def test_the_weights_of_a_bucket_touch_no_other():
    parts = [EASE, PopularityParams()]
    even = dict.fromkeys(BUCKETS, (0.5, 0.5))
    users, model = fitted(HybridParams(parts=parts, weights=even))
    _, other = fitted(HybridParams(parts=parts, weights={**even, "1-4": (0.1, 0.9)}))
    touched = users.buckets == 1
    assert touched.any()
    assert not touched.all()
    before, after = model.scores(users), other.scores(users)
    same_bits(before[~touched], after[~touched])
    assert not np.array_equal(before[touched], after[touched])


def test_spread_is_that_of_what_the_model_says():
    nothing = -np.inf
    scores = np.array([[1.0, 3.0, nothing, nothing], [2, 2, 2, 2], [nothing] * 4], np.float32)
    assert spreads(scores) == pytest.approx([1, 1, 1])
    assert spreads(np.array([[1.0, 5.0, nothing, 3.0]])) == pytest.approx([np.std([1, 5, 3])])
    # What more a model is silent about changes nothing.
    silent = np.full((3, 90), nothing, np.float32)
    assert spreads(np.hstack([scores * 7, silent])) == pytest.approx(spreads(scores * 7))


def test_scores_that_differ_by_rounding_do_not_differ():
    close = np.float32(2.0) * (1 + np.array([[0, 2e-7, -1e-7]]))
    assert spreads(close.astype(np.float32)).tolist() == [1.0]


def test_what_comes_of_popularity_is_named_by_its_scope():
    params = blend([EASE, PopularityParams(scope="country")], (0, 1), (0.5, 0.5))
    users, model = fitted(params)
    explain = model.explainer(users)
    cold = [n for n, own in enumerate(users.attributes) if users.lengths[n] == 0]
    names = {users.attributes[n]: set(explain(n, np.arange(3)).named) for n in cold}
    assert names[("country=FR",)] == {"popular:country:FR"}
    assert names[()] == {"popular:global"}
    alone = fitted(ContentParams())[1].explainer(users)(cold[0], np.arange(3))
    assert set(alone.named) == {"profile"}
