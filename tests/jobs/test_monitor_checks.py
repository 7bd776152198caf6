"""monitor's checks on a lake: what is planted is found, what is absent is said, nothing fails."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from sparkperso.core.errors import QualityGateError
from sparkperso.jobs.monitor import STEP
from sparkperso.jobs.monitor.job import ALERTS, CHECKS
from sparkperso.jobs.monitor.states import check_models
from sparkperso.pipeline.step import carry_out
from sparkperso.schemas import TABLES
from sparkperso.testing.frames import events_frame, table_frame

pytestmark = pytest.mark.usefixtures("unrecorded")
AS_OF = datetime(2026, 3, 30, 23)
DAY = timedelta(days=1)
NO_KPIS = ["monitoring.kpis.metrics=[]"]
FEATURES = {
    c.name: 0 if c.type == "bigint" else 0.0
    for c in TABLES["gold/user_features"].columns
    if c.type in ("double", "bigint")
}


@pytest.fixture
def run(make_job):
    """Returns run(…), which carries monitor out and returns check, subject → row."""

    def monitor(set=(), **options):  # noqa: A002
        job = make_job("monitor", set=[*NO_KPIS, *set], **options)
        try:
            carry_out(STEP, job)
        finally:
            rows = job.lake.ref(CHECKS).read().where(f"run_id = '{job.run_id}'").collect()
            monitor.found = {(row["check"], row["subject"]): row for row in rows}
        return monitor.found

    return monitor


@pytest.fixture
def add(spark, make_job):
    def add(table, rows, **defaults):
        if table == "silver/events":
            frame = events_frame(spark, rows)
        else:
            frame = table_frame(spark, table, rows, **defaults)
        make_job("test").writer(table).append(frame)

    return add


@pytest.fixture
def alerts(make_job):
    def read():
        return make_job("test").lake.ref(ALERTS).read().orderBy("first_seen", "subject").collect()

    return read


def weeks_of(kind, n, n_weeks=9, last=None):
    """Returns n events of a type on each day that is a whole number of weeks before yesterday."""
    return [
        {"user_id": f"u{k}", "event_type": kind, "timestamp": AS_OF - DAY - week * 7 * DAY}
        for week in range(n_weeks)
        for k in range(n if week or last is None else last)
    ]


NOW = {"user_id": "u0", "event_type": "page_view", "timestamp": AS_OF}


def test_on_an_empty_lake_everything_is_unknown_and_nothing_fails(run):
    found = run()
    assert {row["status"] for row in found.values()} == {"unknown"}
    assert {check for check, _ in found} == {
        *("volume", "kpi", "quarantine", "feature_drift", "score_drift", "segment_drift"),
        *("user_coverage", "staleness", "champion", "store", "fallback", "lag", "overfit"),
    }


def test_a_planted_drop_opens_an_alert_that_goes_on_and_is_resolved(run, add, alerts):
    add("silver/events", [*weeks_of("click", 100, last=10), *weeks_of("purchase", 20), NOW])
    found = run()
    assert found["volume", "event_type=click"]["status"] == "critical"
    assert found["volume", "event_type=purchase"]["status"] == "ok"
    run()
    (clicks,) = [one for one in alerts() if one["subject"] == "event_type=click"]
    assert (clicks["status"], clicks["severity"]) == ("open", "critical")
    assert clicks["last_seen"] > clicks["first_seen"]
    assert "collector" in clicks["to_do"]
    with pytest.raises(QualityGateError, match="fail-on-critical"):
        run(fail_on_critical=True)
    late = weeks_of("click", 100, n_weeks=1)[10:]
    add("silver/events", late)
    run(fail_on_critical=True)
    (clicks,) = [one for one in alerts() if one["subject"] == "event_type=click"]
    assert clicks["status"] == "resolved"
    assert clicks["resolved_at"] > clicks["last_seen"]


def features(n, amount):
    return [
        {"user_id": f"u{k}", "as_of": AS_OF, **FEATURES, "monetary": amount(k)} for k in range(n)
    ]


def lists(n, score):
    return [
        {"user_id": f"u{k}", "kind": "new", "rank": 1, "item_id": f"i{k % 5}", "score": score(k)}
        for k in range(n)
    ]


def test_features_scores_and_segments_drift_against_a_reference(run, add, make_job):
    lake = make_job("test").lake
    skipped = ["monitoring.checks.skip=[volume, staleness, lag, coverage, quarantine]"]
    own = {"strategy": "als", "reason": "r", "model_version": "1", "generated_at": AS_OF}
    maps = {"category_mix": {}, "feature_use": {}}
    member = {
        **{"segmentation": "people", "exclusive": True, "label": "l", "kind": "rule"},
        **{"model_version": "m", "assigned_at": AS_OF},
    }
    add("silver/events", [NOW])
    add("gold/user_features", features(400, float), **maps)
    add("gold/recommendations", lists(400, float), **own)
    people = [{"user_id": f"u{k}", "segment_id": f"people-{k % 2}"} for k in range(400)]
    add("gold/segments", people, **member)
    first = run(skipped)
    assert {row["status"] for row in first.values()} == {"unknown"}
    subjects = [
        ("feature_drift", "monetary"),
        ("score_drift", "score"),
        ("segment_drift", "segments people"),
    ]
    assert all("reference is taken" in first[subject]["message"] for subject in subjects)
    again = run(skipped)
    assert [(again[s]["status"], again[s]["value"]) for s in subjects] == [("ok", 0.0)] * 3
    for table, rows, defaults in (
        ("gold/user_features", features(400, lambda k: float(k // 4)), maps),
        ("gold/recommendations", lists(400, lambda k: float(k // 4)), own),
        ("gold/segments", [{**p, "segment_id": "people-2"} for p in people], member),
    ):
        lake.ref(table).delta().delete()
        add(table, rows, **defaults)
    drifted = run(skipped)
    assert [drifted[subject]["status"] for subject in subjects] == ["critical"] * 3
    assert drifted["feature_drift", "frequency"]["status"] == "ok"
    anew = run(skipped, new_reference=True)
    assert {anew[subject]["status"] for subject in subjects} == {"unknown"}
    assert {run(skipped)[subject]["status"] for subject in subjects} == {"ok"}


def test_coverage_fallbacks_lag_ages_and_quarantine(run, add):
    add("silver/events", [{**NOW, "user_id": f"u{k}"} for k in range(10)])
    own = {"strategy": "als", "reason": "r", "model_version": "1", "generated_at": AS_OF}
    add("gold/recommendations", lists(4, float), **own)
    item = {"tags": [], "attributes": {}, "first_seen_at": AS_OF, "seen_at": (None,) * 3}
    add("silver/items", [{"item_id": f"i{k}"} for k in range(8)], **item)
    decided = {
        **{"kind": "new", "received_at": AS_OF, "event_date": AS_OF.date(), "propensity": 1.0},
        **{"item_ids": [], "ingest_batch": "b"},
    }
    reasons = [None] * 80 + ["store_slow"] * 30 + ["unknown_user"] * 90
    rows = [
        {"decision_id": f"d{k}", "fallback": reason, "timestamp": AS_OF - k * timedelta(minutes=5)}
        for k, reason in enumerate(reasons)
    ]
    old = [{**row, "timestamp": AS_OF - 3 * DAY, "fallback": "no_version"} for row in rows]
    add("silver/decisions", [*rows, *old], **decided)
    batch = {
        **{"run_id": "r", "source": "shop", "generation": "g", "ingest_batch": "b"},
        **{"started_at": AS_OF, "n_records": 1, "n_late": 0, "processed_per_second": 1.0},
        **{"median_age_seconds": 1.0},
    }
    ages = [(1, AS_OF - DAY, 9999.0, 0), (2, AS_OF, 400.0, 200_000)]
    rows = [
        {"batch_number": n, "finished_at": at, "max_age_seconds": age, "max_offset_lag": left}
        for n, at, age, left in ages
    ]
    add("ops/stream_progress", rows, **batch)
    counted = {"run_id": "r", "source": "shop", "ingest_batch": "b", "received_at": AS_OF}
    rules = {"received": 1000, "quarantined": 300, "refused": 10, "valid": 690}
    add("ops/data_quality", [{"rule": r, "n_records": n} for r, n in rules.items()], **counted)
    limits = "monitoring.checks.staleness.tables={silver/items: {warning: 0}}"
    found = run(["monitoring.checks.coverage.items={warning: 0.6}", limits])
    judged = {key: (row["status"], row["value"]) for key, row in found.items()}
    assert judged["user_coverage", "active users with a list"] == ("critical", 0.4)
    assert judged["item_coverage", "items in a list"] == ("warning", 0.5)
    assert judged["fallback", "decisions"] == ("warning", 0.15)
    assert "store_slow 30" in found["fallback", "decisions"]["message"]
    assert judged["lag", "shop"] == ("warning", 400.0)
    assert judged["lag", "shop offsets"] == ("warning", 200_000)
    assert judged["quarantine", "shop"] == ("critical", 0.3)
    assert judged["refused", "shop"] == ("ok", 0.01)
    assert judged["staleness", "silver/items"][0] == "warning"
    assert judged["staleness", "silver/decisions"][0] == "ok"
    checked = found["staleness", "silver/items"]["checked_at"].astimezone(timezone.utc)
    assert checked.year >= 2026


def test_a_model_is_held_against_lists_by_popularity_of_its_own_days(make_job, add):
    job = make_job("monitor")
    for share in (0.1, 0.2):
        with job.tracking.run("train-recommender", "light") as run:
            document = {"folds": [{"ndcg_at_10": share}]}
            job.tracking.register("recommender", run.run_id, document)
    ages = {"1": (14, 13), "2": (3, 2)}  # days before now on which each was shown
    rows = [
        {"day": (AS_OF - age * DAY).date(), "kpi": "click_through", "channel": None, **row}
        for version, days in ages.items()
        for age in days
        for row in (
            {"strategy": "hybrid", "model_version": version, "numerator": 700.0 - age % 2},
            {"strategy": "popularity", "numerator": 100.0 * int(version)},
            {"strategy": "rules", "numerator": 1.0},
        )
    ]
    add("gold/kpis_daily", rows, denominator=1000.0, value=0.5)
    (found,) = check_models(job)
    told = "0.6995 after 0.6995, lists by popularity on the same days 0.2000 after 0.1000"
    assert (found.subject, found.status) == ("model 2", "warning")
    assert told in found.message
