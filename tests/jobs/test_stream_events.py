"""A stream takes in what a collector hands over: once, by the same rules, through every crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer
from pyspark.sql import functions as F
from tests.spool import line

from sparkperso.core.errors import UsageError
from sparkperso.ingest.batch import rules_hash
from sparkperso.ingest.sources.mapping import AT
from sparkperso.ingest.sources.readers import FILE
from sparkperso.ingest.sources.stream_sources import classify_stream
from sparkperso.jobs import ingest_events
from sparkperso.jobs.ingest_events.batch import read_ingest_rules
from sparkperso.jobs.ingest_events.stream import Stream
from sparkperso.pipeline.checkpoint import Identity, locked
from sparkperso.pipeline.step import carry_out
from sparkperso.pipeline.stream_progress import ProgressLog
from sparkperso.pipeline.streaming import for_small_batches
from sparkperso.platform.lake import TableWriter

pytestmark = pytest.mark.usefixtures("unrecorded")

COUNTS = ("received", "valid", "quarantined", "duplicates", "refused")
BAD = {"event_type": "nonsense"}


@pytest.fixture
def stream(make_job):
    """Returns run(*settings), which drains the input by a stream and returns its counts."""

    def run(*settings, **options):
        options = {
            "source": "collector",
            "path": None,
            "stream": True,
            "available_now": True,
            **options,
        }
        job = make_job("ingest-events", set=settings, **options)
        summary = carry_out(ingest_events.STEP, job).summary
        return [summary[name] for name in COUNTS]

    return run


def n_rows(lake, *tables):
    return [lake.ref(table).read().count() for table in tables]


def booked(lake):
    """Returns what all runs together counted."""
    quality = lake.ref("ops/data_quality").read().groupBy("rule").agg(F.sum("n_records"))
    found = dict(map(tuple, quality.collect()))
    return [found.get(name, 0) for name in COUNTS]


def test_what_comes_is_taken_in_once_and_late_and_repeated_events_are_counted(lake, spool, stream):
    late = line(2, timestamp="2026-06-01T08:00:00Z")
    bought = line(3, event_type="item_view", item_id="i1")
    spool("a", [line(1), late, bought, line(4, **BAD), line(1)])
    assert stream("stream.max_files=1") == [5, 3, 1, 1, 0]
    spool("b", [line(1), line(5)])
    assert stream() == [2, 1, 0, 1, 0]
    assert stream() == [0, 0, 0, 0, 0]
    assert booked(lake) == [7, 4, 1, 2, 0]
    tables = ("bronze/events", "silver/events", "silver/quarantine", "silver/items")
    assert n_rows(lake, *tables) == [7, 4, 1, 1]
    progress = lake.ref("ops/stream_progress").read().orderBy("batch_number").collect()
    assert [(row["n_records"], row["n_late"]) for row in progress] == [(5, 1), (2, 0)]
    assert all(0 < row["median_age_seconds"] <= row["max_age_seconds"] for row in progress)
    assert all(row["processed_per_second"] > 0 for row in progress)


def test_a_stream_and_batch_runs_leave_each_others_files_alone(lake, spool, stream, ingest):
    spool("a", [line(1), line(2)])
    assert ingest()["valid"] == 2
    spool("b", [line(3)])
    assert stream() == [1, 1, 0, 0, 0]
    assert ingest()["skipped files"] == 2
    spool("c", [line(4)])
    assert ingest()["received"] == 1
    assert stream() == [0, 0, 0, 0, 0]
    assert n_rows(lake, "bronze/events", "silver/events") == [4, 4]


@pytest.fixture
def take(lake, make_job):
    """Returns run(*settings), which takes in all lines as one micro-batch, and returns its counts.

    It is always micro-batch 0 of one checkpoint: as Spark hands it over, again after a failure.
    """

    def run(*settings):
        job = make_job("ingest-events", set=settings, source="collector", path=None)
        rules = read_ingest_rules(job)
        lines = job.spark.read.format("text").load(f"{lake.config.root}/_spool/ready")
        arrival = F.col("_metadata.file_modification_time").alias(AT)
        lines = lines.select("value", F.col(FILE).alias("_file"), arrival)
        identity = Identity("collector", "files", "lake:_spool", rules_hash(rules), "generation")
        stream = Stream(job, rules, identity, ProgressLog(job, identity))
        with for_small_batches(job):
            stream.take(classify_stream(lines, rules), 0)
        return [stream.totals[name] for name in COUNTS]

    return run


def test_a_micro_batch_that_fails_after_any_write_ends_with_the_same_counts(
    lake, spool, take, monkeypatch
):
    consent = line(9, event_type="consent", metadata={"purposes": {"analytics": True}})
    item = line(1, event_type="item_view", item_id="i1")
    spool("a", [item, line(2, **BAD), item, line(3), consent])
    written = Writes(monkeypatch)
    while written.fails_once_more():
        with pytest.raises(OSError, match="pulled the plug"):
            take()
    assert take("stream.compact_every=1") == [5, 3, 1, 1, 0]
    assert booked(lake) == [5, 3, 1, 1, 0]
    tables = ("bronze/events", "silver/events", "silver/quarantine", "silver/consents")
    assert n_rows(lake, *tables) == [5, 3, 1, 1]


class Writes:
    """Lets the stream fail once after the write of each table, which is before the next one's."""

    def __init__(self, monkeypatch, tables=7):
        self.seen, self.tables, self.armed = set(), tables, True
        for name in ("append", "merge"):
            monkeypatch.setattr(TableWriter, name, self._wrapped(getattr(TableWriter, name)))

    def fails_once_more(self):
        self.armed = len(self.seen) < self.tables
        return self.armed

    def _wrapped(self, real):
        def write(writer, *arguments, **named):
            table = writer.ref.spec.name
            real(writer, *arguments, **named)
            if self.armed and table not in (*self.seen, *ASIDE):
                self.seen.add(table)
                raise OSError(f"pulled the plug at {table}")

        return write


