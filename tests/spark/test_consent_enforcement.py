"""Ingest and collector judge alike: each Column is held against the plain function."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product
from random import Random

import pytest
from pyspark.sql import functions as F

from sparkperso.core.consent import PURPOSES, Decision, decision_of, is_allowed
from sparkperso.ingest.consent_check import allowed_column, refusals, regime_column
from sparkperso.services.collect.intake.consent_store import ConsentStore

NOON = datetime(2026, 6, 1, 12)
RECORD = (
    "record_number bigint, is_refused boolean, is_rejected boolean, event_id string, "
    "record_id string, user_id string, anonymous_id string, event_type string, "
    "metadata map<string,string>, timestamp timestamp, received_at timestamp, "
    "effective_at timestamp, "
    "collected struct<site:string,basis:string,purpose:string,region:string,opted_out:boolean>"
)
DECISION = (
    "site string, subject_id string, purpose string, granted boolean, decided_at timestamp, "
    "effective_at timestamp"
)


@pytest.fixture
def policy(settings):
    return settings.consent


def record(number, user=None, device=None, at=NOON, **noted):
    defaults = {"site": "shop", "basis": "required", "purpose": "analytics", "region": "DE"}
    facts = tuple({**defaults, "opted_out": False, **noted}.values())
    named = (f"e{number}", f"r{number}", user, device, "click", {}, at, at, at, facts)
    return (number, False, False, *named)


@pytest.fixture
def refused(spark, policy):
    """Returns refused(records, decisions): the numbers of the records that may not be kept."""

    def run(records, decisions):
        frame = spark.createDataFrame(records, RECORD)
        rows = [row if len(row) == 6 else (*row, row[-1]) for row in decisions]
        decided = spark.createDataFrame(rows, DECISION)
        return {row[0] for row in refusals(frame, decided, policy).collect()}

    return run


def test_the_rule_is_the_same_for_every_combination(spark):
    bases, regimes = ("required", "assumed: contract"), ("opt_in", "opt_out")
    cases = list(product(PURPOSES, bases, regimes, (True, False, None), (True, False)))
    schema = "purpose string, basis string, regime string, decision boolean, opted_out boolean"
    rows = spark.createDataFrame(cases, schema)
    found = rows.select("*", allowed_column(F.col("decision")).alias("is_allowed")).collect()
    assert {tuple(row)[:-1]: row["is_allowed"] for row in found} == {
        case: is_allowed(*case) for case in cases
    }


def test_the_regime_of_a_region_is_the_same(spark, policy):
    policy = policy.model_copy(update={"opt_in_regions": ("DE", "US-CA", "FR")})
    policy = policy.model_copy(update={"opt_out_regions": ("US", "FR-75")})
    regions = ["DE", "DE-BE", "US", "US-CA", "US-NY", "FR", "FR-75", "ZZ", "", None]
    rows = spark.createDataFrame([(region,) for region in regions], "region string")
    for default in ("opt_in", "opt_out"):
        own = policy.model_copy(update={"default": default})
        found = rows.select("region", regime_column(F.col("region"), own)).collect()
        assert dict(map(tuple, found)) == {region: own.regime_of(region) for region in regions}


def test_what_two_identifiers_decided_is_combined_alike(refused):
    moments = (NOON - timedelta(hours=1), NOON)
    said = list(product((None, *product((True, False), moments)), repeat=2))
    records = [record(n, f"u{n}", f"d{n}") for n in range(len(said))]
    decisions = [
        ("shop", f"{kind}{n}", "analytics", *one)
        for n, pair in enumerate(said)
        for kind, one in zip("ud", pair, strict=True)
        if one is not None
    ]
    states = [[{"analytics": Decision(g[0], str(g[1]))} if g else {} for g in p] for p in said]
    expected = {
        n
        for n, state in enumerate(states)
        if not is_allowed(
            "analytics", "required", "opt_in", decision_of(*state, "analytics"), False
        )
    }
    assert refused(records, decisions) == expected


def test_a_decision_counts_from_its_moment_on_and_of_one_moment_the_no(refused):
    moments = [NOON + timedelta(microseconds=step) for step in (-1, 0, 1, 2, 3)]
    decisions = [
        ("shop", "u", "analytics", True, NOON),
        ("shop", "u", "analytics", False, moments[3]),
    ]
    decisions += [("shop", "w", "analytics", granted, NOON) for granted in (True, False)]
    records = [record(n, "u", at=at) for n, at in enumerate(moments)]
    assert refused([*records, record(9, "w")], decisions) == {0, 3, 4, 9}


def test_late_decisions_count_as_in_the_collector(refused, tmp_path):
    rng = Random(5)
    minutes = [NOON + timedelta(minutes=m) for m in range(12)]
    decisions, records, expected = [], [], set()
    store = ConsentStore(tmp_path / "consents.sqlite")
    for person in range(40):
        for at in sorted(rng.sample(minutes, 5)):
            said, decided = rng.random() < 0.6, min(at, rng.choice(minutes))
            decisions.append(("shop", f"u{person}", "analytics", said, decided, at))
            one = ("user_id", f"u{person}", {"analytics": said}, decided.isoformat())
            store.put_all("shop", [one])
        records.append(record(person, f"u{person}", at=minutes[-1]))
        if not store.get("shop", "user_id", f"u{person}")["analytics"].is_granted:
            expected.add(person)
    store.close()
    assert 5 < len(expected) < 35
    assert refused(records, decisions) == expected


def test_a_decision_holds_for_its_site_purpose_and_person_alone(refused):
    decisions = [("shop", "u", "analytics", True, NOON)]
    records = [
        record(0, "u"),
        record(1, "u", site="blog"),
        record(2, "u", purpose="marketing"),
        record(3, "v"),
        record(4, "u", purpose="necessary", site="blog"),
        record(5, device="u"),
        record(6, basis=None),
    ]
    assert refused(records, decisions) == {1, 2, 3}


def test_a_device_that_is_called_as_a_user_decides_nothing_for_that_user(spark, policy):
    said = [
        ("shop", kind, name, "analytics", True, NOON, NOON)
        for kind, name in (("anonymous_id", "u"), ("user_id", "v"), ("anonymous_id", "d"))
    ]
    kept = DECISION.replace("subject_id", "subject_kind string, subject_id", 1)
    records = [record(1, "u"), record(2, "v"), record(3, device="d"), record(4, device="v")]
    frame = spark.createDataFrame(records, RECORD)
    decided = spark.createDataFrame(said, kept)
    assert {row[0] for row in refusals(frame, decided, policy).collect()} == {1, 4}


def test_before_anybody_has_decided_the_basis_holds(spark, policy):
    bases = ("required", "assumed: contract")
    records = [record(n, "u", basis=basis) for n, basis in enumerate(bases)]
    frame, nobody = spark.createDataFrame(records, RECORD), spark.createDataFrame([], DECISION)
    for decided, states in ((None, False), (None, True), (nobody, False)):
        found = refusals(frame, decided, policy, state_decisions=states).collect()
        assert {row[0] for row in found} == {0}


def test_subjects_meet_decisions_by_hash_and_no_row_goes_through_python(spark, policy):
    frame = spark.createDataFrame([record(1, "u")], RECORD)
    decided = spark.createDataFrame([], DECISION)
    plan = refusals(frame, decided, policy)._jdf.queryExecution().executedPlan().toString()
    assert "HashJoin" in plan or "SortMergeJoin" in plan
    for slow in ("CartesianProduct", "NestedLoop", "Python"):
        assert slow not in plan
