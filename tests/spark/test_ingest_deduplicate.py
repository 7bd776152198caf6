"""Each event once: the law on any order and partitioning, then collisions and known events."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from sparkperso.ingest import deduplicate, key_lists
from sparkperso.ingest.deduplicate import deduplicated

SCHEMA = (
    "event_id string, event_key bigint, timestamp timestamp, payload string, record_id string,"
    " source_file string, source string, record_number bigint"
)
KNOWN = "event_id string, event_key bigint, ingest_batch string, source string"
ROWS = [
    ("a", 1, "2026-01-02", "a2", "f"),
    ("a", 1, "2026-01-01", "a1-late", "f"),
    ("a", 1, "2026-01-01", "a1", "f"),
    ("b", 2, "2026-01-01", "b", "f"),
    ("c", 2, "2026-01-01", "c has b's key", "f"),
    ("d", 3, "2026-01-01", "d", "f"),
]


@pytest.fixture
def valid(spark):
    rows = [(i, k, t, p, f"hash of {p}", f, "s", n) for n, (i, k, t, p, f) in enumerate(ROWS)]
    frame = spark.createDataFrame(rows, SCHEMA.replace("timestamp timestamp", "timestamp string"))
    return frame.withColumn("timestamp", F.col("timestamp").cast("timestamp"))


def payloads(*arguments):
    """Returns the payloads of the events that are new, which are as many as is said."""
    with deduplicated(*arguments) as result:
        found = sorted(row["payload"] for row in result.events.collect())
        assert result.n_events == len(found)
        return found


@pytest.mark.parametrize("partitions", [1, 5])
def test_the_earliest_then_smallest_record_of_each_id_stays(valid, partitions):
    rows = valid.repartition(partitions)
    assert payloads(rows, len(ROWS), None, "now") == ["a1", "b", "c has b's key", "d"]


@pytest.mark.parametrize("bound", [key_lists.MAX_BROADCAST_KEYS, 0])
def test_known_events_are_dropped_and_their_keys_namesakes_kept(spark, valid, monkeypatch, bound):
    monkeypatch.setattr(key_lists, "MAX_BROADCAST_KEYS", bound)
    known = spark.createDataFrame([("b", 2, "before", "s"), ("x", 3, "before", "s")], KNOWN)
    assert payloads(valid, len(ROWS), known, "now") == ["a1", "c has b's key", "d"]


def test_one_id_in_two_sources_is_two_events(spark, valid):
    both = valid.withColumn("source", F.when(F.col("payload") == "a2", "other").otherwise("s"))
    known = [("b", 2, "before", "other"), ("d", 3, "before", "s"), ("d", 3, "before", None)]
    found = payloads(both, len(ROWS), spark.createDataFrame(known, KNOWN), "now")
    assert found == ["a1", "a2", "b", "c has b's key"]


def test_an_event_from_before_sources_were_kept_is_known_to_each(spark, valid):
    known = spark.createDataFrame([("b", 2, "before", None)], KNOWN)
    for frame in (known, known.drop("source")):
        assert payloads(valid, len(ROWS), frame, "now") == ["a1", "c has b's key", "d"]


def test_rows_of_an_interrupted_run_of_the_same_batch_are_not_known(spark, valid):
    known = spark.createDataFrame([("b", 2, "now", "s"), ("d", 3, "now", "s")], KNOWN)
    assert len(payloads(valid, len(ROWS), known, "now")) == 4


def test_a_batch_without_doubles_goes_through_as_it_is(valid):
    once = valid.where("payload in ('a1', 'b', 'd')")
    assert payloads(once, 3, None, "now") == ["a1", "b", "d"]


def test_only_the_key_is_read_of_known_events_while_none_is_met(spark, valid, tmp_path):
    place = str(tmp_path / "known")
    spark.createDataFrame([("z", 99, "before", "s")], KNOWN).write.parquet(place)
    known = spark.read.parquet(place)
    suspects = deduplicate._suspect_keys(valid, len(ROWS), known)
    plan = suspects._jdf.queryExecution().executedPlan().toString()
    assert "ReadSchema: struct<event_key:bigint>" in plan


def test_nothing_stays_cached(spark, valid):
    cached = spark._jsc.sc().getPersistentRDDs()
    before = cached.size()
    payloads(valid, len(ROWS), None, "now")
    assert spark._jsc.sc().getPersistentRDDs().size() <= before
