"""train-recommender, promote-model, build-recommendations on a small shop of two tastes."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import functions as F
from tests.conftest import TEST_PROPERTIES, overridden
from tests.experiments import conf_of

from sparkperso.core.errors import JobError, QualityGateError, TrackingError
from sparkperso.testing.compare import assert_same_tables
from sparkperso.testing.frames import events_frame, table_frame
from sparkperso.testing.plans import spark_work

START = datetime(2026, 1, 1)
N_USERS, N_ITEMS, N_EVENTS = 60, 40, 1500
SEARCH = [
    "recommend.search.space=[{model: popularity, half_life_days: 7},"
    " {model: als_implicit, rank: [2, 4], reg_param: 0.05, alpha: 5, max_iter: 5},"
    " {model: ease, reg_param: 10}]",
    "recommend.search.explicit=[{rank: 2, max_iter: 2}]",
    "recommend.search.hybrid.min_bucket_users=10",
    "recommend.promotion.min_bucket_users=10",
    "recommend.minimum.items=20",
    "recommend.lists.n_items=5",
    "recommend.lists.popular_min_events=100",
    "recommend.bootstrap.n_resamples=200",
    "recommend.lists.kinds=[new]",
]
SHORT = [
    "recommend.search.space=[{model: popularity, half_life_days: 7}, {model: ease, reg_param: 10},"
    " {model: als_implicit, rank: 2, alpha: 5, max_iter: 2}]",
    "recommend.search.explicit=[]",
    "recommend.split.fold_ends=[0.7]",
]
ITEM = {
    **{"item_id": "i00", "title": "Lamp", "tags": ["new"], "attributes": {}},
    **{"first_seen_at": START, "seen_at": (None, None, None)},
}
LISTS = [
    "gold/recommendations",
    "gold/popular_items",
    "gold/similar_items",
    "gold/session_index",
]
FACTORS = ["gold/als_user_factors", "gold/als_item_factors"]


def shop():
    """Users buy items of their own half, each at random; visitors buy anything; some rate."""
    chance = random.Random(11)
    rows = []
    for n in range(N_EVENTS):
        user = chance.randrange(N_USERS)
        item = chance.randrange(0, N_ITEMS, 2) + user % 2
        rows.append(
            {
                "user_id": f"u{user:02d}" if n % 10 else None,
                "anonymous_id": f"till-{n // 4}",
                "session_id": f"visit-{n // 4}",
                "item_id": f"i{item:02d}",
                "event_type": "rating" if n % 15 == 1 else "purchase",
                "value": 1.0 + item % 5,
                "timestamp": START + timedelta(hours=n),
                "country": "GB" if user % 3 else "FR",
            }
        )
    only_looks = {"user_id": "visitor", "event_type": "page_view", "timestamp": START}
    return [*rows, only_looks]


@dataclass
class Shop:
    """A lake with events and interactions, and jobs on it."""

    spark: object
    root: str

    def job(self, name, *more):
        from sparkperso.config import load_settings
        from sparkperso.pipeline.job import Job

        settings = load_settings(
            assignments=overridden(TEST_PROPERTIES, SEARCH, more), lake=self.root
        )
        return Job(name, settings, self.spark, say=lambda line: None)

    def carry_out(self, *modules):
        return [module.STEP.action(self.job(module.STEP.name)) for module in modules]

    def read(self, table):
        return self.job("look").lake.ref(table).read()


@pytest.fixture(scope="module")
def open_shop(spark, tmp_path_factory):
    from sparkperso.recommend.data.interactions import build_interactions

    def make(rows):
        found = Shop(spark, str(tmp_path_factory.mktemp("shop") / "lake"))
        job = found.job("fill")
        job.writer("silver/events").append(events_frame(spark, rows))
        events, config = found.read("silver/events"), job.settings.recommend.interactions
        interactions = build_interactions(events, config, job.as_of)
        job.writer("gold/interactions").overwrite(interactions)
        return found

    return make


@pytest.fixture(scope="module")
def jobs():
    from sparkperso.jobs import promote_model
    from sparkperso.jobs.build_recommendations import job as build_recommendations
    from sparkperso.jobs.train_recommender import job as train_recommender

    return train_recommender, promote_model, build_recommendations


@pytest.fixture(scope="module")
def trained(open_shop, jobs):
    found = open_shop(shop())
    with spark_work(found.spark) as found.training:
        found.summaries = found.carry_out(jobs[0])
    found.summaries += found.carry_out(*jobs[1:])
    return found


def test_training_looks_at_the_events_a_few_times_and_asks_spark_little(trained):
    # As-of, the cuts, the pairs of all cuts, what is known of users; ratings, twice for each fold.
    assert trained.training.scans_of("silver/events") <= 4 + 2
    assert trained.training.scans_of("gold/interactions") <= 2
    assert trained.training.jobs <= 70


def test_training_in_tasks_finds_what_training_in_the_driver_does(trained, open_shop, jobs):
    apart = open_shop(shop())
    jobs[0].STEP.action(apart.job("train-recommender", "recommend.driver_pairs=0"))
    here, there = (
        one.job("look").tracking.by_alias("recommender", "candidate").document
        for one in (trained, apart)
    )
    for name in ("params", "best", "popularity", "left_out", "n_items"):
        assert here[name] == there[name], name
    for name in ("gold/item_index", *FACTORS, "gold/model_arrays"):
        own = [d["digests"][name].partition("-")[0] for d in (here, there)]
        assert own[0] == own[1], name
    assert without_times(here["folds"]) == without_times(there["folds"])
    assert here["test"] == there["test"]
    versions = {d["model_version"] for d in (here, there)}
    rows = [
        sorted(
            (row.user_id, tuple(row.factors))
            for row in one.read("gold/als_user_factors")
            .where(F.col("model_version").isin(*versions))
            .collect()
        )
        for one in (trained, apart)
    ]
    assert rows[0] == rows[1]


def without_times(folds):
    timed = ("fit_seconds", "score_seconds", "peak_rss_mb")
    return [{k: v for k, v in fold.items() if k not in timed} for fold in folds]


def test_the_candidate_says_all_that_it_depends_on(trained):
    candidate = trained.job("look").tracking.by_alias("recommender", "candidate")
    document = candidate.document
    assert document["strategy"] in {"als_implicit", "ease", "hybrid"}
    assert set(document["tables"]) == {*FACTORS, "gold/model_arrays", "gold/item_index"}
    assert document["digests"].keys() == document["tables"].keys()
    assert {"input silver/items", "sparkperso"} <= set(document)
    assert document["left_out"] == document["test"]["left_out"] == {}
    assert {"as_of", "config", "config_hash", "model_version", "params", "test"} <= set(document)
    assert document["input silver/events"] == 1
    gains = set(document["test"]["gains"]) | {document["strategy"]}
    assert gains == {"popularity", "popularity_tuned", "als_implicit", "ease", "hybrid"}
    assert document["test"]["champion_version"] is None
    assert set(document["test"]["buckets"]["ease"]) <= {"0", "1-4", "5-19", "20+"}
    assert document["explicit"]["mean"]["rmse"] > 0


def test_every_candidate_is_a_child_run_with_its_figures_per_fold(trained):
    tracking = trained.job("look").tracking
    client = tracking.client
    parent = tracking.by_alias("recommender", "candidate").run_id
    experiment = client.get_run(parent).info.experiment_id
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
    named = {run.info.run_name: run for run in children}
    assert sorted(named) == [
        "als rank=2",
        "als rank=4",
        "als_explicit",
        "ease",
        next(name for name in named if name.startswith("hybrid of ")),
        "popularity",
        "popularity half-life=7d",
    ]
    child = named["als rank=2"]
    assert child.data.tags["candidate"] == "als_implicit_3"
    by_fold = client.get_metric_history(child.info.run_id, "ndcg_at_10_by_fold")
    assert sorted(metric.step for metric in by_fold) == [1, 2]
    mean = sum(metric.value for metric in by_fold) / 2
    assert child.data.metrics["ndcg_at_10"] == pytest.approx(mean, abs=1e-6)
    assert child.data.params["rank"] == "2"
    logged = {"ndcg_at_10", "map_at_10", "train_ndcg_at_10", "fit_seconds", "peak_rss_mb"}
    assert logged <= set(child.data.metrics)
    whole = client.get_run(parent)
    assert "input silver/events" in whole.data.tags
    registered = client.get_model_version_by_alias(tracking.model_name("recommender"), "candidate")
    about = rf"({'|'.join(map(re.escape, named))}): nDCG@10 0\.\d+ .* on the test\. Models tried"
    assert re.match(about, registered.description)
    # All candidates, the blend and what was chosen of them are told by the same metrics.
    ranked = [run for name, run in named.items() if name != "als_explicit"]
    for run in [whole, *ranked]:
        assert {"ndcg_at_10", "map_at_10", "recall_at_10"} <= set(run.data.metrics)
        assert max(map(len, run.data.params.values())) < 100
    # Each took its own time, within that of the whole.
    for run in children:
        assert whole.info.start_time <= run.info.start_time < run.info.end_time
        assert run.info.end_time <= whole.info.end_time
    begun = sorted(run.info.start_time for run in children)
    assert begun[0] < min(run.info.end_time for run in children) < begun[-1]


def test_the_champion_knows_the_two_tastes(trained):
    lists = trained.read("gold/recommendations").where("user_id <> 'visitor'").collect()
    same = [int(row.user_id[1:]) % 2 == int(row.item_id[1:]) % 2 for row in lists]
    assert sum(same) / len(same) > 0.9


def test_every_user_has_a_full_list_without_what_they_have(trained):
    lists = trained.read("gold/recommendations")
    had = trained.read("gold/interactions").select("user_id", "item_id")
    assert lists.join(had, ["user_id", "item_id"]).isEmpty()
    users = {row.user_id: row for row in lists.groupBy("user_id").count().collect()}
    assert "visitor" in users
    assert len(users) == N_USERS + 1
    assert {row["count"] for row in users.values()} == {5}
    of_visitor = lists.where("user_id = 'visitor'").select("strategy", "reason").distinct()
    assert of_visitor.collect() == [("popularity", "popular:global")]


def test_the_winner_did_best_on_the_folds_and_the_test_has_no_say(trained):
    tracking = trained.job("look").tracking
    candidate = tracking.by_alias("recommender", "candidate")
    run = tracking.client.get_run(candidate.run_id)
    where = f"tags.mlflow.parentRunId = '{candidate.run_id}'"
    children = tracking.client.search_runs([run.info.experiment_id], where)
    means = {r.data.tags["candidate"]: r.data.metrics.get("ndcg_at_10", 0) for r in children}
    assert means[run.data.params["winner"]] == max(means.values())


def test_popular_items_are_ranked_per_scope(trained):
    rows = trained.read("gold/popular_items").orderBy("scope", "rank").collect()
    assert {row.scope for row in rows} == {"global", "country:GB", "country:FR"}
    for scope in ("global", "country:GB"):
        scores = [row.score for row in rows if row.scope == scope]
        assert scores == sorted(scores, reverse=True)


def test_two_runs_on_the_same_input_give_the_same_tables(trained, open_shop, jobs):
    again = open_shop(shop()[::-1])
    again.carry_out(*jobs)
    lakes = [one.job("look").lake for one in (trained, again)]
    assert_same_tables(
        *lakes, tables=[*LISTS, *FACTORS, "gold/model_arrays", "gold/user_index", "gold/item_index"]
    )


def test_training_in_blocks_finds_what_training_in_tasks_does(trained, open_shop, jobs):
    apart = open_shop(shop())
    jobs[0].STEP.action(apart.job("train-recommender", "recommend.engine=blocks", *SHORT))
    whole, blocks = (
        one.job("look").tracking.by_alias("recommender", "candidate").document
        for one in (trained, apart)
    )
    assert (whole["engine"], blocks["engine"]) == ("kernel", "blocks")
    assert blocks["test"]["metrics"].keys() == whole["test"]["metrics"].keys()
    for name in ("popularity", "ease"):
        metrics = pytest.approx(whole["test"]["metrics"][name], abs=1e-4)
        assert blocks["test"]["metrics"][name] == metrics, name


LARGE = [
    "recommend.max_item_pairs=5",
    "recommend.search.space=[{model: ease, reg_param: [10, 100]},"
    " {model: graph_filter, rank: 4, prior_half_life_days: [null, 7]},"
    " {model: als_implicit, rank: [2, 4, 6, 8], alpha: 5, max_iter: 4}]",
    "recommend.search.explicit=[]",
    "recommend.search.halving.when.pairs.at_least=0",
    "recommend.search.halving.when.users.at_least=0",
    "recommend.lists.kinds=[new, again]",
]


def test_a_catalogue_too_large_for_ease_ends_with_personal_lists(open_shop, jobs):
    large = open_shop(shop())
    summaries = [one.STEP.action(large.job(one.STEP.name, *LARGE)) for one in jobs]
    assert summaries[0]["left out"] == "ease_2, ease_3"
    tracking = large.job("look").tracking
    champion = tracking.by_alias("recommender", "champion")
    for why in champion.document["left_out"].values():
        assert "40 items; it is fitted on up to 5 (recommend.max_item_pairs)" in why
    every = large.read("gold/recommendations").where("user_id <> 'visitor'")
    assert every.where("kind = 'again'").select("user_id").distinct().count() == N_USERS
    lists = every.where("kind = 'new'")
    strategies = {row.strategy for row in lists.select("strategy").distinct().collect()}
    assert strategies & {"graph_filter", "als_implicit", "hybrid"}
    assert lists.select("user_id").distinct().count() == N_USERS

    # What was given up on a part of the data is recorded as that, and nothing else is.
    experiment = tracking.client.get_run(champion.run_id).info.experiment_id
    where = f"tags.mlflow.parentRunId = '{champion.run_id}'"
    runs = {
        r.data.tags["candidate"]: r.data for r in tracking.client.search_runs([experiment], where)
    }
    dropped = {name for name, data in runs.items() if data.tags["dropped"] == "True"}
    assert len(dropped) == 1 + 3, "of two and of four the best quarter goes on"
    for name in dropped:
        assert runs[name].tags["rung"] == "1"
        budget = "on 30 % of the users, 30 % of the iterations"
        assert runs[name].tags["budget"] == budget
        assert "rung_1_ndcg_at_10" in runs[name].metrics
        assert "ndcg_at_10" not in runs[name].metrics
    went_on = next(n for n, d in runs.items() if "als" in n and "ndcg_at_10" in d.metrics)
    assert {"rung_1_ndcg_at_10", "ndcg_at_10"} <= set(runs[went_on].metrics)
    assert "rung" not in runs[went_on].tags


def test_too_little_to_train_on_stops_at_a_gate_and_the_champion_stays(trained, jobs):
    champion = trained.job("look").tracking.by_alias("recommender", "champion").version
    job = trained.job("train-recommender", "recommend.minimum.users=1000")
    with pytest.raises(QualityGateError, match=r"1,000 users.*Found 60 users"):
        jobs[0].STEP.action(job)
    job = trained.job("train-recommender", "recommend.minimum.test_users=1000")
    with pytest.raises(QualityGateError, match="test should judge"):
        jobs[0].STEP.action(job)
    assert trained.job("look").tracking.by_alias("recommender", "champion").version == champion


def lists_of(shop):
    rows = shop.read("gold/recommendations").drop("generated_at").collect()
    return sorted(tuple(row) for row in rows)


def test_the_registered_champion_gives_the_lists_of_the_job(trained):
    from sparkperso.recommend.registered.pyfunc import load_recommender

    tracking = trained.job("look").tracking
    version = tracking.client.get_model_version_by_alias(
        tracking.model_name("recommender"), "champion"
    )
    found = load_recommender(Path(version.source.removeprefix("file://")))
    names = ("user_id", "rank", "item_id", "score")
    lists = trained.read("gold/recommendations").select(*names).collect()
    own = found.lists(found.histories(sorted({row.user_id for row in lists})))
    assert sorted(zip(*(own.column(n).to_pylist() for n in names), strict=True)) == sorted(lists)


def versions_of(shop):
    lake = shop.job("look").lake
    return {table: lake.ref(table).version() for table in LISTS}


def test_a_registered_version_is_read_as_registered_whatever_became_of_the_newest(trained, jobs):
    from sparkperso.jobs.train_recommender.model_tables import digest_of, read_registered

    job = trained.job("look")
    champion = job.tracking.by_alias("recommender", "champion")
    version, pinned = champion.document["model_version"], champion.document["tables"]
    before, arrays = lists_of(trained), job.lake.ref("gold/model_arrays").read()
    writer, own = job.writer("gold/model_arrays"), f"model_version = '{version}'"
    kept = arrays.where(own).localCheckpoint()
    # Delta has dropped what is pinned, and the newest is still the same.
    gone = {**champion.document, "tables": {**pinned, "gold/model_arrays": 99}}
    found = read_registered(job, replace(champion, document=gone), "gold/model_arrays")
    assert digest_of(found) == champion.document["digests"]["gold/model_arrays"]
    writer.overwrite(kept.withColumn("data", F.lit(b"others")), where=own)
    trained.carry_out(jobs[2])
    assert lists_of(trained) == before
    with pytest.raises(JobError, match="as they were registered"):
        read_registered(trained.job("look"), replace(champion, document=gone), "gold/model_arrays")
    writer.overwrite(kept, where=own)


def test_what_cannot_be_fitted_is_left_out_and_a_version_of_other_items_is_another(trained, jobs):
    champion = trained.job("look").tracking.by_alias("recommender", "champion")
    was = champion.document["model_version"]
    kept = trained.read("gold/model_arrays").where(f"model_version = '{was}'").count()
    before = lists_of(trained)
    lines, documents = [], []
    for items in ([], [ITEM]):
        trained.job("fill").writer("silver/items").append(
            table_frame(trained.spark, "silver/items", items)
        )
        # The very same settings: nothing but the items differs.
        job = trained.job("train-recommender", "recommend.max_item_pairs=10", *SHORT)
        job.say = lines.append
        summary = jobs[0].STEP.action(job)
        documents.append(trained.job("look").tracking.by_alias("recommender", "candidate").document)
    former, document = documents
    assert document["config_hash"] == former["config_hash"] != champion.document["config_hash"]
    assert len({was, former["model_version"], document["model_version"]}) == 3
    assert summary["left out"].startswith("ease_3")
    assert "40 items; it is fitted on up to 10" in document["left_out"]["ease_3"]
    assert document["strategy"] != "ease"
    assert lines.index(f"ease_3 is left out: {document['left_out']['ease_3']}") < lines.index(
        "testing the best of each model on the held-out part"
    )
    if "ease" in str(champion.document["params"]):
        assert "40 items" in document["test"]["left_out"]["champion"]
        with pytest.raises(QualityGateError, match="cannot be fitted any more"):
            trained.carry_out(jobs[1])
    arrays = trained.read("gold/model_arrays")
    assert arrays.where(f"model_version = '{was}'").count() == kept
    assert arrays.select("model_version").distinct().count() == 3
    trained.carry_out(jobs[2])
    assert lists_of(trained) == before


def test_lists_of_many_users_come_from_tasks_and_are_the_same(trained, jobs):
    few = trained.job("build-recommendations")
    many = trained.job("build-recommendations", "recommend.lists.driver_users=1")
    with spark_work(trained.spark) as work:
        found = [(jobs[2].STEP.action(few), lists_of(trained))]
    assert work.jobs <= 60
    found.append((jobs[2].STEP.action(many), lists_of(trained)))
    assert found[0] == found[1]


@pytest.mark.parametrize("driver_users", [10_000, 0])
def test_a_list_of_each_kind_holds_what_its_name_says(trained, jobs, driver_users):
    new = lists_of(trained)
    kinds = ["recommend.lists.kinds=[new, again, mixed]", "recommend.lists.repeats.n_items=4"]
    blocked = "recommend.lists.eligibility.blocked_items=[i00]"
    job = trained.job(
        "build-recommendations", *kinds, blocked, f"recommend.lists.driver_users={driver_users}"
    )
    summary = jobs[2].STEP.action(job)
    assert summary["users with again"] == N_USERS
    lists = trained.read("gold/recommendations")
    bought = trained.read("gold/interactions").where("strength > 0").select("user_id", "item_id")
    again = lists.where("kind = 'again'")
    assert again.join(bought, ["user_id", "item_id"], "left_anti").isEmpty()
    assert again.select("strategy", "reason", "model_version").distinct().collect() == [
        ("again", "again", "again")
    ]
    assert again.groupBy("user_id").count().agg({"count": "max"}).collect() == [(4,)]
    mixed = lists.where("kind = 'mixed'")
    others = lists.where("kind <> 'mixed'").select("user_id", "item_id")
    assert mixed.join(others, ["user_id", "item_id"], "left_anti").isEmpty()
    assert {row["count"] for row in mixed.groupBy("user_id").count().collect()} == {5}
    assert lists.where("item_id = 'i00'").isEmpty()
    sessions = trained.read("gold/session_index")
    assert 0 < sessions.count() == summary["sessions"]
    assert sessions.where("array_contains(items, 'i00')").isEmpty()
    assert lists.groupBy("user_id", "kind", "rank").count().where("count > 1").isEmpty()
    jobs[2].STEP.action(trained.job("build-recommendations"))
    assert lists_of(trained) == new


def test_what_is_bought_again_goes_by_settings_that_training_chose(open_shop, jobs):
    from sparkperso.config.recommend.lists import RepeatsParams
    from sparkperso.jobs.build_recommendations.personal_lists import repeats_params

    space = "recommend.lists.repeats.space=[{pair_orders: [2, 500], end: [null, 1]}]"
    more = [*SHORT, "recommend.lists.kinds=[new, again, mixed]", space]
    found = open_shop(shop())
    documents = []
    for where in ("recommend.driver_pairs=1000000", "recommend.driver_pairs=0"):
        summary = jobs[0].STEP.action(found.job("train-recommender", *more, where))
        version = found.job("look").tracking.by_alias("recommender", "candidate")
        documents.append(version.document)
        assert {"again", "test nDCG@10 of repeats", "test nDCG@10 of new and repeats"} <= {*summary}
    here, there = (document["repeats"] for document in documents)
    assert here == there
    assert set(here["test"]["of_all"]) == {"new", "again", "mixed"}
    # The first list that holds own items is better than any that must not, in this shop.
    of_all = {kind: own["ndcg_at_10"] for kind, own in here["test"]["of_all"].items()}
    assert of_all["mixed"] > of_all["new"]
    assert here["params"]["pair_orders"] in {2, 500}
    chosen = RepeatsParams.model_validate(here["params"])
    assert repeats_params(found.job("build-recommendations", *more), version) == chosen
    own = "recommend.lists.repeats.params={pair_orders: 77}"
    job = found.job("build-recommendations", *more, own)
    assert repeats_params(job, version) == RepeatsParams(pair_orders=77)
    assert repeats_params(found.job("build-recommendations"), None) == RepeatsParams()


def test_a_registry_that_is_silent_ends_the_job_before_any_list_is_touched(
    trained, jobs, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before = versions_of(trained)
    for module in jobs:
        job = trained.job(module.STEP.name, "tracking.uri=http://127.0.0.1:9")
        with pytest.raises(TrackingError, match="Connection refused"):
            module.STEP.action(job)
    assert versions_of(trained) == before


def compares_models(folder):
    variants = {"own": {"model": "champion"}, "other": {"model": "candidate"}}
    return conf_of(folder, models={"variants": variants})


def test_without_a_champion_its_lists_stay_unless_popularitys_are_asked_for(
    trained, jobs, tmp_path
):
    build, tracking = jobs[2].STEP.action, trained.job("look").tracking
    champion = tracking.by_alias("recommender", "champion")
    candidate = tracking.by_alias("recommender", "candidate")
    tracking.set_alias("recommender", "candidate", champion.version)
    before, versions = lists_of(trained), versions_of(trained)
    name = tracking.model_name("recommender")
    tracking.client.delete_registered_model_alias(name, "champion")
    summary = build(trained.job("build-recommendations"))
    assert "none" in summary["champion"]
    assert lists_of(trained) == before
    # An experiment names the candidate: its lists stand beside the champion's, as long as it runs.
    compared = replace(trained.job("build-recommendations"), conf_dir=compares_models(tmp_path))
    assert build(compared)["compared with"] == f"version {champion.version}"
    lists = trained.read("gold/candidate_recommendations")
    assert champion.version in {row[0] for row in lists.select("model_version").collect()}
    assert lists.select("user_id").distinct().count() == len({user for user, *_ in before})
    assert "compared with" not in build(trained.job("build-recommendations"))
    assert trained.read("gold/candidate_recommendations").isEmpty()
    assert versions_of(trained)["gold/popular_items"] > versions["gold/popular_items"]
    assert not trained.read("gold/similar_items").isEmpty()
    build(trained.job("build-recommendations", "recommend.lists.without_champion=popularity"))
    strategies = trained.read("gold/recommendations").select("strategy").distinct().collect()
    assert strategies == [("popularity",)]
    # There is nothing of a champion left to keep: the next lists are popularity's of today.
    assert "champion" not in build(trained.job("build-recommendations"))
    tracking.set_alias("recommender", "champion", champion.version)
    tracking.set_alias("recommender", "candidate", candidate.version)


def test_without_any_candidate_promotion_says_what_to_do_and_lists_are_popularitys(open_shop, jobs):
    _, promote, build = jobs
    fresh = open_shop(shop()[:300])
    with pytest.raises(QualityGateError, match="train-recommender"):
        fresh.carry_out(promote)
    fresh.carry_out(build)
    strategies = fresh.read("gold/recommendations").select("strategy").distinct().collect()
    assert strategies == [("popularity",)]
    assert fresh.read("gold/similar_items").isEmpty()


def decisions(share, n=900):
    """Returns lists of items of the users' halves that were shown after the cut, and clicks.

    Each was drawn with the probability `share`. Items up to i09 are clicked more, at any place.
    """
    chance = random.Random(23)
    rows, events = [], []
    for number in range(n):
        user, name = chance.randrange(N_USERS), f"d{number}"
        at = START + timedelta(hours=1250 + chance.randrange(200))
        items = [f"i{item:02d}" for item in range(user % 2, N_ITEMS, 2)]
        listed = chance.sample(items, 10)
        one = {"decision_id": name, "timestamp": at, "user_id": f"u{user:02d}", "item_ids": listed}
        known = {"kind": "new", "received_at": at, "event_date": at.date(), "ingest_batch": "b"}
        rows.append({**one, **known, "propensity": share, "experiments": {"lists": "random"}})
        seen = {"user_id": one["user_id"], "metadata": {"decision_id": name, "slot": "list"}}
        events.append({**seen, "event_type": "exposure", "timestamp": at + timedelta(minutes=1)})
        events += [
            {**seen, "event_type": "click", "item_id": item, "timestamp": at + timedelta(minutes=2)}
            for item in listed
            if chance.random() < (0.4 if item < "i10" else 0.1)
        ]
    return rows, events


@pytest.fixture(scope="module")
def shown_shop(open_shop, jobs):
    """Returns a shop that was trained after people had been shown lists, and what it said."""

    def make(share, *more):
        rows, events = decisions(share)
        found = open_shop([*shop(), *events])
        found.job("fill").writer("silver/decisions").append(
            table_frame(found.spark, "silver/decisions", rows)
        )
        found.lines = []
        # Clicks are events too: by then people had bought, and the lists came afterwards.
        cuts = ["recommend.split.test_from=0.38", "recommend.split.fold_ends=[0.3]"]
        job = found.job("train-recommender", *SHORT, *cuts, *more)
        job.say = found.lines.append
        with spark_work(found.spark) as found.training:
            found.summary = jobs[0].STEP.action(job)
        tracking = found.job("look").tracking
        found.candidate = tracking.by_alias("recommender", "candidate")
        found.run = tracking.client.get_run(found.candidate.run_id).data
        return found

    return make


@pytest.fixture(scope="module")
def drawn(shown_shop):
    return shown_shop(0.05)


def test_decisions_say_what_lists_of_the_tested_models_would_have_earned(drawn):
    metrics, tested = drawn.run.metrics, drawn.candidate.document["test"]["metrics"]
    told = drawn.candidate.document["off_policy"]
    assert told.keys() == tested.keys() > {"popularity", "popularity_tuned"}
    for model, one in told.items():
        assert one["status"] == "ok", model
        for method, (value, low, high) in one["values"].items():
            assert low < value < high
            # Beside the model's offline figures, in the same run.
            assert metrics[f"test_{model}_offpolicy_{method}"] == value
        value, low, high = one["values"]["doubly_robust"]
        assert f"test_{model}_ndcg_at_10" in metrics
        assert drawn.run.tags[f"offpolicy_status_{model}"] == "ok"
        assert drawn.summary[f"off-policy {model}"] == f"{value:.4f} [{low:.4f}, {high:.4f}] ok"
        # One item in twenty is the judged one, where it is of the user's half; a weight is twenty.
        assert one["overlap"] == pytest.approx(one["coverage"] / 20, abs=1e-5)
        assert 0.1 < one["coverage"] < 1.2
        assert one["n"] == len(decisions(0.05)[0])
    winner = drawn.run.params["winner"]
    assert metrics["offpolicy_snips"] == metrics[f"test_{winner}_offpolicy_snips"]
    assert {"offpolicy_snips_gain_low", "offpolicy_effective_sample_size"} <= metrics.keys()
    assert any(line.startswith("off-policy: 900 of 900 lists") for line in drawn.lines)


def test_what_lists_would_have_earned_is_within_what_lists_can_earn(drawn):
    """Clicks depend on the item alone here: 0.4 for 5 of the 20 items of a half, 0.1 for others."""
    told = drawn.candidate.document["off_policy"]
    for model, one in told.items():
        assert one["logged"] == pytest.approx(10 * (5 * 0.4 + 15 * 0.1) / 20, rel=0.1)
        assert 10 * 0.07 < one["values"]["snips"][0] < 10 * 0.45, model
        assert 0.7 < one["values"]["ips"][0] / one["coverage"] < 4.5, model


def test_decisions_are_read_once_and_asked_in_few_jobs(drawn, trained):
    assert drawn.training.scans_of("silver/decisions") == 1
    assert trained.training.scans_of("silver/decisions") == 0
    assert not trained.job("look").lake.ref("silver/decisions").exists()
    none = trained.job("look").tracking.by_alias("recommender", "candidate").document
    assert none["off_policy"] == {}
    assert not [name for name in trained.summaries[0] if name.startswith("off-policy")]


def test_of_lists_that_nothing_drew_the_overlap_alone_is_told_the_same_in_tasks(drawn, shown_shop):
    fixed = shown_shop(1.0, "recommend.driver_pairs=0")
    here = drawn.candidate.document["off_policy"]
    told = fixed.candidate.document["off_policy"]
    assert told.keys() == here.keys()
    for model, one in told.items():
        known = (one["status"], one["values"], one["coverage"])
        assert known == ("deterministic_logging", {}, None)
        for name in ("n", "overlap", "logged"):
            assert one[name] == here[model][name], (model, name)
    assert fixed.run.tags["offpolicy_status"] == "deterministic_logging"
    assert "offpolicy_overlap" in fixed.run.metrics
    assert "offpolicy_snips" not in fixed.run.metrics
