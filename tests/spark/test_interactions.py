"""Strength: what counts, how it decays, what refunds do, and what may not show."""

from __future__ import annotations

import doctest
from datetime import datetime, timedelta

import pytest

from sparkperso.config.recommend.section import InteractionsConfig
from sparkperso.recommend.data import interactions
from sparkperso.recommend.data.id_index import new_index_rows
from sparkperso.recommend.data.interactions import build_interactions
from sparkperso.testing.frames import events_frame, table_frame

AS_OF = datetime(2026, 3, 1, 12)
CONFIG = InteractionsConfig(
    weights={"purchase": 1.0, "item_view": 0.25, "refund": -1.0}, half_life_days=10
)


def event(user, item, days_ago, event_type="purchase", **fields):
    when = AS_OF - timedelta(days=days_ago)
    return {"user_id": user, "item_id": item, "timestamp": when, "event_type": event_type, **fields}


EVENTS = [
    event("u1", "a", 0),
    event("u1", "a", 10),
    event("u1", "b", 20, "item_view"),
    event("u1", "c", 30),
    event("u1", "c", 1, "refund"),
    event("u1", "d", 1, "page_view"),
    event("u2", "a", -1),
    event("u2", None, 1),
    event(None, "a", 1, anonymous_id="till"),
]


def test_the_examples_of_the_docstrings_run(spark):
    found = doctest.testmod(interactions, extraglobs={"spark": spark})
    assert (found.failed, found.attempted) == (0, 5)


def strengths(frame):
    return {(r.user_id, r.item_id): (r.strength, r.n_events) for r in frame.collect()}


def test_weights_decay_and_refunds_add_up_as_worked_out_by_hand(spark):
    found = strengths(build_interactions(events_frame(spark, EVENTS), CONFIG, AS_OF))
    assert found == {
        ("u1", "a"): (1.5, 2),
        ("u1", "b"): (0.0625, 1),
        ("u1", "c"): (0.0, 2),
    }


def test_nothing_later_than_as_of_counts(spark):
    known = events_frame(spark, EVENTS)
    with_future = events_frame(spark, [*EVENTS, event("u1", "a", -0.0001), event("u9", "z", -5)])
    early, late = (build_interactions(e, CONFIG, AS_OF) for e in (known, with_future))
    assert strengths(early) == strengths(late)


@pytest.mark.parametrize("partitions", [1, 7])
def test_the_order_and_spread_of_events_do_not_show(spark, partitions):
    rows = [event(f"u{n % 3}", f"i{n % 5}", n * 1.37) for n in range(120)]
    base = strengths(build_interactions(events_frame(spark, rows), CONFIG, AS_OF))
    spread = events_frame(spark, rows[::-1]).repartition(partitions)
    assert strengths(build_interactions(spread, CONFIG, AS_OF)) == base


def test_first_and_last_times_are_those_of_the_counted_events(spark):
    row = (
        build_interactions(events_frame(spark, EVENTS), CONFIG, AS_OF)
        .where("item_id = 'c'")
        .first()
    )
    assert (row.last_at - row.first_at) == timedelta(days=29)


def test_without_a_half_life_age_does_not_matter(spark):
    config = InteractionsConfig(weights={"purchase": 2.0})
    frame = build_interactions(events_frame(spark, EVENTS), config, AS_OF)
    assert strengths(frame)["u1", "a"] == (4.0, 2)


def test_an_index_is_dense_stable_and_only_grows(spark):
    def index(known, ids):
        rows = spark.createDataFrame([(i,) for i in ids], "item_id string").repartition(3)
        fresh = new_index_rows(known, rows, "item_id", "item_index")
        return known.unionByName(fresh)

    def content(frame):
        return {row.item_id: row.item_index for row in frame.collect()}

    first = index(table_frame(spark, "gold/item_index", []), ["c", "a", "b", "a"])
    assert content(first) == {"a": 0, "b": 1, "c": 2}
    second = content(index(first, ["b", "aa", "z", "0"]))
    assert second == {"a": 0, "b": 1, "c": 2, "0": 3, "aa": 4, "z": 5}
