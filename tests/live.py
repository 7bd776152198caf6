"""A small lake with segments that are followed live, and the ways to fill and follow it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
import time

from pyspark.sql import functions as F
from tests.conftest import TEST_PROPERTIES, overridden

from sparkperso.config import default_conf_dir, load_settings
from sparkperso.jobs import build_features
from sparkperso.jobs.build_segments import job as build_segments
from sparkperso.jobs.stream_segments import job as stream_segments
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.step import carry_out
from sparkperso.platform.lake import Lake
from sparkperso.testing.frames import events_frame
from sparkperso.testing.plans import kept_frames
from sparkperso.testing.rules import AS_OF, random_events

RULES = """
kind: rules
min_events: 4
segments:
  viewers:
    when: {count: {event_type: item_view}, within_days: 3, at_least: 1}
  away:
    when: {days_since_last: {}, above: 2}
  spenders:
    when:
      all:
        - {sum_value: {event_type: purchase}, within_days: 30, at_least: 20}
        - {attribute: monetary, at_least: 0}
  back:
    when: {visits: {}, within_days: 7, at_least: 3}
  convinced:
    when: {sequence: {first: {event_type: item_view}, then: {event_type: purchase}, within_days: 1}}
  unconvinced:
    when:
      sequence:
        first: {event_type: item_view}
        then: {event_type: purchase}
        same: item_id
        within_days: 1
        happens: false
        in_last_days: 7
  curious: {when: {all: [{uses: wishlist, within_days: 7}, {not: {segment: convinced}}]}}
described_by: [n_events]
"""
CLUSTERS = """
features: [n_events, recency_days]
k_min: 2
k_max: 2
gap_references: 0
"""
OPTIONS = ["segments.segmentations=[audience, clusters]", "segments.num_seeds=1"]
SEGMENTS, HISTORY = stream_segments.STEP.outputs


class Place:
    def __init__(self, spark, folder):
        self.spark, self.folder = spark, folder
        shutil.copytree(default_conf_dir(), folder / "conf")
        self.write_rules(RULES)
        (folder / "conf" / "segments" / "clusters.yaml").write_text(CLUSTERS)

    def write_rules(self, text):
        (self.folder / "conf" / "segments" / "audience.yaml").write_text(text)

    @property
    def lake(self):
        return Lake(self.spark, load_settings(lake=str(self.folder / "lake")).lake)

    def job(self, name, *settings, **options):
        layers = overridden(TEST_PROPERTIES, OPTIONS, settings)
        own = load_settings(assignments=layers, lake=str(self.folder / "lake"))
        say = options.pop("say", lambda line: None)
        return Job(name, own, self.spark, options, self.folder / "conf", None, say)

    def add(self, events):
        self.lake.writer("silver/events").append(events_frame(self.spark, events).coalesce(1))

    def features(self):
        carry_out(build_features.STEP, self.job("build-features"))

    def batch(self, *names):
        """Builds segmentations, all if none is named."""
        chosen = [f"segments.segmentations=[{', '.join(names)}]"] if names else []
        carry_out(build_segments.STEP, self.job("build-segments", *chosen, force=True))

    def live(self, *settings, **options):
        """Takes in what there is, looks at everybody, and ends."""
        options = {"available_now": True, "trigger": 0, **options}
        job = self.job("stream-segments", *settings, **options)
        before = kept_frames(self.spark)
        summary = dict(carry_out(stream_segments.STEP, job).summary)
        assert kept_frames(self.spark) <= before
        return summary

    def live_while(self, meanwhile, *settings, say=lambda line: None):
        """Follows until `meanwhile()`, carried out by another thread once all was in, returns."""
        is_following, self.is_over = threading.Event(), threading.Event()

        def act():
            is_following.wait(240)
            try:
                meanwhile()
            finally:
                if not self.is_over.is_set():
                    os.kill(os.getpid(), signal.SIGTERM)

        def tell(line):
            say(line)
            is_following.set()

        thread = threading.Thread(target=act)
        thread.start()
        try:
            return self.live(*settings, available_now=False, say=tell)
        finally:
            self.is_over.set()
            thread.join()

    def add_and_wait(self, events):
        """Adds a commit, and waits until the stream has looked at it."""
        self.add(events)
        version = self.lake.ref("silver/events").version()
        streams = self.spark.streams
        wait_until(
            lambda: self.is_over.is_set() or any(is_behind(q, version) for q in streams.active)
        )

    def members(self, segmentation="audience"):
        rows = self.lake.ref(SEGMENTS).read().where(F.col("segmentation") == segmentation)
        found = rows.select("user_id", "segment_id", "label", "kind", "exclusive").collect()
        assert len(found) == len(set(found))
        return set(map(tuple, found))

    def told(self, segmentation="audience"):
        rows = self.lake.ref(HISTORY).read().where(F.col("segmentation") == segmentation)
        found = rows.orderBy("assigned_at", "user_id", "segment_id")
        return [tuple(r) for r in found.select("user_id", "segment_id", "change").collect()]


def many_events(n_users=70):
    chance = random.Random(3)
    found = [
        e for n in range(n_users) for e in random_events(chance, f"u{n}", chance.randrange(30))
    ]
    return sorted((e for e in found if e["timestamp"] <= AS_OF), key=lambda e: e["timestamp"])


def simple(user, number, at, event_type="item_view", **more):
    return {
        "event_id": f"{user}-{number}",
        "user_id": user,
        "timestamp": at,
        "event_type": event_type,
        "item_id": "a",
        **more,
    }


def is_behind(query, version):
    """Says whether a query has done with a version of silver/events."""
    progress = query.lastProgress
    sources = progress["sources"] if progress else []
    ends = [json.loads(s["endOffset"]) for s in sources if "silver/events" in s["description"]]
    return any(end["reservoirVersion"] > version for end in ends)


def wait_until(condition, seconds=240, required=True):
    """Says whether a condition came about in time; raises if it was required and did not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    if required:
        raise AssertionError(f"did not come about in {seconds} seconds")
    return False
