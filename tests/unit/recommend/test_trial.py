"""One candidate on one fold: what is judged, when a fit stops, and what ratings are predicted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyspark
import pytest
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.criterion import Criterion
from sparkperso.config.recommend.models import (
    AlsParams,
    EaseParams,
    ExplicitParams,
    GraphFilterParams,
    KnnParams,
    PopularityParams,
    SparseEaseParams,
)
from sparkperso.core.errors import JobError
from sparkperso.recommend.fit import shared_fits as shared_module
from sparkperso.recommend.fit import trial as trial_module
from sparkperso.recommend.fit.explicit_als import try_rating
from sparkperso.recommend.fit.shared_fits import shared_fit
from sparkperso.recommend.fit.trial import (
    EarlyStopping,
    FoldInMemory,
    fit_groups,
    try_candidate,
    try_candidates,
)
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.base import FitSetting
from sparkperso.recommend.models.ease import closed_form
from sparkperso.recommend.models.item_knn import nearest
from sparkperso.recommend.models.recency_prior import without_prior
from sparkperso.recommend.scoring.ranking_blocks import GroundTruth
from sparkperso.testing.models import (
    N_ITEMS,
    SIDE,
    checkerboard,
    coloured_catalogue,
    left_out,
    random_users,
    same_bits,
)

BOARD = checkerboard()
TIMES = ("fit_seconds", "score_seconds", "peak_rss_mb")


def board_exam(k=3):
    right = np.zeros((SIDE, SIDE), dtype=np.float32)
    right[range(SIDE), [left_out(u) for u in range(SIDE)]] = 1
    answers = GroundTruth(csr_matrix(right), np.ones(SIDE, dtype=np.int64))
    return FoldInMemory(BOARD, answers, np.ones(SIDE, dtype=bool), Criterion(k))


def tried(params, patience=None):
    catalogue = coloured_catalogue(SIDE)
    return try_candidate(params, board_exam(), catalogue, FitSetting(), patience)


def test_who_knows_all_answers_is_told_so():
    found = tried(EaseParams(reg_param=2.0))
    assert found["ndcg_at_3"] == found["recall_at_3"] == found["hit_rate_at_3"] == 1
    assert found["precision_at_3"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["coverage_at_3"] == 1
    assert found["n_judged"] == SIDE
    assert found["curve"] == {}
    assert found["iterations"] is None
    assert all(found[name] > 0 for name in TIMES)
    assert tried(PopularityParams())["ndcg_at_3"] < 1


def test_a_user_is_not_judged_without_right_answers_and_learns_all_the_same():
    whole = board_exam()
    half = GroundTruth(whole.truth.items, np.where(np.arange(SIDE) < 6, 1, 0))
    prepared = FoldInMemory(BOARD, half, whole.allowed, Criterion(3))
    judged = try_candidate(
        EaseParams(reg_param=2.0), prepared, coloured_catalogue(SIDE), FitSetting(), None
    )
    assert judged["n_judged"] == 6
    assert judged["ndcg_at_3"] == 1
    assert len(prepared.training) == SIDE


class Scripted:
    """An exam that finds, look after look, these figures."""

    n_items, criterion = 3, Criterion(3)

    def __init__(self, figures):
        self.figures = iter(figures)

    def judge(self, model):
        value = next(self.figures)
        return type("Found", (), {"means": lambda self, k, n: {"ndcg_at_3": value}})()


def looked(figures, patience, last):
    watch = EarlyStopping(Scripted(figures), patience, last)
    for iteration in range(1, last + 1):
        if not watch(iteration, None):
            return watch, iteration
    return watch, last


@pytest.mark.parametrize(
    ("figures", "patience", "stopped", "best"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], 1, 10, 10),
        ([0.5, 0.4, 0.3, 0.2, 0.1], 1, 4, 2),
        ([0.5, 0.4, 0.6, 0.2, 0.1], 2, 10, 6),
        ([0.5, 0.4, 0.4, 0.9, 0.1], 2, 6, 2),
        ([0.5, 0.5, 0.5, 0.5, 0.5], 3, 8, 2),
    ],
)
def test_a_fit_stops_after_patience_and_the_best_iteration_is_known(
    figures, patience, stopped, best
):
    watch, iteration = looked(figures, patience, 10)
    assert (iteration, watch.best.iteration) == (stopped, best)


@pytest.mark.parametrize("last", [1, 3])
def test_the_last_iteration_is_looked_at_whatever_its_number(last):
    watch, _ = looked([0.1, 0.2][: (last + 1) // 2], 1, last)
    assert watch.best.iteration == last


def test_a_watch_that_never_looked_knows_nothing():
    assert EarlyStopping(board_exam(), 1, 10).best is None


def test_patience_ends_a_fit_that_has_found_everything():
    params = AlsParams(rank=2, reg_param=0.01, alpha=5, max_iter=40)
    patient, stubborn = tried(params, patience=1), tried(params)
    assert patient["iterations"] == min(n for n, v in patient["curve"].items() if v == 1)
    assert max(patient["curve"]) == patient["iterations"] + 2 < 40
    assert patient["ndcg_at_3"] == stubborn["ndcg_at_3"] == 1
    assert stubborn["curve"] == {}


def test_all_figures_of_a_fit_that_was_stopped_are_of_its_best_look():
    rng = np.random.default_rng(5)
    users = random_users(5, 60)
    right = csr_matrix((rng.random((60, users.n_items)) < 0.2).astype(np.float32))
    answers = GroundTruth(right, np.diff(right.indptr).astype(np.int64))
    prepared = FoldInMemory(users, answers, np.ones(users.n_items, dtype=bool), Criterion(3))
    params, shop = AlsParams(rank=8, reg_param=0.01, max_iter=40), coloured_catalogue(users.n_items)
    stopped = try_candidate(params, prepared, shop, FitSetting(), 1)
    best = params.model_copy(update={"max_iter": stopped["iterations"]})
    alone = try_candidate(best, prepared, shop, FitSetting(), None)
    assert max(stopped["curve"]) > stopped["iterations"]
    figures = set(alone) - {*TIMES, "curve", "iterations"}
    assert {name: stopped[name] for name in figures} == {name: alone[name] for name in figures}
    assert {"map_at_3", "coverage_at_3", "train_ndcg_at_3"} <= figures


def movielens():
    """Spark's own sample: 1,501 ratings by 30 users of 100 items."""
    path = Path(pyspark.__file__).parent / "data/mllib/als/sample_movielens_ratings.txt"
    rows = [line.split("::")[:3] for line in path.read_text().split()]
    return np.array(rows, dtype=float)


