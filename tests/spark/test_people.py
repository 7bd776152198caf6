"""One row per person: what is agreed to as of a time, and whether something was taken back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from pyspark.sql import functions as F

from sparkperso.ingest.consents import consent_states
from sparkperso.testing.frames import events_frame
from sparkperso.users.persons import Persons
from sparkperso.users.profiles import profile_people

START = datetime(2026, 6, 1)
DECISION = (
    "site string, subject_id string, purpose string, granted boolean, decided_at timestamp, "
    "effective_at timestamp"
)


def day(number):
    return START + timedelta(days=number)


def said(who, granted, at, purpose="analytics", **others):
    decided = others.get("decided", at)
    return (others.get("site", "shop"), who, purpose, granted, day(decided), day(at))


@pytest.fixture
def states(spark):
    """Returns states(decisions, as_of day): subject → (consents, day of withdrawal)."""

    def run(decisions, as_of):
        frame = spark.createDataFrame(decisions, DECISION)
        found = consent_states(frame, F.lit(day(as_of))).collect()
        return {
            row["subject_id"]: (
                row["consents"],
                row["withdrawn_at"] and (row["withdrawn_at"] - START).days,
            )
            for row in found
        }

    return run


def test_consents_are_told_as_of_a_time(states):
    decisions = [said("u", True, 1), said("u", False, 3), said("u", False, 4), said("u", True, 6)]
    told = [states(decisions, at).get("u") for at in (0, 1, 3, 5, 6)]
    yes, no = {"analytics": True}, {"analytics": False}
    assert told == [None, (yes, None), (no, 3), (no, 3), (yes, None)]


def test_what_a_device_said_is_told_of_no_user(spark):
    kept = DECISION.replace("subject_id", "subject_kind string, subject_id", 1)
    rows = [(*said("u", True, 1)[:1], "anonymous_id", *said("u", True, 1)[1:])]
    frame = spark.createDataFrame(rows, kept)
    assert consent_states(frame, F.lit(day(9))).collect() == []


def test_only_what_was_agreed_to_and_is_optional_can_be_withdrawn(states):
    decisions = [said("never", False, 1), said("never", False, 2)]
    decisions += [said("late", False, 2), said("late", True, 3, decided=1)]
    decisions += [said("needs", True, 1, "necessary"), said("needs", False, 2, "necessary")]
    found = states(decisions, 9)
    assert {who: withdrawn for who, (_, withdrawn) in found.items()} == dict.fromkeys(found)
    assert found["late"][0] == {"analytics": False}


def test_what_one_site_was_refused_is_not_agreed_to(states):
    decisions = [
        said("u", True, 1),
        said("u", False, 2, site="blog"),
        said("u", True, 2, "marketing"),
    ]
    assert states(decisions, 9) == {"u": ({"analytics": False, "marketing": True}, None)}


def test_everyone_has_one_row_whatever_is_known_of_them(spark):
    users = spark.createDataFrame([("a",), ("a",), ("b",), (None,)], "user_id string")
    known = "user_id string, birth_year int, country string, attributes map<string,string>"
    declared = spark.createDataFrame([("b", 1980, "DE", {"tier": "gold"})], known)
    states = spark.createDataFrame(
        [("a", {"analytics": False}, day(3)), ("device", {"analytics": True}, None)],
        "subject_id string, consents map<string,boolean>, withdrawn_at timestamp",
    )
    in_segments = [("a", "s", "s-2"), ("a", "s", "s-1"), ("a", "t", "t-1")]
    members = spark.createDataFrame(
        in_segments, "user_id string, segmentation string, segment_id string"
    )
    segments = {"s": ["s-1", "s-2"], "t": ["t-1"]}
    events = events_frame(spark, [{"user_id": "a", "country": "FR", "timestamp": day(2)}])
    known = Persons(events, declared)
    rows = profile_people(users, known, states, members, day(9)).orderBy("user_id").drop("as_of")
    assert [tuple(row) for row in rows.collect()] == [
        ("a", None, "FR", {}, {"analytics": False}, True, day(3), segments),
        ("b", 1980, "DE", {"tier": "gold"}, {}, False, None, {}),
    ]
    bare = profile_people(users, Persons(events), states, members, day(9))
    assert bare.schema["birth_year"].dataType.simpleString() == "int"
