"""stream-segments: new rows of silver/events → who enters and leaves a segment, within seconds.

Structured Streaming counts hours; each micro-batch puts the users in it through the rules, and a
sweep everybody, since time alone ends windows. Changes are what differs from the history itself: so
a run that was interrupted, or was away, only writes what is not written yet.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from pyspark.sql.streaming.readwriter import DataStreamWriter

from sparkperso.config.segmentation import RuleSegmentation, Segmentation
from sparkperso.config.segments import KMeansSegmentation
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.jobs.build_segments.job import load_plans
from sparkperso.jobs.build_segments.tables import EVENTS, HISTORY, SEGMENTS
from sparkperso.jobs.stream_segments.change_topic import relaying
from sparkperso.jobs.stream_segments.hourly_counters import HourlyCounters
from sparkperso.jobs.stream_segments.memberships import Memberships
from sparkperso.jobs.stream_segments.serving_relay import serving
from sparkperso.jobs.stream_segments.stream import SegmentStream
from sparkperso.jobs.stream_segments.user_attributes import LiveUserAttributes
from sparkperso.pipeline.checkpoint import checkpoint_root, locked
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.pipeline.streaming import (
    follow,
    for_small_batches,
    run_query,
    run_to_end,
    stopping_on_signals,
)
from sparkperso.platform.filesystem import FileSystem
from sparkperso.platform.lake import StateTable
from sparkperso.segments.live.counters import hourly
from sparkperso.segments.live.hours import reach_of
from sparkperso.segments.live.rules import LiveRules, live_rules

START = "sparkperso.json"
STATE = {
    # Counters of a day lie on disk, not in Java's memory.
    "spark.sql.streaming.stateStore.providerClass": "org.apache.spark.sql.execution.streaming.state"
    ".RocksDBStateStoreProvider",
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
}


def stream_segments(job: Job) -> Summary:
    """Follows silver/events until it is stopped, or with --available-now until all is in.

    1. Rules are read; a checkpoint belongs to one set of them.
    2. At the first start the events that there are become counters (`seed`).
    3. What came meanwhile is taken in, then everybody is looked at once.
    4. From then on each micro-batch updates its users, and a sweep everybody now and then.

    Raises ConfigError without a segmentation of rules and JobError without silver/events.
    """
    plans = load_plans(job)
    rules = live_rules([plan for plan in plans if isinstance(plan, RuleSegmentation)])
    if not rules.rules:
        raise ConfigError(
            "stream-segments follows the rules of segments.segmentations",
            f"None of {', '.join(plan.name for plan in plans)} has kind: rules",
            "Name one that has",
        )
    place = checkpoint_place(job, rules)
    FileSystem(job.spark).create(place)
    with locked(place), for_small_batches(job, STATE), ExitStack() as at_end:
        live = open_stream(job, rules, plans, place)
        at_end.callback(live.close)
        from_version = seed(job, live.hours, place)
        live.begin()
        with (
            relaying(job, place) as topic,
            serving(job, plans, place) as served,
            stopping_on_signals(live.is_stopping),
        ):
            if topic:
                live.relays["the topic of segments.live.changes"] = topic
            if served:
                live.relays["the serving store (segments.live.overlay)"] = served.query
            follow(run_to_end(writer(job, live, from_version, place)), live)
            if not live.is_stopping.is_set():
                live.sweep()
            if not job.options.get("available_now") and not live.is_stopping.is_set():
                job.say(f"Following {EVENTS}; checkpoint {place}")
                go_on = writer(job, live, from_version, place)
                follow(run_query(job, go_on, job.settings.segments.live.trigger_seconds), live)
    return {**live.summary(), **(served.summary() if served else {})}


def checkpoint_place(job: Job, rules: LiveRules) -> str:
    """Returns where the checkpoint lies: other rules, delays or pseudonyms are another stream."""
    settings = job.settings
    name = rules.fingerprint(settings.segments.live.late_hours, settings.privacy.current)
    return f"{checkpoint_root(job)}/stream-segments-{name}"


def open_stream(job: Job, rules: LiveRules, plans: list[Segmentation], place: str) -> SegmentStream:
    """Returns what is followed, before its first look."""
    reach = reach_of(rules.counted, job.settings.segments.live.late_hours)
    hours = HourlyCounters(StateTable(job.spark, f"{place}/hours"), rules.counted, reach)
    members = Memberships(job, rules, hours, LiveUserAttributes(job, rules))
    return SegmentStream(
        job, members, [plan for plan in plans if isinstance(plan, KMeansSegmentation)]
    )


def seed(job: Job, hours: HourlyCounters, place: str) -> int:
    """Counts what silver/events holds already, once; returns the version to follow it from."""
    files, start = FileSystem(job.spark), f"{place}/{START}"
    known = files.read(start)
    if known:
        return int(json.loads(known)["from_version"])
    events = job.lake.ref(EVENTS)
    if not events.exists():
        raise JobError(
            "stream-segments follows silver/events",
            f"There is none in {job.settings.lake.root}",
            "Run 'sparkperso ingest-events --source NAME' first",
        )
    whole, from_version = events.start()
    hours.seed(events.read().limit(0) if whole is None else events.read(whole))
    # Last: interrupted before, it is counted anew.
    files.write(start, json.dumps({"from_version": from_version}) + "\n")
    return from_version


def writer(job: Job, live: SegmentStream, from_version: int, place: str) -> DataStreamWriter:
    """Returns the query before its start: the hours that changed, each whole, by micro-batches."""
    config = job.settings.segments.live
    options = {"startingVersion": str(from_version), "maxFilesPerTrigger": str(config.max_files)}
    events = job.lake.ref(EVENTS).follow(options)
    in_time = events.withWatermark("timestamp", f"{round(config.late_hours * 3600)} seconds")
    hours = hourly(in_time, live.hours.counted)
    query = hours.writeStream.outputMode("update").foreachBatch(live.take)
    return query.option("checkpointLocation", place)


STEP = Step(
    name="stream-segments",
    action=stream_segments,
    inputs=(EVENTS,),
    outputs=(SEGMENTS, HISTORY),
    conf=("segments", "features"),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