ASIDE = ("ops/runs", "ops/lineage", "ops/stream_progress")


def checkpoint(lake):
    return Path(lake.config.root) / "_checkpoints" / "ingest-events-collector-files"


def test_a_checkpoint_is_for_one_stream_of_its_source_and_only_whole(lake, spool, stream, tmp_path):
    spool("a", [line(1)])
    stream()
    with locked(str(checkpoint(lake))), pytest.raises(UsageError, match="Another process"):
        stream()
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="belongs to source 'collector' from files lake:_spool"):
        stream(path=str(tmp_path / "other"))
    identity = (checkpoint(lake) / "sparkperso.json").read_text()
    (checkpoint(lake) / "sparkperso.json").unlink()
    with pytest.raises(UsageError, match=r"no sparkperso\.json"):
        stream()
    checkpoint(lake).rename(checkpoint(lake).with_name("old"))
    checkpoint(lake).mkdir()
    (checkpoint(lake) / "sparkperso.json").write_text(identity)
    with pytest.raises(UsageError, match="should belong together"):
        stream()
    (checkpoint(lake) / "sparkperso.json").unlink()
    assert stream() == [0, 0, 0, 0, 0]


def test_rules_may_not_change_amid_a_micro_batch(lake, spool, stream, monkeypatch):
    spool("a", [line(1), line(2, **BAD)])
    with monkeypatch.context() as patch:
        Writes(patch).seen |= {"bronze/events"}
        with pytest.raises(Exception, match="pulled the plug"):
            stream()
    with pytest.raises(UsageError, match="the rules have changed"):
        stream("ingest.max_age_days=700")
    assert stream() == [2, 1, 1, 0, 0]
    assert stream("ingest.max_age_days=700") == [0, 0, 0, 0, 0]


def test_a_source_that_needs_all_records_at_once_cannot_be_streamed(stream, tmp_path):
    with pytest.raises(UsageError, match="--stream takes sources"):
        stream(source="online_retail", path=str(tmp_path / "somewhere"))


def test_odd_lines_are_quarantined(lake, spool, stream):
    spool("a", [line(1)])
    odd = b'{"event_id": "x\xff"}\n[1]\nnull\n{\n\n' + json.dumps(line(2)).encode()
    (Path(lake.config.root) / "_spool" / "ready" / "b.jsonl").write_bytes(odd)
    assert stream() == [6, 2, 4, 0, 0]


def test_a_topic_is_taken_in_once_and_bronze_says_where_each_record_lay(
    lake, stream, broker, topic
):
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    lines = [line(1), line(2), line(3, **BAD), line(1), line(4)]
    for number, event in enumerate(lines):
        producer.produce(topic, json.dumps(event).encode(), key="u", partition=number % 2)
    producer.produce(topic, b"\xff{", partition=0)
    producer.produce(topic, None, key="u", partition=0)
    assert producer.flush(30) == 0
    kafka = ("stream.input=kafka", f"stream.kafka.bootstrap={broker.bootstrap}")
    kafka += (f"stream.kafka.topic={topic}", "stream.max_records=2")
    assert stream(*kafka) == [6, 3, 2, 1, 0]
    assert stream(*kafka) == [0, 0, 0, 0, 0]
    places = lake.ref("bronze/events").read().select("topic", "partition", "offset", "source_file")
    expected = [(topic, p, o, f"{topic}/{p}/{o}") for p in (0, 1) for o in range(4 - 2 * p)]
    assert sorted(map(tuple, places.collect())) == expected
    assert lake.ref("ops/stream_progress").read().agg(F.max("max_offset_lag")).first()[0] > 0
