"""The history adds up to the membership, and repeats nothing."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from sparkperso.schemas.segments import SEGMENT_HISTORY
from sparkperso.segments.tables.table_rows import Stamp, membership_changes

START = datetime(2011, 1, 1)


def changes(spark, history, members, run):
    before = spark.createDataFrame(history, SEGMENT_HISTORY.struct())
    now = spark.createDataFrame(
        [(u, s, "test", s.upper()) for u, s in members.items()],
        "user_id string, segment_id string, segmentation string, label string",
    )
    stamp = Stamp(f"run-{run}", START + timedelta(days=run), START)
    return [tuple(row) for row in membership_changes(before, now, {"test": stamp}).collect()]


def test_entered_less_left_is_the_membership_after_every_run(spark):
    chance = random.Random(1)
    history = [("u0", "other-1", "other", "X", "entered", START, "run-0", START)]
    for run in range(4):
        members = {f"u{n}": f"s{chance.randrange(3)}" for n in range(20) if chance.random() < 0.8}
        added = changes(spark, history, members, run)
        history += added
        inside = {}
        for user, segment, name, _, change, *_ in history:
            if name == "test":
                step = 1 if change == "entered" else -1
                inside[user, segment] = inside.get((user, segment), 0) + step
        assert set(inside.values()) <= {0, 1}
        assert {pair for pair, count in inside.items() if count} == set(members.items())
    assert changes(spark, history, members, 9) == []


def test_only_actual_changes_are_added(spark):
    history = changes(spark, [], {"a": "s1", "b": "s1", "c": "s1"}, 0)
    added = changes(spark, history, {"a": "s1", "b": "s2"}, 1)
    assert sorted((r[0], r[1], r[3], r[4]) for r in added) == [
        ("b", "s1", "S1", "left"),
        ("b", "s2", "S2", "entered"),
        ("c", "s1", "S1", "left"),
    ]
