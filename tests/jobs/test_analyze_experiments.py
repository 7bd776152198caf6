"""analyze-experiments: from a lake of events to results, verdicts and reports."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
import yaml

from sparkperso.config.experiments.load import load_experiments
from sparkperso.config.experiments.started import record_start
from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.jobs.analyze_experiments.job import STEP
from sparkperso.pipeline.step import carry_out
from sparkperso.schemas.experiments import EXPERIMENT_RESULTS
from sparkperso.testing.frames import events_frame, table_frame

START = datetime(2026, 3, 2)
AS_OF = START + timedelta(days=14)
HERO = {
    "hypothesis": "Offers sell.",
    "status": "running",
    "variants": {"plain": 1, "offers": 1},
    "start": "2026-03-02",
    "end": "2026-03-16",
    "goals": ["conversion", "revenue_per_user"],
    "guardrails": ["bounce_rate"],
    "mde": 0.5,
}

MORE = ("experiments.metrics=[revenue_p90, retention_day_1]",)


def shopping(n=400, lift=0.8, seed=1, name="hero"):
    """Returns events of n users: half of them see offers, and buy more often by `lift`."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        user, variant = f"u{number}", ("plain", "offers")[number % 2]
        first = START + timedelta(hours=float(rng.uniform(0, 24 * 9)))
        metadata = {"experiment": name, "variant": variant, "decision_id": f"d{number}"}
        rows.append(event(user, first, "exposure", metadata=metadata))
        for _ in range(rng.integers(1, 4)):
            at = first + timedelta(hours=float(rng.uniform(0, 24 * 4)))
            rows.append(event(user, at, "page_view", session_id=f"{user}{at:%d}"))
        if rng.random() < 0.2 * (1 + lift * (variant == "offers")):
            at = first + timedelta(hours=float(rng.uniform(0.1, 48)))
            rows.append(event(user, at, "purchase", value=round(float(rng.gamma(2, 20)), 2)))
        if rng.random() < 0.3:
            rows.append(event(user, first - timedelta(days=3), "purchase", value=20.0))
    return rows


def event(user, at, kind, **fields):
    return {"user_id": user, "timestamp": at, "event_type": kind, **fields}


@pytest.fixture
def analyse(spark, make_job, lake, tmp_path):
    """Returns analyse(events, **experiments), which gives the job after it was carried out."""

    def run(rows, as_of=AS_OF, settings=("experiments.metrics=[]",), **experiments):
        conf = tmp_path / "conf"
        (conf / "experiments").mkdir(parents=True, exist_ok=True)
        for name, fields in experiments.items():
            (conf / "experiments" / f"{name}.yaml").write_text(
                yaml.safe_dump(fields, sort_keys=False)
            )
        if rows:
            lake.writer("silver/events").overwrite(events_frame(spark, rows))
        job = make_job(
            "analyze-experiments", as_of=as_of, set=settings, report=str(tmp_path / "reports")
        )
        job.conf_dir = conf
        outcome = carry_out(STEP, job)
        job.summary = outcome.summary
        return job

    return run


def rows_of(job, table="gold/experiment_results", where="true"):
    return [row.asDict() for row in job.lake.ref(table).read().where(where).collect()]


@pytest.fixture
def finished(analyse):
    """Returns the job of a finished experiment that helped."""
    return analyse(shopping(), settings=MORE, hero=HERO)


