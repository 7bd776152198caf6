"""build-segments on a small lake: tables, history, the registered model, pictures."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from tests.conftest import overridden

from sparkperso.config import load_settings
from sparkperso.core.columns import RUN_COLUMNS
from sparkperso.core.errors import QualityGateError
from sparkperso.jobs.build_segments.job import STEP
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.step import carry_out, is_up_to_date
from sparkperso.schemas import TABLES
from sparkperso.testing.frames import table_frame
from sparkperso.testing.plans import spark_work

AS_OF = datetime(2011, 1, 1)
SEARCH = [
    "segments.segmentations=[behaviour]",
    "segments.num_seeds=1",
    "segments.users_per_partition=1000",
]
PLAN = """
features: [frequency, monetary]
described_by: [basket_size]
k_min: 2
k_max: 3
naming:
  features:
    frequency: {unit: orders, high: {adjective: frequent}}
    monetary: {unit: spent, high: {noun: big spenders}}
"""
MOST_JOBS = 80
"""Spark jobs of a run on few users, whatever their number: each is a plan to compile."""
SEGMENTS, HISTORY, PROFILES, RUNS = STEP.outputs


SAID = []
"""The lines of the first run."""


@pytest.fixture(scope="module")
def open_job(spark, tmp_path_factory):
    """Opens jobs on one lake: the runs of this module build on each other, in their order."""
    place = tmp_path_factory.mktemp("segments")
    (place / "conf" / "segments").mkdir(parents=True)
    (place / "conf" / "segments" / "behaviour.yaml").write_text(PLAN)

    def open_one(changes=(), **options):
        settings = load_settings(assignments=overridden(SEARCH, changes), lake=str(place / "lake"))
        say = options.pop("say", lambda line: None)
        return Job("build-segments", settings, spark, options, place / "conf", AS_OF, say)

    return open_one


@pytest.fixture(scope="module")
def lake(open_job):
    return open_job().lake


@pytest.fixture(scope="module")
def first(spark, lake, open_job, tmp_path_factory):
    """The first run: its job, its outcome, its pictures."""
    write_features(spark, lake, [(0, 30), (10, 20)])
    pictures = tmp_path_factory.mktemp("pictures")
    SAID.clear()
    job = open_job(pictures=str(pictures), say=SAID.append)
    return job, carry_out(STEP, job), pictures


def write_features(spark, lake, groups):
    """Writes the users of (frequency, size) groups; the scaled features are a tenth."""
    chance = np.random.default_rng(5)
    frequencies = [frequency for frequency, size in groups for _ in range(size)]
    users = [(f"u{n:02}", f, 5 * f + chance.random()) for n, f in enumerate(frequencies)]
    for table, factor in (("gold/user_features", 1.0), ("gold/user_features_scaled", 0.1)):
        kinds = {column.name: column.type for column in TABLES[table].columns}
        rows = [
            {"user_id": user, "frequency": f * factor, "monetary": m * factor}
            for user, f, m in users
        ]
        filled = [{name: _value(row.get(name), kinds[name]) for name in kinds} for row in rows]
        lake.writer(table).overwrite(table_frame(spark, table, filled))


def _value(value, kind):
    empty = {"timestamp": AS_OF, "string": "v1", "double": 0.0, "bigint": 0}
    return empty.get(kind, {}) if value is None else int(value) if kind == "bigint" else value


def rows_of(lake, table, *columns):
    found = lake.ref(table).read().orderBy(*columns).select(*columns).collect()
    return [tuple(row) for row in found]


def content(lake, table):
    names = [c.name for c in TABLES[table].columns if c.name not in RUN_COLUMNS]
    return sorted(map(str, lake.ref(table).read().select(*names).collect()))


def test_a_run_writes_members_profiles_and_history(first, lake):
    _, outcome, _ = first
    assert (outcome.summary["segmentation"], outcome.summary["k"]) == ("behaviour", 2)
    assert outcome.summary["segments"] == 2
    assert SAID == ["behaviour: typical customers 30", "behaviour: frequent big spenders 20"]
    members = rows_of(lake, SEGMENTS, "user_id", "segment_id", "exclusive", "label", "kind")
    assert members[0] == ("u00", "behaviour-1", True, "typical customers", "kmeans")
    assert [row[1] for row in members] == ["behaviour-1"] * 30 + ["behaviour-2"] * 20
    profiles = rows_of(lake, PROFILES, "segment_id", "size", "label", "scaler_version", "parent_id")
    assert profiles[1] == ("behaviour-2", 20, "frequent big spenders", "v1", None)
    assert lake.ref(HISTORY).read().where("change = 'entered'").count() == 50


def test_the_model_is_registered_as_a_document_without_code(first, lake):
    job, _, _ = first
    job.tracking.set_alias("segments-behaviour", "test", "1")
    model = job.tracking.by_alias("segments-behaviour", "test")
    document = model.document
    assert document["tables"] == {t: lake.ref(t).version() for t in (SEGMENTS, PROFILES)}
    assert document["inputs"] == {t: lake.ref(t).version() for t in STEP.inputs[:2]}
    assert document["scaler_version"] == "v1"
    assert document["configuration"]["k_max"] == 3
    assert rows_of(lake, SEGMENTS, "model_version")[0] == (model.run_id,)


def test_every_candidate_is_a_run_under_one_parent_and_pictures_are_kept(first):
    job, _, pictures = first
    client, names = job.tracking.client, ("profiles", "scatter", "search", "sizes")
    parent = client.get_model_version(job.tracking.model_name("segments-behaviour"), "1").run_id
    experiment = client.get_run(parent).info.experiment_id
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert sorted(run.data.params["k"] for run in children) == ["2", "3"]
    assert all({"silhouette", "davies_bouldin", "cost"} <= set(r.data.metrics) for r in children)
    drawn = {file.path for file in client.list_artifacts(parent, "pictures")}
    assert drawn == {f"pictures/{name}.png" for name in names}
    assert {path.name for path in pictures.iterdir()} == {f"behaviour-{n}.png" for n in names}


def test_too_few_users_close_the_gate_and_leave_the_segments(first, lake, open_job):
    before = content(lake, SEGMENTS)
    with pytest.raises(QualityGateError, match="needs 200 users"):
        carry_out(STEP, open_job(["segments.min_users=200"]))
    assert content(lake, SEGMENTS) == before


def test_a_second_run_changes_run_columns_only_and_an_edited_file_is_noticed(
    spark, first, lake, open_job
):
    kept = [table for table in STEP.outputs if table != RUNS]
    before = {table: content(lake, table) for table in kept}
    with spark_work(spark) as work:
        carry_out(STEP, open_job())
    assert work.jobs <= MOST_JOBS
    assert {table: content(lake, table) for table in kept} == before
    last = lake.ref(RUNS).read().orderBy("assigned_at").collect()[-1]
    assert (last.n_common, last.moved_share, last.adjusted_rand_index) == (50, 0, 1)
    assert last.changes == []
    job = open_job()
    assert is_up_to_date(STEP, job)
    (job.conf_dir / "segments" / "behaviour.yaml").write_text(f"{PLAN}description: edited\n")
    assert not is_up_to_date(STEP, job)


def test_another_segmentation_leaves_the_first_and_a_user_who_goes_is_noted(
    spark, first, lake, open_job
):
    before = content(lake, PROFILES)
    write_features(spark, lake, [(0, 30), (10, 19)])
    job = open_job(['segments.segmentations=["behaviour", "other"]'])
    (job.conf_dir / "segments" / "other.yaml").write_text(
        "features: [frequency]\nk_min: 2\nk_max: 2\n"
    )
    summary = carry_out(STEP, job).summary
    assert (summary["behaviour k"], summary["other k"]) == (2, 2)
    assert lake.ref(SEGMENTS).read().count() == 98
    assert len(content(lake, PROFILES)) == len(before) + 2
    left = lake.ref(HISTORY).read().where("change = 'left'").collect()
    assert [(row.user_id, row.segment_id) for row in left] == [("u49", "behaviour-2")]
    assert lake.ref(HISTORY).read().count() == 50 + 1 + 49
