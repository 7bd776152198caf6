"""Segments keep their ids and names from run to run, and what moved is told."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from sparkperso.config.segments import KMeansSegmentation, SegmentsConfig, StabilityConfig
from sparkperso.core.errors import QualityGateError
from sparkperso.platform.run_recorder import NullRecorder
from sparkperso.segments.base.previous_run import PreviousRun
from sparkperso.segments.kmeans.build import build_kmeans
from sparkperso.testing.segments import GROUPS, WORDS, group_rows, population, require_same

SETTINGS = SegmentsConfig(num_seeds=1, users_per_partition=100)


def plan(k):
    given = {"features": ["frequency", "monetary"], "k_min": k, "k_max": k, "naming": WORDS}
    return KMeansSegmentation.model_validate({"name": "test", "gap_references": 0, **given})


def build(spark, rows, k, previous=None):
    found = population(spark, rows, previous=previous)
    return build_kmeans(found, plan(k), SETTINGS, NullRecorder())


def previous_of(result):
    labels = {p.segment_id: p.label for p in result.profiles}
    return PreviousRun(result.members.select("user_id", "segment_id"), labels, frozenset(labels))


@pytest.fixture(scope="module")
def first(spark):
    return build(spark, group_rows(), 3)


def sizes(result):
    return {p.segment_id: p.size for p in result.profiles}


def test_the_same_users_keep_everything(spark, first):
    again = build(spark, group_rows(), 3, previous_of(first))
    assert sizes(again) == sizes(first) == {"test-1": 70, "test-2": 50, "test-3": 30}
    assert (again.lineage.moved_share, again.lineage.adjusted_rand_index) == (0, 1)
    assert again.lineage.changes == ()


def test_ids_and_names_stay_when_sizes_change_their_order(spark, first):
    fewer, _, more = GROUPS
    grown = [(fewer[0], 40), GROUPS[1], (more[0], 80)]
    renamed = previous_of(first)
    named = {**renamed.labels, "test-3": "our best"}
    found = build(spark, group_rows(grown), 3, PreviousRun(renamed.members, named, renamed.used))
    by_id = {p.segment_id: p for p in found.profiles}
    assert by_id["test-3"].size == 80
    assert by_id["test-3"].label == "our best"
    assert by_id["test-1"].size == 40


def test_a_segment_that_falls_apart_is_told_as_a_split(spark, first):
    merged = first.members.withColumn(
        "segment_id", F.when(F.col("segment_id") == "test-3", "test-2").otherwise("test-1")
    )
    before = PreviousRun(
        merged, {"test-1": "few", "test-2": "much"}, frozenset({"test-1", "test-5"})
    )
    found = build(spark, group_rows(), 3, before)
    (told,) = found.lineage.changes
    assert (told.change, told.segment_id, told.other_id, told.share) == (
        ("split", "test-6", "test-1", 1.0)
    )
    assert "test-6" in sizes(found), "an id that was ever given is given again"
    assert found.lineage.moved_share == pytest.approx(50 / 150, abs=1e-6)
    assert found.lineage.flows["test-1", "test-6"] == 50


def test_segments_that_become_one_are_told_as_a_merge(spark, first):
    found = build(spark, group_rows(), 2, previous_of(first))
    (told,) = found.lineage.changes
    assert told.change == "merge"
    assert told.other_id in sizes(found)
    assert set(sizes(found)) < set(sizes(first))


def test_spark_follows_as_the_driver_does(spark, first):
    both = [
        build_kmeans(
            population(spark, group_rows(), driver_users=most, previous=previous_of(first)),
            plan(2),
            SETTINGS,
            NullRecorder(),
        )
        for most in (0, 1_000)
    ]
    assert both[0].lineage.flows
    require_same(*both)


def test_a_run_that_moves_too_many_is_refused(spark, first):
    found = build(spark, group_rows(), 2, previous_of(first))
    with pytest.raises(QualityGateError, match=r"At most 10% of the users.*20% of 150.*--force"):
        found.lineage.require("test", StabilityConfig(max_moved_share=0.1))
    found.lineage.require("test", StabilityConfig(max_moved_share=0.4))
