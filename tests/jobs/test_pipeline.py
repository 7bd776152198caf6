"""From raw order lines to lists: the whole run on a small real sample."""

from __future__ import annotations

import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F

from sparkperso.config import load_settings
from sparkperso.pipeline.step import RUN_TABLES
from sparkperso.platform.lake import Lake
from sparkperso.schemas import TABLES

NEED_MORE = {
    *("ops/stream_progress", "silver/consents", "silver/users"),
    # Of services.
    *("ops/alert_deliveries", "ops/audit", "ops/dead_letters", "silver/decisions"),
    # Of experiments, and of models that they compare.
    *("gold/candidate_recommendations", "gold/exposures"),
    *("gold/experiment_results", "gold/experiment_shares", "gold/experiment_verdicts"),
    # Of monitoring, which is no step of every run.
    *("gold/kpis_daily", "ops/alerts", "ops/bookmarks", "ops/checks", "ops/drift_reference"),
}
"""Tables that a run on order lines does not fill."""


@pytest.fixture(scope="module")
def tables(spark, pipeline):
    settings = load_settings(lake=str(pipeline.root))
    lake = Lake(spark, settings.lake)
    return lambda name: lake.ref(name).read()


def test_every_step_is_done_and_recorded(pipeline, tables):
    assert {o.status for o in pipeline.outcomes.values()} <= {"done", "gate"}
    recorded = {row.job: row.status for row in tables("ops/runs").collect()}
    assert recorded == {name: o.status for name, o in pipeline.outcomes.items()}


def test_nothing_stays_in_memory_of_a_step_that_has_ended(pipeline):
    assert pipeline.kept == {name: set() for name in pipeline.outcomes}


def test_what_was_received_is_accounted_for_to_the_record(pipeline, tables):
    counts = {r["rule"]: r.n_records for r in tables("ops/data_quality").collect()}
    parts = ("valid", "quarantined", "duplicates", "refused")
    assert counts["received"] == sum(counts[part] for part in parts)
    assert counts["valid"] == tables("silver/events").count()
    assert counts["quarantined"] == tables("silver/quarantine").count()
    assert counts["received"] == tables("bronze/events").count()
    assert counts["duplicates"] > 0


@pytest.mark.parametrize("name", sorted(TABLES.keys() - NEED_MORE))
def test_every_key_is_unique_and_every_table_readable_by_delta_rs(pipeline, tables, name):
    if not (pipeline.root / name).exists():
        pytest.fail(f"the run wrote no {name}")
    rows, key = tables(name), list(TABLES[name].key)
    if key:
        repeated = rows.groupBy(*key).count().where(F.col("count") > 1)
        assert repeated.limit(3).collect() == []
    first = TABLES[name].column_names[:1]
    by_delta_rs = DeltaTable(str(pipeline.root / name)).to_pyarrow_table(columns=first)
    assert by_delta_rs.num_rows == rows.count()


def test_everybody_with_an_interaction_gets_a_list_without_what_they_have(tables):
    users = tables("gold/interactions").select("user_id").distinct()
    lists = tables("gold/recommendations")
    assert users.join(lists, "user_id", "left_anti").count() == 0
    assert lists.join(tables("gold/interactions"), ["user_id", "item_id"], "left_semi").count() == 0


def test_anonymous_buyers_count_for_popularity_only(tables):
    anonymous = tables("silver/events").where(F.col("user_id").isNull())
    assert anonymous.count() > 0
    for name in ("gold/interactions", "gold/recommendations", "gold/user_features"):
        assert tables(name).where(F.col("user_id").startswith("invoice-")).count() == 0


def test_ranks_count_up_from_one_and_scores_down(tables):
    lists = tables("gold/recommendations").orderBy("user_id", "rank").toPandas()
    for _, rows in lists.groupby("user_id"):
        assert list(rows["rank"]) == list(range(1, len(rows) + 1))
        assert rows.score.is_monotonic_decreasing


def test_an_exclusive_segmentation_holds_every_user_once(tables):
    segments = tables("gold/segments").where("segmentation = 'behaviour'")
    users = tables("gold/user_features").select("user_id")
    assert segments.count() == users.distinct().count()
    assert users.join(segments, "user_id", "left_anti").count() == 0


def test_rules_hold_for_those_they_name_and_small_segments_are_not_shown(tables):
    audiences = tables("gold/segments").where("segmentation = 'audiences'")
    sizes = {row[0]: row[1] for row in audiences.groupBy("segment_id").count().collect()}
    shown = tables("gold/segment_profiles").where("segmentation = 'audiences'")
    assert sizes == {row.segment_id: row.size for row in shown.collect()}
    assert min(sizes.values()) >= 5
    few = tables("gold/user_features").where("n_events < 3").select("user_id")
    new = audiences.where("segment_id = 'audiences-new'").select("user_id")
    assert new.count() == (few.count() if few.count() >= 5 else 0)
    assert new.join(few, "user_id", "left_anti").count() == 0


def test_codes_that_are_no_product_are_no_item(tables):
    codes = ["POST", "D", "M", "DOT", "BANK CHARGES", "C2"]
    assert tables("silver/items").where(F.col("item_id").isin(codes)).count() == 0


def test_every_table_that_a_step_reads_or_writes_is_in_its_lineage(pipeline, tables):
    edges = {}
    for row in tables("ops/lineage").collect():
        edges.setdefault(row.job, {}).setdefault(row.table_name, set()).add(row.direction)
    for step, read in pipeline.reads.items():
        assert read & TABLES.keys() - set(RUN_TABLES) <= edges.get(step, {}).keys()
    assert edges["build-segments"]["gold/segment_history"] == {"input", "output"}
    assert edges["ingest-events"]["ops/ingested_files"] >= {"input"}
    assert edges["build-recommendations"]["silver/items"] == {"input"}


def test_running_again_adds_nothing(pipeline, run_pipeline, tables):
    names = ["bronze/events", "silver/events", "silver/quarantine", "gold/segment_history"]
    before = {name: tables(name).count() for name in names}
    outcomes = run_pipeline(pipeline.root).outcomes
    assert {name: tables(name).count() for name in names} == before
    expensive = ("build-features", "build-segments", "train-recommender")
    assert {outcomes[name].status for name in expensive} == {"up to date"}
