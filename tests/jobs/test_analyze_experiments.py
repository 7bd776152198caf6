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
    assert {name: row["reason"] for name, row in verdicts.items() if name != "hero"} == {
        "nobody": "nobody_exposed",
        "single": "missing_variant",
        "missing": "sample_ratio_mismatch",
        "several": "multiple_exposures",
        "skewed": "sample_ratio_mismatch",
        "young": "no_units_yet",
    }
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
    assert verdict["reason"] == "changed_after_start"


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
    # Somebody who sees the other variant on another day is a trial of both.
    other = {"experiment": "hero", "variant": "offers"}
    rows += [event("u0", START + timedelta(days=12), "exposure", metadata=other)]
    job = analyse(rows, hero=BANDIT, other={**BANDIT, "status": "stopped"})
    shares = rows_of(job, "gold/experiment_shares", "experiment = 'hero'")
    by_variant = {row["variant"]: row for row in shares}
    assert by_variant["offers"]["share"] == pytest.approx(0.9, abs=0.02)
    assert sum(row["share"] for row in shares) == pytest.approx(1)
    assert {row["segment"] for row in shares} == {None}
    for row in shares:
        assert row["n"] == 150 + (row["variant"] == "offers")
        assert row["n_effective"] <= row["n"]
        assert row["value_low"] < row["value"] < row["value_high"]
    assert rows_of(job) == []
    verdicts = {row["experiment"]: row for row in rows_of(job, "gold/experiment_verdicts")}
    assert verdicts["hero"]["verdict"] == "keep_running"
    assert verdicts["hero"]["why"].startswith("A bandit: offers has the largest share, ")
    assert verdicts["other"]["verdict"] == "stop"
    assert verdicts["hero"]["srm_p_value"] is None
    assert verdicts["hero"]["n_units"] == {"plain": 150, "offers": 150}
    assert verdicts["hero"]["n_several"] == 0
    assert "follow the metric" in (tmp_path / "reports" / "hero.html").read_text()
    # Before anything was shown: the weights; one that is taken out of conf/ has no shares any more.
    (tmp_path / "conf" / "experiments" / "other.yaml").unlink()
    early = rows_of(analyse((), as_of=START, hero=BANDIT), "gold/experiment_shares")
    assert {(r["experiment"], r["share"], r["n"], r["value"]) for r in early} == {
        ("hero", 0.5, 0, None)
    }


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


SHORT = {**HERO, "goals": ["conversion"], "guardrails": []}
HERO_SLOT = {"plain": {"weight": 1}, "offers": {"content": {"hero": "offers"}}}


def seen(n, **variant_of):
    """Returns exposures of n users to several experiments: name → user's number → its variant."""
    return [
        exposed(name, f"u{k}", ("plain", "offers")[of(k)], k % 200)
        for name, of in variant_of.items()
        for k in range(n)
        if of(k) is not None
    ]


def verdicts_of(job):
    """Returns experiment → its verdict's row; nothing of its results may be no number."""
    found = rows_of(job)
    numbers = [value for row in found for value in row.values() if isinstance(value, float)]
    assert np.isfinite(numbers).all()
    assert all(row["status"] for row in found)
    return {row["experiment"]: row for row in rows_of(job, "gold/experiment_verdicts")}


def test_two_experiments_that_share_units_are_told_and_break_where_they_cannot_be_told_apart(
    analyse, make_job, tmp_path
):
    """In one layer evenly: a warning. The same change, or one seed: broken. Apart: nothing."""
    layer = {"name": "home", "range": [0, 0.6]}
    job = analyse(
        seen(
            400,
            even=lambda k: k % 2,
            beside=lambda k: k // 2 % 2 if k < 40 else None,
            slot_a=lambda k: k // 4 % 2,
            slot_b=lambda k: k // 8 % 2 if k < 80 else None,
            seed_a=lambda k: k // 16 % 2,
            seed_b=lambda k: k // 16 % 2,
        ),
        even={**SHORT, "layer": layer},
        beside={**SHORT, "layer": {"name": "home", "range": [0.5, 1]}},
        slot_a={**SHORT, "variants": HERO_SLOT},
        slot_b={**SHORT, "variants": HERO_SLOT},
        seed_a={**SHORT, "seed": "one"},
        seed_b={**SHORT, "seed": "one"},
    )
    verdicts = verdicts_of(job)
    reasons = {name: row["reason"] for name, row in verdicts.items()}
    assert reasons == {
        **{"even": "no_goal_measured", "beside": "no_goal_measured"},
        **{"slot_a": "overlapping_layers", "slot_b": "overlapping_layers"},
        **{"seed_a": "overlapping_layers", "seed_b": "overlapping_layers"},
    }
    (warning,) = verdicts["even"]["warnings"]
    assert warning.startswith(
        "40 of 400 units were in 'beside' at the same time, which is in the layer 'home' too"
    )
    assert "80 of 400 units" in verdicts["slot_a"]["warnings"][0]
    assert "changes the content of slot hero too" in verdicts["slot_a"]["warnings"][0]
    assert "not spread evenly" in verdicts["seed_a"]["warnings"][0]
    assert "another experiment at the same time" in verdicts["seed_a"]["why"]
    page = (tmp_path / "reports" / "slot_a.html").read_text()
    assert "80 of 400 units were in" in page
    # One alone says the same: its neighbours are looked at, whatever is asked for.
    alone = make_job(
        "analyze-experiments",
        as_of=AS_OF,
        set=("experiments.metrics=[]",),
        experiment=("slot_a",),
    )
    alone.conf_dir = job.conf_dir
    assert carry_out(STEP, alone).summary["slot_a"].startswith("broken: ")


