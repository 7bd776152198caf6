"""Names and settings of the runs of a search."""

from __future__ import annotations

from sparkperso.config.recommend.models import AlsParams, EaseParams, HybridParams, PopularityParams
from sparkperso.platform.run_recorder import NullRecorder
from sparkperso.recommend.tune.run_names import log_settings, run_names
from sparkperso.recommend.tune.search_space import grid
from sparkperso.recommend.tune.trial_result import TrialResult, log_figures, span_of

BLEND = HybridParams(
    parts=(AlsParams(rank=4), EaseParams()),
    weights=dict.fromkeys(("0", "1-4", "5-19", "20+"), (0.6, 0.4)),
)


class Kept(NullRecorder):
    """Keeps what it is told."""

    def __init__(self):
        self.params, self.documents, self.metrics = {}, {}, []

    def log_params(self, params):
        self.params |= params

    def log_dict(self, content, name):
        self.documents[name] = content

    def log_metrics(self, metrics, step=0):
        self.metrics.append((step, metrics))


def test_candidates_are_named_by_what_the_others_of_their_model_differ_in():
    candidates = [
        PopularityParams(),
        PopularityParams(window_days=7),
        AlsParams(rank=16, alpha=5.0),
        AlsParams(rank=64, alpha=5.0, reg_param=0.3, prior_half_life_days=7.0),
        EaseParams(),
    ]
    assert run_names(candidates) == [
        "popularity",
        "popularity window=7d",
        "als rank=16 λ=0.1",
        "als prior=7d rank=64 λ=0.3",
        "ease",
    ]
    assert run_names([BLEND]) == ["hybrid of als_implicit, ease"]


def test_no_two_candidates_of_a_search_have_one_name():
    space = [
        {"model": "ease", "reg_param": [500, 1000], "prior_half_life_days": [None, 7, 14]},
        {"model": "als_implicit", "rank": [16, 64], "values": ["binary", "strength"]},
    ]
    candidates = grid(space)
    assert len(set(run_names(candidates))) == len(candidates)


def test_single_values_are_parameters_and_what_is_nested_is_a_document():
    run = Kept()
    log_settings(run, "hybrid", BLEND)
    assert run.params == {"strategy": "hybrid", "model": "hybrid"}
    document = run.documents["settings.json"]
    assert [part["model"] for part in document["parts"]] == ["als_implicit", "ease"]
    assert document["weights"]["20+"] == [0.6, 0.4]
    run = Kept()
    log_settings(run, "ease", EaseParams(reg_param=7))
    assert (run.params["reg_param"], run.documents) == (7.0, {})


def test_a_mean_has_the_name_of_its_metric_and_folds_are_its_steps():
    run = Kept()
    log_figures(run, TrialResult("ease_1", EaseParams(), ({"map": 0.25}, {"map": 0.75})))
    assert run.metrics == [
        (0, {"map": 0.5}),
        (1, {"map_by_fold": 0.25}),
        (2, {"map_by_fold": 0.75}),
    ]


def test_a_candidate_took_from_its_first_trial_to_its_last():
    trials = [{"began": 3.0, "ended": 5.0}, {"began": 1.0, "ended": 4.0}]
    assert span_of(trials) == (1.0, 5.0)
    assert span_of([]) is None