def test_a_finished_experiment_that_helped_is_shipped(finished, tmp_path):
    (verdict,) = rows_of(finished, "gold/experiment_verdicts")
    assert (verdict["verdict"], verdict["variant"]) == ("ship", "offers")
    assert verdict["n_units"] == {"plain": 200, "offers": 200}
    assert finished.summary["hero"].startswith("ship offers: ")
    found = rows_of(finished)
    everybody = [row for row in found if row["segment"] is None and row["as_of"] == AS_OF]
    assert {row["baseline"] for row in found} == {"plain"}
    (plain,) = [r for r in everybody if (r["metric"], r["method"]) == ("conversion", "plain")]
    assert plain["role"] == "goal"
    assert plain["value"] > plain["value_baseline"] > 0.1
    assert 0 < plain["effect_low"] < plain["effect"] < plain["effect_high"]
    assert plain["p_value"] <= plain["p_adjusted"] < 0.05
    assert plain["srm_p_value"] == 1
    # Never a number that is none.
    numbers = [value for row in found for value in row.values() if isinstance(value, float)]
    assert np.isfinite(numbers).all()
    # The days before, by the test that may be looked at every day; none after as-of.
    days = [r for r in found if r["as_of"] < AS_OF]
    assert {(r["method"], r["metric"]) for r in days} == {
        (method, goal) for method in ("plain", "sequential") for goal in HERO["goals"]
    }
    assert len({r["as_of"] for r in days}) > 7
    page = (tmp_path / "reports" / "hero.html").read_text()
    assert "Ship: offers" in " ".join(page.split())
    assert page.count("<svg") == 5
    assert set(re.findall(r"https?://[a-z0-9.]+", page)) == {"http://www.w3.org"}
    runs = finished.tracking.client.search_runs(
        [e.experiment_id for e in finished.tracking.client.search_experiments()]
    )
    (run,) = [r for r in runs if r.data.tags.get("verdict") == "ship"]
    assert run.data.metrics["conversion.offers.lift"] > 0
    artifacts = {a.path for a in finished.tracking.client.list_artifacts(run.info.run_id)}
    assert "report.html" in artifacts


def test_again_changes_nothing_and_another_time_stays(finished, analyse):
    before = sorted(map(str, rows_of(finished)))
    assert sorted(map(str, rows_of(analyse((), settings=MORE, hero=HERO)))) == before
    earlier = AS_OF - timedelta(days=3, hours=5)
    job = analyse((), as_of=earlier, settings=MORE, hero=HERO)
    again = rows_of(job)
    assert {row["as_of"] for row in again} == {row["as_of"] for row in rows_of(job)}
    assert [r for r in again if r["as_of"] == earlier and r["method"] == "cuped"]
    assert [r for r in again if r["as_of"] == AS_OF and r["method"] == "cuped"]
    verdicts = {row["as_of"]: row for row in rows_of(job, "gold/experiment_verdicts")}
    assert set(verdicts) == {earlier, AS_OF}
    keys = [tuple(row[n] for n in EXPERIMENT_RESULTS.key) for row in again]
    assert len(set(keys)) == len(keys)


def test_what_is_odd_has_a_status_and_breaks_no_other(analyse):
    """Nobody exposed, one unit, a variant that nobody saw, several variants, wrong shares."""
    fields = {**HERO, "goals": ["conversion"], "guardrails": []}
    rows = shopping(120)
    rows += [exposed("single", "x1", "plain", 1)]
    rows += [exposed("missing", f"m{k}", "plain", k) for k in range(40)]
    for k in range(60):
        rows.append(exposed("several", f"s{k}", ("plain", "offers")[k % 2], k))
        rows += [exposed("several", f"s{k}", "offers", k + 1)] if k < 8 else []
        rows += [exposed("skewed", f"k{k}", "plain" if k < 50 else "offers", k)]
    job = analyse(
        rows,
        hero=fields,
        nobody=fields,
        single=fields,
        missing=fields,
        several=fields,
        skewed=fields,
        young={**fields, "end": "2026-04-16", "start": "2026-03-15T12:00"},
        draft={**fields, "status": "draft"},
    )
    verdicts = {row["experiment"]: row for row in rows_of(job, "gold/experiment_verdicts")}
    assert {name: row["verdict"] for name, row in verdicts.items()} == {
        "hero": verdicts["hero"]["verdict"],
        "nobody": "broken",
        "single": "broken",
        "missing": "broken",
        "several": "broken",
        "skewed": "broken",
        "young": "keep_running",
    }
    assert verdicts["hero"]["verdict"] in ("ship", "stop")
    assert verdicts["several"]["n_several"] == 4
    assert verdicts["nobody"]["n_units"] == {"plain": 0, "offers": 0}
    assert "several variants" in verdicts["several"]["why"]
    assert (
        "Nobody saw offers" in verdicts["missing"]["why"] or "weights" in verdicts["missing"]["why"]
    )
    found = rows_of(job)
    statuses = {
        row["status"] for row in found if (row["experiment"], row["method"]) == ("single", "plain")
    }
    assert statuses <= {"too_few_units", "no_denominator"}
    numbers = [value for row in found for value in row.values() if isinstance(value, float)]
    assert np.isfinite(numbers).all()
    exposures = job.lake.ref("gold/exposures").read()
    assert exposures.groupBy("experiment", "unit").count().where("count > 1").count() == 0


