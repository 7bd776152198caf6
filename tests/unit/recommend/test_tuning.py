"""The best of each model: chosen among candidates that were tried on all folds."""

from __future__ import annotations

from sparkperso.config.recommend.models import EaseParams, PopularityParams, parse_params
from sparkperso.config.recommend.section import HybridConfig
from sparkperso.recommend.tune.trial_result import TrialResult
from sparkperso.recommend.tune.tuning import TuningResult, best_by_model, parts_to_blend

METRIC = "ndcg_at_10"


def tried(name, params, *values, **more):
    return TrialResult(name, params, tuple({METRIC: value} for value in values), **more)


def test_who_was_given_up_on_a_rung_stands_for_no_model():
    plain = tried("popularity_1", PopularityParams(), 0.3, 0.1)
    # The better of the two cannot be fitted on the second fold; the other was given up by then.
    easy = tried("ease_2", EaseParams(reg_param=9), rungs=({METRIC: 0.9},), is_dropped=True)
    broken = tried("ease_3", EaseParams(), failure="singular (on fold_2)")
    best = best_by_model([plain, easy, broken], METRIC)
    assert best == {"popularity": plain}
    assert TuningResult((plain, easy, broken), best).ranked(METRIC) == [plain]


def test_of_a_model_the_largest_mean_of_those_tried_on_all_folds_is_chosen():
    plain = tried("popularity_1", PopularityParams(), 0.1, 0.1)
    good = tried("ease_2", EaseParams(reg_param=9), 0.2, 0.4)
    worse = tried("ease_3", EaseParams(), 0.3, 0.2)
    lucky = tried("ease_4", EaseParams(reg_param=7), rungs=({METRIC: 0.9},), is_dropped=True)
    assert best_by_model([plain, worse, lucky, good], METRIC) == {"popularity": plain, "ease": good}


def test_of_models_that_learn_alike_the_best_alone_is_blended():
    names = ("graph_filter", "ease", "item_knn", "content", "popularity")
    ranked = [parse_params({"model": name}) for name in names]
    config = HybridConfig(max_parts=3)
    assert parts_to_blend(ranked, config) == [ranked[0], ranked[1], ranked[3]]
    assert parts_to_blend(ranked[2:], config) == ranked[2:]
    every = config.model_copy(update={"one_of": ()})
    assert parts_to_blend(ranked, every) == ranked[:3]