def test_one_after_the_other_is_no_overlap_and_what_is_carried_over_is_told(analyse):
    """Version 2 deals out by the seed of version 1, whose buyers bought more already."""
    rows = seen(300, **{"hero:2": lambda k: k % 2, "late": lambda k: k // 2 % 2})
    for k in range(300):
        first = START - timedelta(days=10, hours=k % 50)
        for name, of in (("hero", k % 2), ("early", k // 4 % 2)):
            metadata = {"experiment": name, "variant": ("plain", "offers")[of]}
            rows.append(event(f"u{k}", first, "exposure", metadata=metadata))
        if k % 3 == 0 or (k % 4 == 1 and k // 4 % 2):
            rows.append(event(f"u{k}", START - timedelta(days=2), "purchase", value=50.0))
    place = {"name": "home", "range": [0, 1]}
    over = {"start": "2026-02-10", "end": "2026-03-01"}
    job = analyse(
        rows,
        hero={**SHORT, "version": 2, "goals": ["revenue_per_user"]},
        early={**SHORT, **over, "layer": place},
        late={**SHORT, "layer": place, "goals": ["revenue_per_user"]},
    )
    verdicts = verdicts_of(job)
    assert all(row["reason"] != "overlapping_layers" for row in verdicts.values())
    (text,) = [t for t in verdicts["hero:2"]["warnings"] if "before, and its variants" in t]
    assert text.startswith("300 units were in 'hero' before")
    assert not [t for t in verdicts["late"]["warnings"] if "spread evenly" in t]
    assert not verdicts["early"]["warnings"]


def test_what_an_earlier_experiment_still_does_is_told(analyse):
    """Of whom the earlier one's offers were shown to, buyers are now shown offers more often."""
    rows = []
    for k in range(400):
        before, now = k // 2 % 2, k % 2
        rows.append(exposed("late", f"u{k}", ("plain", "offers")[now], k % 200))
        metadata = {"experiment": "early", "variant": ("plain", "offers")[before]}
        rows.append(event(f"u{k}", START - timedelta(days=9), "exposure", metadata=metadata))
        value = 10.0 + k % 7 + 30 * before * now
        rows.append(event(f"u{k}", START - timedelta(days=1), "purchase", value=value))
    place = {"name": "home", "range": [0, 1]}
    job = analyse(
        rows,
        early={**SHORT, "start": "2026-02-10", "end": "2026-03-01", "layer": place},
        late={**SHORT, "layer": place, "goals": ["revenue_per_user"]},
    )
    (text,) = [t for t in verdicts_of(job)["late"]["warnings"] if "carried over" in t]
    assert text.startswith("revenue_per_user: of the units that were in 'early' before")


def test_clocks_that_run_ahead_are_told_and_break_what_they_are_most_of(analyse):
    """Exposures after their receipt, of few or of many; purchases after theirs; early clicks."""
    fields = {**SHORT, "start": "2026-03-02"}
    rows = []
    for name, ahead in (("few", 4), ("many", 20), ("tills", 0), ("late", 0)):
        for k in range(100):
            user, at = f"{name}{k}", START + timedelta(hours=k)
            slow = timedelta(minutes=5 if k < ahead else -1)
            one = exposed(name, user, ("plain", "offers")[k % 2], k)
            rows.append({**one, "received_at": at - slow})
            bought = at + timedelta(hours=1)
            off = timedelta(minutes=9 if name == "tills" and k < 50 else 0)
            rows.append(event(user, bought, "purchase", value=9.0, received_at=bought - off))
            if name == "late" and k < 30:
                early = timedelta(seconds=5 if k < 20 else -5)
                click = {"decision_id": f"{name}{user}"}
                rows.append(event(user, at - early, "click", metadata=click))
    job = analyse(rows, few=fields, many=fields, tills=fields, late=fields)
    verdicts = verdicts_of(job)
    assert {name: row["reason"] for name, row in verdicts.items()} == {
        "few": verdicts["few"]["reason"],
        "many": "clock_skew",
        "tills": "clock_skew",
        "late": "outcomes_before_exposure",
    }
    assert verdicts["few"]["verdict"] != "broken" or verdicts["few"]["reason"] == "no_goal_measured"
    assert "4 of 100 exposure events have a time more than a minute after" in str(
        verdicts["few"]["warnings"]
    )
    assert "50 of 100 events of its units have a time" in str(verdicts["tills"]["warnings"])
    assert "20 of 30 clicks, of 20 units, came before" in str(verdicts["late"]["warnings"])
    assert "clocks of its events are off" in verdicts["many"]["why"]


def test_metrics_that_are_all_zero_or_have_one_huge_value_have_a_status(analyse):
    """Nobody bought; one order of 10³⁰⁰, of which nothing counts; one of 10¹⁵, which decides it."""
    fields = {**SHORT, "goals": ["revenue_per_user"]}
    rows = seen(60, zero=lambda k: k % 2)
    for name, value in (("endless", 1e300), ("huge", 1e15)):
        for k in range(60):
            rows.append(exposed(name, f"{name}{k}", ("plain", "offers")[k % 2], k))
        rows.append(event(f"{name}1", START + timedelta(hours=70), "purchase", value=value))
    job = analyse(rows, zero=fields, endless=fields, huge=fields)
    verdicts = verdicts_of(job)
    statuses = {
        name: {r["status"] for r in rows_of(job) if r["experiment"] == name} for name in verdicts
    }
    assert statuses["zero"] == statuses["endless"] == {"no_variance"}
    assert statuses["huge"] <= {"zero_baseline", "no_covariate", "no_variance"}
    assert verdicts["zero"]["reason"] == verdicts["endless"]["reason"] == "no_goal_measured"
    assert "all units of both groups have the same value" in verdicts["zero"]["why"]
    assert verdicts["huge"]["reason"] == "no_gain"