def test_segments_and_strata_are_those_before_the_exposure(analyse, spark, lake):
    rows = shopping(300)
    users = sorted({row["user_id"] for row in rows})
    day = START - timedelta(days=1)
    history = [
        {
            "user_id": user,
            "segment_id": f"groups-{int(user[1:]) // 2 % 2 + 1}",
            "segmentation": "groups",
            "label": "a group",
            "change": "entered",
            "as_of": day,
            "model_version": "m",
            "assigned_at": day,
        }
        for user in users[:-10]
    ]
    lake.writer("gold/segment_history").overwrite(
        table_frame(spark, "gold/segment_history", history)
    )
    settings = [
        "experiments.metrics=[]",
        "experiments.segmentations=[groups]",
        "experiments.strata=groups",
    ]
    job = analyse(rows, settings=settings, hero=HERO)
    found = [r for r in rows_of(job) if (r["metric"], r["as_of"]) == ("conversion", AS_OF)]
    plain = {r["segment"]: r for r in found if r["method"] == "plain"}
    assert set(plain) == {None, "", "groups-1", "groups-2"}
    assert sum(plain[s]["n"] for s in ("", "groups-1", "groups-2")) == plain[None]["n"] == 150
    (stratified,) = [r for r in found if r["method"] == "stratified"]
    assert stratified["effect"] == pytest.approx(plain[None]["effect"], abs=0.03)
    corrected = [plain[s]["p_adjusted"] for s in ("groups-1", "groups-2")]
    assert all(
        p >= plain[s]["p_value"] for p, s in zip(corrected, ("groups-1", "groups-2"), strict=True)
    )


def test_a_change_after_the_start_breaks_it(analyse, tmp_path):
    conf = tmp_path / "conf"
    (conf / "experiments").mkdir(parents=True)
    path = conf / "experiments" / "hero.yaml"
    path.write_text(yaml.safe_dump(HERO, sort_keys=False))
    record_start(load_experiments(conf)["hero"], START.replace(tzinfo=timezone.utc), conf)
    assert analyse(shopping(100), hero=HERO).summary["hero"].split(":")[0] != "broken"
    heavier = {**HERO, "variants": {"plain": 1, "offers": 3}}
    job = analyse((), hero=heavier)
    assert job.summary["hero"].startswith("broken: ")
    (verdict,) = rows_of(job, "gold/experiment_verdicts")
    assert any("weights are others" in text for text in verdict["warnings"])


def test_names_that_are_none_are_refused_before_any_work(analyse, make_job, tmp_path):
    with pytest.raises(ConfigError, match="conversion"):
        analyse(
            (),
            hero={**HERO, "goals": ["convertion"]},
            draft={**HERO, "status": "draft"},
        )
    for name, text in (("heroe", "hero"), ("draft", "draft")):
        job = make_job("analyze-experiments", as_of=AS_OF, experiment=(name,))
        job.conf_dir = tmp_path / "conf"
        with pytest.raises(UsageError, match=text):
            carry_out(STEP, job)