def ratings(rows):
    places = (rows[:, 0].astype(int), rows[:, 1].astype(int))
    return csr_matrix((rows[:, 2].astype(np.float32), places), shape=(30, 100))


def test_ratings_are_predicted_better_than_by_their_mean():
    rows = movielens()
    held_out = np.arange(len(rows)) % 5 == 0
    params = ExplicitParams(rank=8, reg_param=0.2, max_iter=5)
    found = try_rating(params, ratings(rows[~held_out]), ratings(rows[held_out]), 42)
    of_mean = np.sqrt(np.mean((rows[held_out, 2] - rows[~held_out, 2].mean()) ** 2))
    assert found["rmse"] < 0.95 * of_mean
    assert found["mae"] <= found["rmse"]
    assert found["dropped_share"] < 0.05
    again = try_rating(params, ratings(rows[~held_out]), ratings(rows[held_out]), 42)
    assert again["rmse"] == found["rmse"]


def test_cold_users_and_items_are_dropped_and_counted():
    train = csr_matrix(np.array([[5, 1, 0], [4, 0, 0], [0, 0, 0]], dtype=np.float32))
    asked = csr_matrix(np.array([[0, 0, 3], [0, 2, 0], [4, 0, 0]], dtype=np.float32))
    found = try_rating(ExplicitParams(rank=2), train, asked, 42)
    assert found["dropped_share"] == pytest.approx(2 / 3, abs=1e-6)
    assert math.isfinite(found["rmse"])
    cold = try_rating(ExplicitParams(rank=2), train, csr_matrix((3, 3), dtype=np.float32), 42)
    assert math.isnan(cold["rmse"])
    assert cold["dropped_share"] == 0


def test_candidates_that_differ_in_the_prior_alone_share_one_fit(monkeypatch):
    fits = []

    def counted(params, *parts):
        fits.append(params)
        return fit_model(params, *parts)

    monkeypatch.setattr(shared_module, "fit_model", counted)
    catalogue, halves = coloured_catalogue(SIDE), [None, 7.0, 30.0]
    candidates = [EaseParams(reg_param=2, prior_half_life_days=half) for half in halves]
    found = try_candidates(candidates, board_exam(), catalogue, FitSetting(), None)
    assert fits == [candidates[0]]
    for params, shared in zip(candidates, found, strict=True):
        alone = try_candidate(params, board_exam(), catalogue, FitSetting(), None)
        assert {k: v for k, v in shared.items() if k not in TIMES} == {
            k: v for k, v in alone.items() if k not in TIMES
        }


