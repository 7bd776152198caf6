"""Search and lists on Spark: the figures of a fold and the lists of a user are always the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from sparkperso.config.recommend.criterion import Criterion
from sparkperso.config.recommend.data_size import DataSize
from sparkperso.config.recommend.models import (
    AlsParams,
    ContentParams,
    EaseParams,
    ExplicitParams,
    GraphFilterParams,
    HybridParams,
    KnnParams,
    PopularityParams,
    SparseEaseParams,
)
from sparkperso.config.recommend.section import (
    BootstrapConfig,
    HybridConfig,
    InteractionsConfig,
    RecommendConfig,
    RungConfig,
    SearchConfig,
    SplitConfig,
)
from sparkperso.core.errors import JobError
from sparkperso.core.reporting import no_count
from sparkperso.evaluate.bootstrap import bootstrap_interval
from sparkperso.evaluate.ranking import mean_metrics, ndcg_at_k, user_metrics
from sparkperso.platform.frames import Keeper
from sparkperso.platform.run_recorder import NullRecorder
from sparkperso.recommend.arrays.histories import BUCKETS, read_histories
from sparkperso.recommend.data.folds import make_cuts, make_folds
from sparkperso.recommend.data.prepared_fold import prepare_fold
from sparkperso.recommend.data.user_histories import (
    UserAttributes,
    attributes_at_times,
    latest_items,
    profile_frame,
)
from sparkperso.recommend.fit import trial as trial_module
from sparkperso.recommend.fit.distributed_fit import DistributedFit
from sparkperso.recommend.fit.distributed_trial import judge_in_frames, try_in_frames
from sparkperso.recommend.fit.driver_folds import read_folds
from sparkperso.recommend.fit.fit_strategy import Engine, Fitter, choose_engine
from sparkperso.recommend.fit.mllib import MllibSetting, fit_mllib
from sparkperso.recommend.fit.task_runner import (
    chunks_for,
    fit_here,
    fit_in_tasks,
    idle_threads,
)
from sparkperso.recommend.fit.trial import Broadcasts, read_fold, trial_work
from sparkperso.recommend.holdout import by_bucket, compare, judged_frame
from sparkperso.recommend.lists.batch_scoring import list_frame
from sparkperso.recommend.lists.recommendation_rows import build_lists
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.base import FitSetting
from sparkperso.recommend.models.recency_prior import recency_prior
from sparkperso.recommend.scoring.lister import Lister, list_table
from sparkperso.recommend.scoring.top_n import Selection, best_items
from sparkperso.recommend.tune import search as search_module
from sparkperso.recommend.tune.blend import learn_blend
from sparkperso.recommend.tune.search import Search, SearchPlan
from sparkperso.recommend.tune.trial_result import best_of
from sparkperso.recommend.tune.tuning import TuningContext, best_by_model, tune
from sparkperso.testing.frames import events_frame, table_frame
from sparkperso.testing.models import (
    N_ITEMS,
    SIDE,
    checkerboard,
    coloured_catalogue,
    left_out,
    random_users,
    same_bits,
    users_of,
    with_cold_users,
    without_refunds,
)
from sparkperso.users.persons import Persons

START = datetime(2026, 1, 1)
AS_OF = START + timedelta(days=100)
K, ITEMS = 4, 20
CRITERION = Criterion(K)
CONFIG = InteractionsConfig(weights={"purchase": 1.0, "refund": -1.0})
TIMES = ("fit_seconds", "score_seconds", "peak_rss_mb")
CATALOGUE = coloured_catalogue(ITEMS)
SETTING = FitSetting()
SIZE = DataSize(n_users=24, n_items=ITEMS, n_pairs=400)
BLEND = HybridConfig(steps=4, min_bucket_users=1)
CANDIDATES = (
    PopularityParams(),
    EaseParams(reg_param=2.0),
    KnnParams(prior_half_life_days=20),
    AlsParams(rank=2, reg_param=0.01, alpha=5, max_iter=3),
)


def purchases(n=400, seed=3):
    """Users who mostly buy items of one colour; some of it goes back."""
    rng = np.random.default_rng(seed)
    for hour in range(n):
        user = int(rng.integers(24))
        item = 2 * int(rng.integers(ITEMS // 2)) + (user + (rng.random() < 0.1)) % 2
        yield {
            "user_id": f"u{user:02d}",
            "item_id": f"i{int(item):02d}",
            "event_type": "refund" if rng.random() < 0.1 else "purchase",
            "country": "GB" if user % 2 else "FR",
            "timestamp": START + timedelta(hours=6 * hour),
        }


@pytest.fixture(scope="module")
def events(spark):
    return events_frame(spark, purchases()).cache()


@pytest.fixture(scope="module")
def item_index(spark):
    rows = [{"item_id": item, "item_index": n} for n, item in enumerate(CATALOGUE.ids)]
    return table_frame(spark, "gold/item_index", rows).cache()


@pytest.fixture(scope="module")
def prepared_folds(events, item_index):
    split = SplitConfig(test_from=0.8, fold_ends=(0.5, 0.65))
    with Keeper():
        folds, _ = make_folds(events, CONFIG, split, AS_OF)
        yield [
            prepare_fold(f, CRITERION, CATALOGUE, item_index, UserAttributes(Persons(events)))
            for f in folds
        ]


def fitter(engine="kernel", catalogue=CATALOGUE, setting=SETTING):
    return Fitter(Engine(engine, "for a test"), catalogue, setting, MllibSetting(42, 1))


def held_by(prepared_folds):
    return Broadcasts(
        CATALOGUE,
        {n: prepared.allowed for n, prepared in enumerate(prepared_folds)},
        CRITERION,
        SETTING,
    )


@pytest.fixture(scope="module")
def shared(spark, prepared_folds):
    return spark.sparkContext.broadcast(held_by(prepared_folds))


@pytest.fixture
def run(prepared_folds, shared):
    """Returns run(candidates, …): what a search finds, with as many chunks as asked."""

    def run(
        candidates=CANDIDATES,
        own=prepared_folds,
        by=None,
        say=lambda line: None,
        count=no_count,
        **plan,
    ):
        parts = (SearchPlan(2, **plan), NullRecorder(), say, f"ndcg_at_{K}")
        return Search(own, shared, *parts, by or fitter(), count).run(list(candidates))

    return run


def figures(tried):
    """What was found but for what a machine has to do with it."""
    return [
        (one.params, [{k: v for k, v in fold.items() if k not in TIMES} for fold in one.folds])
        for one in tried
    ]


@pytest.fixture(scope="module")
def in_memory(prepared_folds):
    """The folds as tasks see them."""
    held = held_by(prepared_folds)
    return [
        read_fold(prepared.profiles.toArrow(), n, held) for n, prepared in enumerate(prepared_folds)
    ]


def test_a_fold_in_memory_is_the_fold_of_the_frames(prepared_folds, in_memory):
    for prepared, memory in zip(prepared_folds, in_memory, strict=True):
        pairs = prepared.fold.training.interactions
        assert memory.users.pairs.nnz == pairs.count()
        assert memory.users.likes.nnz == pairs.where("strength > 0").count() < pairs.count()
        answers = prepared.fold.relevant.unionByName(prepared.fold.cold_relevant)
        assert memory.truth.counts.sum() == answers.count() > 0
        assert len(memory.training) == prepared.n_train_users
        seen = prepared.fold.training.events.select("item_id").distinct().count()
        assert memory.n_items == prepared.n_items == seen


@pytest.mark.parametrize("params", CANDIDATES[1:3], ids=lambda p: p.model)
def test_judging_in_memory_is_judging_with_columns(prepared_folds, in_memory, params):
    prepared, memory = prepared_folds[0], in_memory[0]
    model = fit_model(params, memory.training, CATALOGUE)
    found = memory.judge(model).means(CRITERION, memory.n_items)
    asked = prepared.profiles.where("n_relevant > 0")
    by = Lister(model, "", CATALOGUE, Selection(K, prepared.allowed))
    rows = judged_frame(list_frame(asked, by), asked, prepared).where("n_history > 0")
    expected = mean_metrics(rows, [K], prepared.n_items, prepared.n_train_users)
    assert 0 < found[f"ndcg_at_{K}"] < 1
    for name in set(found) & set(expected):
        assert found[name] == pytest.approx(expected[name], abs=2e-6), name
    assert len(set(found) & set(expected)) == 8


def test_judging_in_frames_is_judging_in_memory(prepared_folds, in_memory):
    model = fit_model(CANDIDATES[1], in_memory[0].training, CATALOGUE)
    expected, found = in_memory[0].judge(model), judge_in_frames(model, prepared_folds[0], fitter())
    assert found.users.tolist() == expected.users.tolist()
    assert found.listed == expected.listed
    assert found.means(CRITERION, 20) == pytest.approx(expected.means(CRITERION, 20), abs=2e-6)


@pytest.fixture(scope="module")
def in_driver(events):
    """The folds of `prepared_folds`, from one collection."""
    split = SplitConfig(test_from=0.8, fold_ends=(0.5, 0.65))
    cuts = make_cuts(events, CONFIG, split, AS_OF)
    times = [cut for cut, _ in cuts.spans]
    known = attributes_at_times(UserAttributes(Persons(events)), times).toArrow()
    (*folds, _), is_rated = read_folds(cuts, CRITERION, CATALOGUE, known)
    assert not is_rated
    return folds


def test_folds_from_one_collection_are_those_of_the_frames(prepared_folds, in_memory, in_driver):
    assert len(in_driver) == len(prepared_folds) == len(in_memory)
    for prepared, memory, here in zip(prepared_folds, in_memory, in_driver, strict=True):
        found, asked = here.in_memory, prepared.profiles.select("user_id", "n_relevant")
        assert found.users.ids.tolist() == memory.users.ids.tolist()
        for name in ("data", "indices", "indptr"):
            for one, other in (
                (found.users.pairs, memory.users.pairs),
                (found.truth.items, memory.truth.items),
            ):
                assert getattr(one, name).tolist() == getattr(other, name).tolist()
        assert found.users.ages.tolist() == memory.users.ages.tolist()
        assert found.users.attributes == memory.users.attributes
        assert any(found.users.attributes)
        assert found.truth.counts.tolist() == memory.truth.counts.tolist()
        assert found.allowed.tolist() == prepared.allowed.tolist()
        assert here.fold.cold_user_share == prepared.fold.cold_user_share
        assert here.n_judged_users == prepared.n_judged_users > 0
        hashed = asked.select("user_id", F.xxhash64("user_id")).orderBy("user_id").collect()
        assert here.hashes.tolist() == [row[1] for row in hashed]


def test_a_search_in_the_driver_finds_what_one_in_tasks_does(run, in_driver, searched):
    found = run(CANDIDATES, own=in_driver)
    assert figures(found) == figures(searched)


def bucket_sums(per_user, columns, n_buckets):
    """Returns users per bucket, and sums per bucket and column (shape buckets × columns).

    `per_user` has one row per user_id. A user's bucket is xxhash64(user_id) mod `n_buckets`, so at
    most `n_buckets` rows reach the driver, however many users there are.
    """
    bucket = F.pmod(F.xxhash64("user_id"), F.lit(n_buckets)).alias("bucket")
    sums = [F.round(F.sum(name), 9).alias(name) for name in columns]
    rows = per_user.groupBy(bucket).agg(F.count(F.lit(1)).alias("n"), *sums).orderBy("bucket")
    found = rows.collect()
    counts = np.array([row["n"] for row in found], dtype=np.float64)
    values = np.array([[row[name] for name in columns] for row in found], dtype=np.float64)
    return counts, values.reshape(len(found), len(columns))


def test_the_test_in_the_driver_is_that_of_the_frames(prepared_folds, in_memory, in_driver):
    wanted = {"ease": CANDIDATES[1], "popularity_tuned": CANDIDATES[0], "als": CANDIDATES[3]}
    models = {
        n: fit_model(params, in_memory[0].training, CATALOGUE) for n, params in wanted.items()
    }
    resampling = (BootstrapConfig(n_buckets=100, n_resamples=100), 7)
    here, there = (
        compare(models, "ease", prepared, CATALOGUE, resampling)
        for prepared in (in_driver[0], prepared_folds[0])
    )
    assert here.as_dict() == there.as_dict()
    asked = prepared_folds[0].profiles.where("n_relevant > 0")
    for name, model in models.items():
        select = Selection(K, prepared_folds[0].allowed)
        by = Lister(model, "", CATALOGUE, select, models["popularity_tuned"], fills="cold")
        rows = judged_frame(list_frame(asked, by), asked, prepared_folds[0])
        warm = rows.where("n_history > 0")
        expected = mean_metrics(
            warm, [K], prepared_folds[0].n_items, prepared_folds[0].n_train_users
        )
        expected["cold_user_share"] = prepared_folds[0].fold.cold_user_share
        assert list(here.metrics[name]) == list(expected)
        assert here.metrics[name] == pytest.approx(expected, abs=2e-6)
        assert here.buckets[name] == by_bucket(rows, CRITERION)
        per_user = user_metrics(warm, {name: ndcg_at_k(K)})
        counts, sums = bucket_sums(per_user, [name], 100)
        drawn = bootstrap_interval(counts, sums[:, 0], 100, 0.95, 7)
        assert here.intervals[name] == drawn


def test_models_fitted_in_the_driver_are_those_of_tasks(prepared_folds, in_driver):
    wanted = {p.model: p for p in CANDIDATES}
    here, failed = fitter().try_fit(in_driver[0].in_memory.users, wanted)
    there = fitter().fit(prepared_folds[0].profiles, wanted)
    assert failed == {}
    for name, model in here.items():
        scores = (one.scores(in_driver[0].in_memory.users) for one in (model, there[name]))
        same_bits(*scores)


def test_the_latest_items_of_users_in_frames_are_those_in_memory(prepared_folds, in_memory):
    for prepared, memory in zip(prepared_folds, in_memory, strict=True):
        known = prepared.profiles.where(F.size("items") > 0)
        short = read_histories(latest_items(known, 3).toArrow(), ITEMS)
        expected = memory.training.latest(3)
        assert short.ids.tolist() == expected.ids.tolist()
        same_bits(short.pairs.toarray(), expected.pairs.toarray())
        assert short.ages == pytest.approx(expected.ages)
        assert len(short.ages) < len(memory.training.ages)


@pytest.mark.parametrize(
    "params", [EaseParams(reg_param=2.0, prior_half_life_days=20), *CANDIDATES[3:]]
)
def test_models_of_frames_learn_from_the_latest_items_alone(prepared_folds, in_memory, params):
    setting = FitSetting(max_user_items=3)
    frames = fitter("blocks", setting=setting).fit_frame(prepared_folds[0].profiles, params)
    training = in_memory[0].training
    alone = fit_model(params, training, CATALOGUE, setting).scores(training)
    found = frames.scores(training)
    assert np.array_equal(np.isfinite(found), np.isfinite(alone))
    assert found[np.isfinite(found)] == pytest.approx(alone[np.isfinite(alone)], abs=1e-4)


def test_judging_nobody_in_frames_gives_zeros(prepared_folds):
    nobody = replace(prepared_folds[0], profiles=prepared_folds[0].profiles.limit(0))
    found = judge_in_frames(None, nobody, fitter()).means(CRITERION, 20)
    assert found[f"ndcg_at_{K}"] == found["n_judged"] == 0


@pytest.fixture(scope="module")
def searched(prepared_folds, shared):
    parts = (SearchPlan(2), NullRecorder(), lambda line: None, f"ndcg_at_{K}")
    return Search(prepared_folds, shared, *parts, fitter()).run(list(CANDIDATES))


def test_a_search_finds_what_a_trial_in_this_process_finds(searched, in_memory):
    assert [one.params for one in searched] == list(CANDIDATES)
    for one in searched:
        assert not one.is_dropped
        for fold, memory in zip(one.folds, in_memory, strict=True):
            model = fit_model(one.params, memory.training, CATALOGUE)
            expected = memory.judge(model).means(CRITERION, memory.n_items)
            assert {name: fold[name] for name in expected} == expected


@pytest.mark.parametrize("chunks", [1, 3])
def test_the_number_of_chunks_does_not_show(monkeypatch, run, searched, chunks):
    monkeypatch.setattr(search_module, "chunks_for", lambda *sizes: chunks)
    assert figures(run()) == figures(searched)


def test_the_order_and_the_partitions_of_rows_do_not_show(run, prepared_folds, searched):
    shuffled = [
        replace(prepared, profiles=prepared.profiles.orderBy(F.rand(5)).repartition(5))
        for prepared in prepared_folds
    ]
    assert figures(run(own=shuffled)) == figures(searched)


HALF = RungConfig(users=0.5, iterations=0.4, keep=0.5)
NOBODY = RungConfig(users=1e-9, keep=0.5)


def test_what_is_hopeless_is_given_up_and_the_best_of_each_model_never(run, searched):
    hopeless = PopularityParams(window_days=1e-6)
    found = run([hopeless, *CANDIDATES[:2]], rungs=(HALF,))
    assert [one.is_dropped for one in found] == [True, False, False]
    assert [len(one.folds) for one in found] == [0, 2, 2]
    assert [len(one.rungs) for one in found] == [1, 1, 0], "one of a model has none to beat"
    # What goes on is tried in full, as if there were no rungs.
    assert figures(found[1:]) == figures(searched[:2])
    assert best_of(found[:2], f"ndcg_at_{K}") is found[1]


def test_a_rung_is_a_part_of_the_users_with_a_part_of_the_iterations(
    run, in_driver, prepared_folds
):
    one, _ = run([CANDIDATES[3], AlsParams(rank=3, max_iter=1)], rungs=(HALF,))
    values = []
    for prepared, memory in zip(prepared_folds, in_driver, strict=True):
        few, here = prepared.sampled(0.5), memory.sampled(0.5)
        ids = sorted(row.user_id for row in few.profiles.select("user_id").collect())
        assert ids == list(here.in_memory.users.ids) == sorted(set(ids))
        assert 0 < len(ids) < len(memory.in_memory.users)
        cheap = CANDIDATES[3].model_copy(update={"max_iter": 2})
        model = fit_model(cheap, here.in_memory.training, CATALOGUE)
        values.append(here.in_memory.judge(model).means(CRITERION, here.n_items))
    expected = np.mean([value[f"ndcg_at_{K}"] for value in values])
    assert one.rungs[0][f"ndcg_at_{K}"] == pytest.approx(expected, abs=1e-6)
    assert one.params.max_iter == CANDIDATES[3].max_iter == 3


@pytest.mark.parametrize("where", ["driver", "kernel", "blocks"])
def test_a_rung_that_nobody_is_judged_on_gives_up_no_candidate(run, in_driver, where):
    own = {"own": in_driver} if where == "driver" else {"by": fitter(where)}
    found = run([PopularityParams(window_days=1e-6), *CANDIDATES[:1]], rungs=(NOBODY,), **own)
    assert [one.is_dropped for one in found] == [False, False]


@pytest.mark.parametrize("engine", ["kernel", "blocks"])
def test_halving_is_the_same_wherever_it_is_done(run, in_driver, engine):
    plan = {"rungs": (HALF, RungConfig(users=0.8, keep=0.5))}
    candidates = [*CANDIDATES[:2], EaseParams(reg_param=9.0), EaseParams(reg_param=90.0)]
    first = run(candidates, by=fitter(engine), **plan)
    again = run(candidates, own=in_driver, **plan)
    assert [one.is_dropped for one in first] == [one.is_dropped for one in again]
    assert [len(one.rungs) for one in first if one.params.model == "ease"].count(2) == 2
    for one, other in zip(first, again, strict=True):
        for here, there in zip(one.rungs, other.rungs, strict=True):
            assert here[f"ndcg_at_{K}"] == pytest.approx(there[f"ndcg_at_{K}"], abs=2e-6)


def test_where_the_best_of_a_model_fails_in_full_the_next_takes_its_place(monkeypatch, run):
    worth = {1.0: 0.1, 2.0: 0.3, 3.0: 0.2}
    asked = []

    def fail(params, prepared, by):
        is_full = len(asked) >= 2 * len(worth)
        asked.append(params.reg_param)
        if is_full and params.reg_param == 2.0:
            raise MemoryError("Unable to allocate 12 GiB")
        return {f"ndcg_at_{K}": worth[params.reg_param], "n_judged": 9.0}

    monkeypatch.setattr(search_module, "try_in_frames", fail)
    rung = RungConfig(users=0.5, keep=0.3)
    found = run([EaseParams(reg_param=p) for p in worth], by=fitter("blocks"), rungs=(rung,))
    assert [one.failure is None for one in found] == [True, False, True]
    assert [one.is_dropped for one in found] == [True, False, False]
    assert asked == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 2.0, 2.0, 3.0, 3.0]


def test_a_given_up_candidate_cannot_win(searched):
    metric = f"ndcg_at_{K}"
    lucky = replace(searched[0], folds=(), rungs=({metric: 1.0},), is_dropped=True)
    assert best_of([lucky, searched[0]], metric) is searched[0]
    assert best_by_model([lucky, *searched[1:]], metric).keys() == {
        one.params.model for one in searched[1:]
    }


def test_patience_ends_fits_early_and_keeps_the_best_number(run):
    params = AlsParams(rank=2, reg_param=0.01, alpha=5, max_iter=60)
    (stopped,) = run([params], patience=1)
    assert stopped.params.max_iter < 20
    assert stopped.params == params.model_copy(update={"max_iter": stopped.params.max_iter})


def test_what_a_catalogue_is_too_large_for_is_left_out_and_the_rest_is_tried(run, searched):
    lines = []
    found = run(by=fitter(setting=FitSetting(max_item_pairs=5)), say=lines.append)
    assert [one.params for one in found] == list(CANDIDATES)
    assert "20 items; it is fitted on up to 5 (recommend.max_item_pairs)" in found[1].failure
    assert found[1].folds == ()
    assert lines[0] == f"ease_2 is left out: {found[1].failure}"
    others = [0, 2, 3]
    assert figures([found[n] for n in others]) == figures([searched[n] for n in others])
    assert set(best_by_model(found, f"ndcg_at_{K}")) == {"popularity", "item_knn", "als_implicit"}


@pytest.mark.parametrize("place", ["tasks", "driver"])
def test_each_candidate_is_shown_when_its_last_trial_ends(run, prepared_folds, in_driver, place):
    said = []
    found = run(
        own=prepared_folds if place == "tasks" else in_driver,
        by=fitter("kernel"),
        say=said.append,
        count=lambda done, total, what: said.append((done, total, what)),
    )
    counts = [one for one in said if isinstance(one, tuple)]
    trials = len(CANDIDATES) * len(prepared_folds)
    assert counts == [(n, trials, "trials") for n in range(trials + 1)]
    lines = [one for one in said if isinstance(one, str)]
    metric = f"ndcg_at_{K}"
    assert sorted(lines) == sorted(f"{t.name}: {metric} {t.mean[metric]:.4f}" for t in found)
    first = next(n for n, one in enumerate(said) if isinstance(one, str))
    assert said.index(counts[-1]) > first, "the first candidate is shown before the last trial ends"


@pytest.mark.parametrize("rungs", [(), (HALF,)])
def test_what_fails_on_one_fold_is_left_out_of_all(monkeypatch, run, rungs):
    asked = []

    def fail(params, prepared, by):
        asked.append((params.model, prepared.fold.name))
        if params.model == "ease" and prepared.fold.name == "fold_2":
            raise MemoryError("Unable to allocate 12 GiB")
        return {f"ndcg_at_{K}": 0.5, "n_judged": 9.0}

    monkeypatch.setattr(search_module, "try_in_frames", fail)
    found = run([*CANDIDATES[:3], EaseParams(reg_param=3.0)], by=fitter("blocks"), rungs=rungs)
    for one in found[1::2]:
        assert one.failure == "MemoryError: Unable to allocate 12 GiB (on fold_2)"
    assert [one.failure for one in found[::2]] == [None, None]
    # What failed on a rung is not tried again; the only one of a model is on none.
    assert len(asked) == 8

    def break_off(params, prepared, by):
        raise TypeError("a fault of the program")

    monkeypatch.setattr(search_module, "try_in_frames", break_off)
    with pytest.raises(TypeError):
        run(CANDIDATES[:1], by=fitter("blocks"))


def test_a_task_sends_back_why_a_candidate_cannot_be_fitted(monkeypatch, prepared_folds):
    class Held:
        value = held_by(prepared_folds)

    errors = {"ease": JobError("XᵀX should be definite", "It is not"), "item_knn": MemoryError()}

    def fail(params, *parts):
        raise errors[params.model]

    monkeypatch.setattr(trial_module, "try_candidate", fail)
    work = trial_work(Held, CANDIDATES[1:3], 1, None)
    assert work(0, 0, prepared_folds[0].profiles.toArrow()) == [
        {"candidate": 0, "fold": 0, "failure": "XᵀX should be definite; It is not"},
        {"candidate": 1, "fold": 0, "failure": "MemoryError"},
    ]


def test_where_nothing_can_be_fitted_every_reason_is_named(prepared_folds, item_index):
    config = RecommendConfig(search=SearchConfig(k=K))
    small = fitter(setting=FitSetting(max_item_pairs=5))
    bench = TuningContext(config, CRITERION, small, item_index, None, 2, SIZE, lambda line: None)
    with pytest.raises(JobError, match=r"ease_1: 20 items.*ease_2: 20 items"):
        tune(bench, prepared_folds, [EaseParams(), EaseParams(reg_param=7)], blend=True)


def test_models_that_can_be_fitted_are_though_others_cannot(spark):
    # Two items that the same users have: without a ridge to speak of there is no inverse.
    alike = users_of([[(0, 1.0, 1.0), (1, 1.0, 1.0)]] * 5, 3, [()] * 5)
    by, profiles = fitter(catalogue=coloured_catalogue(3)), profiles_of(spark, alike)
    flat, fine = EaseParams(reg_param=1e-9), PopularityParams()
    blend = HybridParams(parts=(fine, flat), weights=dict.fromkeys(BUCKETS, (0.5, 0.5)))
    models, left_out = by.try_fit(profiles, {"flat": flat, "fine": fine, "blend": blend})
    assert set(models) == {"fine"}
    assert "positive definite" in left_out["flat"]
    assert left_out["blend"] == f"its part ease: {left_out['flat']}"
    with pytest.raises(JobError, match=r"flat should be fitted.*positive definite"):
        by.fit(profiles, {"flat": flat})
    small = replace(by, setting=FitSetting(max_item_pairs=2))
    assert "3 items" in small.try_fit(profiles, {"blend": blend})[1]["blend"]


def test_the_blend_is_no_worse_on_the_folds_than_its_best_part(
    prepared_folds, shared, searched, in_memory
):
    params, means = learn_blend(prepared_folds, shared, CANDIDATES[:2], fitter(), BLEND)
    assert isinstance(params, HybridParams)
    totals, users = np.zeros(3), []
    for memory in in_memory:
        for place, part in enumerate((*CANDIDATES[:2], params)):
            found = memory.judge(fit_model(part, memory.training, CATALOGUE))
            totals[place] += found.sums["ndcg"][1:].sum()
        users.append(found.users[1:].sum())
    assert totals[2] >= totals[:2].max() - 1e-6
    # Worth less than to the users that its weights were learned on.
    worth = [fold[f"ndcg_at_{K}"] for fold in means]
    assert 0 < np.average(worth, weights=users) <= totals[2] / sum(users) + 1e-6


def test_about_four_chunks_per_slot():
    assert chunks_for(100, 2, 4) == 8
    assert chunks_for(3, 2, 4) == 3
    assert chunks_for(100, 20, 1) == 1
    assert chunks_for(0, 0, 1) == 1


def test_the_engine_goes_by_the_number_of_pairs():
    assert [choose_engine("auto", n, 10).name for n in (10, 11)] == ["kernel", "blocks"]
    assert choose_engine("mllib", 5, 10).name == "mllib"
    assert "recommend.one_task_pairs" in choose_engine("auto", 5, 10).reason
    assert Engine("mllib", "").is_whole(CANDIDATES[1])
    assert not Engine("mllib", "").is_whole(CANDIDATES[3])
    assert not Engine("blocks", "").is_whole(CANDIDATES[1])


def profiles_of(spark, users):
    bounds = users.pairs.indptr

    def lists(values, kind):
        rows = [values[a:b].tolist() for a, b in pairwise(bounds)]
        return pa.array(rows, pa.list_(kind))

    columns = {
        "user_id": pa.array(users.ids.tolist(), pa.string()),
        "items": lists(users.pairs.indices, pa.int32()),
        "strengths": lists(users.pairs.data, pa.float32()),
        "ages": lists(users.ages, pa.float32()),
        "attributes": pa.array([list(a) for a in users.attributes], pa.list_(pa.string())),
    }
    return spark.createDataFrame(pa.table(columns))


USERS = with_cold_users(random_users())
SHOP = coloured_catalogue(N_ITEMS)


@pytest.fixture(scope="module")
def profiles(spark):
    return profiles_of(spark, USERS).cache()


def test_models_fitted_in_tasks_are_those_fitted_here(profiles):
    blend = HybridParams(
        parts=(EaseParams(), ContentParams()), weights=dict.fromkeys(BUCKETS, (0.3, 0.7))
    )
    asked = {"als": CANDIDATES[3], "knn": CANDIDATES[2], "blend": blend}
    found = fitter(catalogue=SHOP).fit(profiles.repartition(5), asked)
    assert set(found) == set(asked)
    known = USERS.take(np.flatnonzero(np.diff(USERS.pairs.indptr) > 0))
    for name, params in asked.items():
        same_bits(found[name].scores(USERS), fit_model(params, known, SHOP).scores(USERS))
    assert fit_in_tasks(profiles, {}, SHOP, SETTING) == {}


@pytest.mark.parametrize("engine", ["mllib", "blocks", "kernel"])
def test_every_engine_solves_the_checkerboard(spark, engine):
    board = checkerboard()
    params = AlsParams(rank=2, reg_param=0.01, alpha=5, max_iter=2 if engine == "blocks" else 5)
    by = fitter(engine, coloured_catalogue(SIDE))
    model = by.fit(profiles_of(spark, board), {"als": params})["als"]
    first = best_items(model, board, Selection(1)).items[:, 0]
    assert first.tolist() == [left_out(u) for u in range(SIDE)]


IN_BLOCKS = [
    PopularityParams(),
    PopularityParams(half_life_days=20),
    PopularityParams(window_days=30, scope="country"),
    EaseParams(reg_param=2.0, prior_half_life_days=30),
    ContentParams(),
    KnnParams(similarity="cosine", n_neighbours=5),
    KnnParams(similarity="tfidf", n_neighbours=5),
    KnnParams(similarity="bm25", n_neighbours=5, prior_half_life_days=30),
    GraphFilterParams(user_exponent=0.4, power=1.5, n_neighbours=5, rank=3),
    SparseEaseParams(reg_param=2.0, n_neighbours=5),
]


@pytest.mark.parametrize("params", IN_BLOCKS, ids=str)
def test_a_model_in_blocks_is_that_of_one_task(profiles, params):
    found = fitter("blocks", SHOP).fit(profiles, {"it": params})["it"].scores(USERS)
    known = USERS.take(np.flatnonzero(np.diff(USERS.pairs.indptr) > 0))
    expected = fit_model(params, known, SHOP).scores(USERS)
    assert np.array_equal(np.isfinite(found), np.isfinite(expected))
    finite = np.isfinite(found)
    # 32 bits: what is left of a sum that is nearly 0 has few digits.
    assert found[finite] == pytest.approx(expected[finite], rel=1e-4, abs=2e-6)


@pytest.mark.parametrize(
    "params",
    [
        EaseParams(),
        SparseEaseParams(),
        KnnParams(),
        KnnParams(similarity="cosine"),
        GraphFilterParams(),
    ],
)
def test_items_by_items_in_blocks_have_a_bound(profiles, params):
    small = replace(fitter("blocks", SHOP), setting=FitSetting(max_item_pairs=N_ITEMS - 1))
    with pytest.raises(JobError, match=r"at most .* items"):
        small.fit_frame(profiles, params)


def test_a_blend_learned_in_blocks_is_that_of_tasks(prepared_folds, shared):
    by_tasks, by_blocks = (
        learn_blend(prepared_folds, shared, CANDIDATES[:2], fitter(engine), BLEND)
        for engine in ("kernel", "blocks")
    )
    assert by_blocks == by_tasks


def test_a_trial_in_frames_is_the_judgement_of_what_it_fits(prepared_folds):
    params, by = CANDIDATES[3], fitter("mllib")
    found = try_in_frames(params, prepared_folds[0], by)
    model = by.fit_frame(prepared_folds[0].profiles, params)
    expected = read_fold(prepared_folds[0].profiles.toArrow(), 0, held_by(prepared_folds)).judge(
        model
    )
    means = expected.means(CRITERION, prepared_folds[0].n_items)
    assert {name: found[name] for name in means} == pytest.approx(means, abs=2e-6)


def test_mllib_gives_the_same_bits_in_any_order_of_rows(profiles):
    setting = MllibSetting(42, 1)
    shuffled = profiles.orderBy(F.rand(3)).repartition(5)
    first, again = (fit_mllib(p, N_ITEMS, CANDIDATES[3], setting) for p in (profiles, shuffled))
    same_bits(first, again)
    assert not first[-3:].any()
    assert first[:-3].any(axis=1).all()


def test_mllib_learns_nothing_of_refunded_pairs(spark):
    users = USERS.take(np.flatnonzero(USERS.lengths > 0))
    without = without_refunds(users)
    assert without.pairs.nnz < users.pairs.nnz
    asked = [profiles_of(spark, some) for some in (users, without)]
    same_bits(*(fit_mllib(p, N_ITEMS, CANDIDATES[3], MllibSetting(42, 1)) for p in asked))


def test_explicit_ratings_reach_mllib_as_they_are(profiles):
    params = ExplicitParams(rank=2, max_iter=2)
    factors = fit_mllib(profiles, N_ITEMS, params, MllibSetting(42, 1), implicit=False)
    assert factors.shape == (N_ITEMS, 2)
    assert factors[:-3].any(axis=1).all()


def test_the_prior_of_frames_is_that_of_memory(profiles):
    found = DistributedFit(profiles.repartition(4), SHOP, SETTING).prior(30.0)
    assert found == pytest.approx(recency_prior(USERS, 30.0), rel=1e-5)
    assert (found[-3:] == 1).all()
    assert set(DistributedFit(profiles.limit(0), SHOP, SETTING).prior(30.0)) == {1.0}


def test_profiles_have_a_row_per_user_and_growing_positions(spark, item_index):
    when = AS_OF - timedelta(days=2, hours=12)
    pairs = [
        ("b", "i07", 2.0, when),
        ("b", "i02", 0.0, AS_OF),
        ("a", "i05", 1.0, when),
        ("a", "gone", 1.0, when),
    ]
    rows = [
        {"user_id": u, "item_id": i, "strength": s, "n_events": 1, "first_at": t, "last_at": t}
        for u, i, s, t in pairs
    ]
    known = [("b", ["country=GB"]), ("c", ["born=1980"])]
    attributes = spark.createDataFrame(known, "user_id string, attributes array<string>")
    interactions = table_frame(spark, "gold/interactions", rows).repartition(3)
    found = profile_frame(interactions, item_index, attributes, AS_OF).orderBy("user_id").collect()
    assert [tuple(row) for row in found] == [
        ("a", [5], [1.0], [2.5], []),
        ("b", [2, 7], [0.0, 2.0], [0.0, 2.5], ["country=GB"]),
        ("c", [], [], [], ["born=1980"]),
    ]


def lister(**changes):
    known = random_users()
    parts = {
        "model": fit_model(EaseParams(reg_param=2.0), known, SHOP),
        "strategy": "ease",
        "catalogue": SHOP,
        "select": Selection(6),
        "fallback": fit_model(PopularityParams(), known, SHOP),
        "is_explained": True,
    }
    return Lister(**{**parts, **changes})


@pytest.fixture(scope="module")
def rows(profiles):
    return sorted(map(tuple, list_frame(profiles, lister()).collect()))


def test_lists_do_not_depend_on_partitions(profiles, rows):
    spread = profiles.orderBy(F.rand(2)).repartition(7)
    assert sorted(map(tuple, list_frame(spread, lister()).collect())) == rows


def test_lists_are_the_same_in_the_driver_as_in_tasks(profiles, rows):
    table = list_table(profiles.toArrow(), lister())
    assert sorted(zip(*table.to_pydict().values(), strict=True)) == rows


def test_a_model_is_the_same_in_the_driver_as_in_a_task(profiles):
    params, setting = PopularityParams(half_life_days=7), FitSetting(1)
    wanted = {"popularity": params}
    here = fit_here(profiles.toArrow(), wanted, SHOP, setting)["popularity"]
    there = fit_in_tasks(profiles, wanted, SHOP, setting)["popularity"]
    assert here.arrays().keys() == there.arrays().keys()
    for name, array in here.arrays().items():
        assert np.array_equal(array, there.arrays()[name]), name


def test_own_places_come_first_and_the_fallback_fills_the_rest(rows):
    best = best_items(lister().model, USERS, Selection(6))
    for place, user in enumerate(USERS.ids):
        mine = [row for row in rows if row[0] == user]
        assert [row[1] for row in mine] == list(range(1, len(mine) + 1))
        own = [f"i{item:02d}" for item in best.items[place] if item >= 0]
        assert [row[2] for row in mine if row[4] == "ease"] == own
        assert [row[2] for row in mine][: len(own)] == own
        n_open = N_ITEMS - 3 - len(USERS.take(slice(place, place + 1)).pairs.indices)
        assert len({row[2] for row in mine}) == len(mine) == min(6, n_open)
    assert {row[4] for row in rows} == {"ease", "popularity"}


def test_reasons_name_an_item_of_the_history_and_its_share(rows):
    liked = {u: {f"i{i:02d}" for i in USERS.liked(n)} for n, u in enumerate(USERS.ids)}
    assert any(row[6] is not None and row[6] < 0.5 for row in rows)
    for user, _, item, _, strategy, reason, share, basis in rows:
        assert (reason is None) == (share is None) == (strategy != "ease")
        assert basis == (None if reason else "popular:global")
        if reason is not None:
            assert reason in liked[user]
            assert reason != item
            assert 0 < share <= 1


def test_without_fallback_and_reasons_lists_are_the_models_alone(profiles, rows):
    bare = list_frame(profiles, lister(fallback=None, is_explained=False)).collect()
    expected = [(*row[:5], None, None, None) for row in rows if row[4] == "ease"]
    assert sorted(map(tuple, bare)) == expected


def test_served_lists_say_why_and_which_model(profiles, rows):
    found = {
        (r.user_id, r.rank): r
        for r in build_lists(list_frame(profiles, lister()), lister(), "7").collect()
    }
    for user, rank, item, score, strategy, reason, share, basis in rows:
        row = found.pop((user, rank))
        assert (row.item_id, row.score, row.strategy) == (item, score, strategy)
        assert row.model_version == ("7" if strategy == "ease" else "popularity")
        because = reason and f"because:{reason}:{int(np.floor(share * 100 + 0.5))}"
        assert row.reason == (because or basis)
    assert not found


def test_places_that_popularity_fills_say_whose_it_is(profiles):
    scoped = fit_model(PopularityParams(scope="country"), random_users(), SHOP)
    countries = dict(zip(USERS.ids, USERS.attributes, strict=True))
    filled = lister(fallback=scoped)
    for row in (
        build_lists(list_frame(profiles, filled), filled, "7")
        .where("strategy = 'popularity'")
        .collect()
    ):
        (country,) = countries[row.user_id] or ("global",)
        assert row.reason == f"popular:{country.replace('=', ':')}"


def test_rows_of_a_profile_are_read_back_as_they_were(profiles):
    read = read_histories(profiles.repartition(3).toArrow(), N_ITEMS)
    assert read.ids.tolist() == sorted(USERS.ids)
    assert np.array_equal(read.pairs.toarray(), USERS.pairs.toarray())
    assert read.attributes == USERS.attributes


def test_the_only_task_of_a_job_uses_all_cores_of_this_machine(spark):
    assert [idle_threads(spark.sparkContext, tasks) for tasks in (1, 2, 5)] == [2, 1, 1]