def test_without_experiments_there_is_nothing_to_do(analyse):
    assert analyse(shopping(4)).summary == {"experiments": "none that has begun"}


def test_the_only_experiment_may_have_nobody(analyse):
    events = [row for row in shopping(4) if row["event_type"] != "exposure"]
    job = analyse(events, hero=HERO)
    assert job.summary["hero"].startswith("broken: Nobody was exposed")


def exposed(name, user, variant, hours):
    metadata = {"experiment": name, "variant": variant, "decision_id": f"{name}{user}"}
    return event(user, START + timedelta(hours=hours), "exposure", metadata=metadata)


BANDIT = {
    "hypothesis": "One of them sells.",
    "status": "running",
    "variants": {"plain": 1, "offers": 1},
    "start": "2026-03-02",
    "bandit": {"metric": "conversion", "floor": 0.1},
}


def test_a_bandits_shares_follow_its_metric_and_it_is_not_tested(analyse, tmp_path):
    rows = [*shopping(n=300, lift=2.0), *shopping(n=300, seed=2, name="other")]
    job = analyse(rows, hero=BANDIT, other={**BANDIT, "status": "stopped"})
    shares = rows_of(job, "gold/experiment_shares", "experiment = 'hero'")
    by_variant = {row["variant"]: row for row in shares}
    assert by_variant["offers"]["share"] == pytest.approx(0.9, abs=0.02)
    assert sum(row["share"] for row in shares) == pytest.approx(1)
    assert {row["segment"] for row in shares} == {None}
    for row in shares:
        assert row["n"] == 150
        assert row["n_effective"] <= 150
        assert row["value_low"] < row["value"] < row["value_high"]
    assert rows_of(job) == []
    verdicts = {row["experiment"]: row for row in rows_of(job, "gold/experiment_verdicts")}
    assert verdicts["hero"]["verdict"] == "keep_running"
    assert verdicts["hero"]["why"].startswith("A bandit: offers has the largest share, ")
    assert verdicts["other"]["verdict"] == "stop"
    assert verdicts["hero"]["srm_p_value"] is None
    assert "follow the metric" in (tmp_path / "reports" / "hero.html").read_text()
    # Again: the same; before anything was shown: the weights.
    again = analyse((), hero=BANDIT, other={**BANDIT, "status": "stopped"})
    assert sorted(map(str, rows_of(again, "gold/experiment_shares", "experiment = 'hero'"))) == (
        sorted(map(str, shares))
    )
    early = analyse((), as_of=START, hero=BANDIT, other={**BANDIT, "status": "stopped"})
    found = rows_of(early, "gold/experiment_shares")
    assert {(row["share"], row["n"], row["value"]) for row in found} == {(0.5, 0, None)}
    # One that is taken out of conf/ has no shares any more.
    (tmp_path / "conf" / "experiments" / "other.yaml").unlink()
    left = rows_of(analyse((), hero=BANDIT), "gold/experiment_shares")
    assert {row["experiment"] for row in left} == {"hero"}


def test_the_bandit_of_a_slot_is_an_experiment(analyse, tmp_path):
    slots = tmp_path / "conf" / "slots"
    slots.mkdir(parents=True)
    own = {"contents": ["plain", "offers"], "metric": "conversion", "start": "2026-03-02"}
    (slots / "hero.yaml").write_text(yaml.safe_dump({"bandit": own}))
    job = analyse(shopping(n=200, name="slot-hero"))
    shares = rows_of(job, "gold/experiment_shares")
    assert {(row["experiment"], row["variant"]) for row in shares} == {
        ("slot-hero", "plain"), ("slot-hero", "offers"),
    }  # fmt: skip


def test_a_bandit_on_a_mean_is_refused(analyse):
    of_mean = {**BANDIT, "bandit": {"metric": "revenue_per_user"}}
    with pytest.raises(ConfigError, match="its kind is mean"):
        analyse(shopping(n=20), hero=of_mean)