def test_a_group_is_what_one_fit_serves():
    candidates = [
        PopularityParams(window_days=7),
        PopularityParams(window_days=14),
        EaseParams(reg_param=2),
        AlsParams(rank=4, prior_half_life_days=7),
        EaseParams(reg_param=3, prior_half_life_days=7),
        EaseParams(reg_param=2, prior_half_life_days=7),
        AlsParams(rank=4),
    ]
    # EASE of any regularisation shares its Gram matrix.
    assert fit_groups(candidates, None) == [[0], [1], [2, 4, 5], [3, 6]]
    # An iterative fit that is watched stops by figures of its own.
    assert fit_groups(candidates, 1) == [[0], [1], [2, 4, 5], [3], [6]]


FAMILIES = (
    [EaseParams(reg_param=p, prior_half_life_days=h) for p in (2, 9) for h in (None, 7)],
    [KnnParams(n_neighbours=n) for n in (3, 1, 40)],
    [
        GraphFilterParams(rank=2, n_neighbours=3, power=0.7),
        GraphFilterParams(rank=3, n_neighbours=40, prior_half_life_days=7),
        GraphFilterParams(rank=1, n_neighbours=2, low_pass=0),
    ],
    [SparseEaseParams(reg_param=p, n_neighbours=n) for p, n in ((2, 3), (9, 3), (2, 5))],
)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[0].model)
def test_what_a_family_shares_gives_the_models_that_each_would_be_alone(family):
    users, catalogue = random_users(n_users=60).training, coloured_catalogue(N_ITEMS)
    assert fit_groups(family, None) == [list(range(len(family)))]
    fit = shared_fit(family, users, catalogue, FitSetting())
    for params in family:
        alone = fit_model(without_prior(params), users, catalogue).scores(users)
        together = fit(params).scores(users)
        if params.model == "graph_filter":
            # Of more singular vectors the first are the same up to rounding.
            assert np.array_equal(np.isfinite(together), np.isfinite(alone))
            known = np.isfinite(alone)
            assert together[known] == pytest.approx(alone[known], abs=1e-4)
        else:
            same_bits(together, alone)


def test_models_that_differ_in_what_is_shared_are_no_family():
    pairs = (
        (KnnParams(similarity="cosine"), KnnParams(similarity="bm25")),
        (KnnParams(k1=1), KnnParams(k1=2)),
        (GraphFilterParams(user_exponent=0.5), GraphFilterParams(user_exponent=0.4)),
        (AlsParams(rank=4), AlsParams(rank=5)),
        (PopularityParams(), PopularityParams(window_days=3)),
    )
    for pair in pairs:
        assert fit_groups(pair, None) == [[0], [1]]


def test_a_family_works_out_once_what_it_shares(monkeypatch):
    asked = []

    def counted(likes, n):
        asked.append(n)
        return nearest(likes, n)

    monkeypatch.setattr(shared_module.item_knn, "nearest", counted)
    for family in FAMILIES[1:]:
        try_candidates(family, board_exam(), coloured_catalogue(SIDE), FitSetting(), None)
    assert asked == [40, 40]


def test_one_of_a_family_that_cannot_be_fitted_leaves_the_others(monkeypatch):
    def fail(gram, reg_param):
        if reg_param == 9:
            raise JobError("it should be definite", "It is not")
        return closed_form(gram, reg_param)

    monkeypatch.setattr(shared_module.ease, "closed_form", fail)
    catalogue = coloured_catalogue(SIDE)
    found = try_candidates(FAMILIES[0], board_exam(), catalogue, FitSetting(), None)
    assert [one.get("failure") for one in found] == [
        *[None] * 2,
        *["it should be definite; It is not"] * 2,
    ]


def test_one_of_a_group_that_cannot_be_judged_leaves_the_others(monkeypatch):
    def fail(inner, users, half_life_days):
        if half_life_days == 7.0:
            raise MemoryError
        return inner

    monkeypatch.setattr(trial_module, "with_prior", fail)
    candidates = [EaseParams(reg_param=2, prior_half_life_days=half) for half in (None, 7.0)]
    found = try_candidates(candidates, board_exam(), coloured_catalogue(SIDE), FitSetting(), None)
    assert "failure" not in found[0]
    assert found[1] == {"failure": "MemoryError"}
