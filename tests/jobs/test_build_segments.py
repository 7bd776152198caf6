"""build-segments on a small lake: tables, history, the registered model, pictures."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from sparkperso.columns import RUN_COLUMNS
from sparkperso.errors import QualityGateError
from sparkperso.jobs.build_segments import STEP
from sparkperso.jobs.step import carry_out, is_up_to_date
from sparkperso.schemas import TABLES
from sparkperso.testing.frames import table_frame

AS_OF = datetime(2011, 1, 1)
SEARCH = ["segments.num_seeds=1", "segments.users_per_partition=1000"]
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
SEGMENTS, HISTORY, PROFILES = STEP.outputs


@pytest.fixture
def conf_dir(tmp_path):
    folder = tmp_path / "conf" / "segments"
    folder.mkdir(parents=True)
    (folder / "behaviour.yaml").write_text(PLAN)
    return tmp_path / "conf"


@pytest.fixture
def open_job(make_job, conf_dir):
    def open_one(settings=(), **options):
        job = make_job("build-segments", set=[*SEARCH, *settings], as_of=AS_OF, **options)
        job.conf_dir = conf_dir
        return job

    return open_one


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


def test_a_run_writes_members_profiles_history_model_and_pictures(spark, lake, open_job, tmp_path):
    write_features(spark, lake, [(0, 30), (10, 20)])
    job = open_job(pictures=str(tmp_path / "png"))
    summary = carry_out(STEP, job).summary
    assert (summary["segmentation"], summary["k"]) == ("behaviour", 2)
    assert summary["segments"] == "typical customers 30; frequent big spenders 20"
    members = rows_of(lake, SEGMENTS, "user_id", "segment_id", "exclusive", "label", "kind")
    assert members[0] == ("u00", "behaviour-1", True, "typical customers", "kmeans")
    assert [row[1] for row in members] == ["behaviour-1"] * 30 + ["behaviour-2"] * 20
    profiles = rows_of(lake, PROFILES, "segment_id", "size", "label", "scaler_version", "parent_id")
    assert profiles[1] == ("behaviour-2", 20, "frequent big spenders", "v1", None)
    assert lake.ref(HISTORY).read().where("change = 'entered'").count() == 50
    assert sorted(path.name for path in (tmp_path / "png").iterdir()) == [
        f"behaviour-{name}.png" for name in ("profiles", "scatter", "search")
    ]
    _check_tracking(job, lake)


def _check_tracking(job, lake):
    client = job.tracking.client
    version = client.get_model_version(job.tracking.model_name("segments-behaviour"), "1")
    job.tracking.set_alias("segments-behaviour", "test", "1")
    document = job.tracking.by_alias("segments-behaviour", "test").document
    assert document["tables"] == {t: lake.ref(t).version() for t in (SEGMENTS, PROFILES)}
    assert document["inputs"] == {t: lake.ref(t).version() for t in STEP.inputs}
    assert document["scaler_version"] == "v1"
    assert document["configuration"]["k_max"] == 3
    assert rows_of(lake, SEGMENTS, "model_version")[0] == (version.run_id,)
    parent = client.get_run(version.run_id)
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{version.run_id}'"
    )
    assert sorted(run.data.params["k"] for run in children) == ["2", "3"]
    assert all("davies_bouldin" in run.data.metrics for run in children)
    drawn = {file.path for file in client.list_artifacts(version.run_id, "pictures")}
    assert drawn == {f"pictures/{name}.png" for name in ("profiles", "scatter", "search")}


def test_a_second_run_changes_nothing_but_run_columns_and_then_only_what_moved(
    spark, lake, open_job
):
    write_features(spark, lake, [(0, 30), (10, 20)])
    carry_out(STEP, open_job())
    contents = {t: content(lake, t) for t in STEP.outputs}
    carry_out(STEP, open_job())
    assert {t: content(lake, t) for t in STEP.outputs} == contents
    write_features(spark, lake, [(0, 30), (10, 19)])
    carry_out(STEP, open_job())
    left = lake.ref(HISTORY).read().where("change = 'left'").collect()
    assert [(row.user_id, row.segment_id) for row in left] == [("u49", "behaviour-2")]
    assert lake.ref(HISTORY).read().count() == 51


def content(lake, table):
    names = [c.name for c in TABLES[table].columns if c.name not in RUN_COLUMNS]
    return sorted(map(str, lake.ref(table).read().select(*names).collect()))


def test_another_segmentation_stays_as_it_is(spark, lake, open_job, conf_dir):
    write_features(spark, lake, [(0, 30), (10, 20)])
    (conf_dir / "segments" / "other.yaml").write_text("features: [frequency]\nk_max: 3\nk_min: 2")
    carry_out(STEP, open_job(['segments.segmentations=["other"]']))
    before = content(lake, SEGMENTS)
    carry_out(STEP, open_job())
    assert lake.ref(SEGMENTS).read().count() == 100
    assert set(before) < set(content(lake, SEGMENTS))


def test_too_few_users_close_the_gate_and_leave_the_segments(spark, lake, open_job):
    write_features(spark, lake, [(0, 30), (10, 20)])
    carry_out(STEP, open_job())
    before = content(lake, SEGMENTS)
    with pytest.raises(QualityGateError, match="needs 200 users"):
        carry_out(STEP, open_job(["segments.min_users=200"]))
    assert content(lake, SEGMENTS) == before


def test_an_edited_segmentation_is_not_up_to_date(spark, lake, open_job, conf_dir):
    write_features(spark, lake, [(0, 30), (10, 20)])
    carry_out(STEP, open_job())
    assert is_up_to_date(STEP, open_job())
    (conf_dir / "segments" / "behaviour.yaml").write_text(PLAN.replace("k_max: 3", "k_max: 4"))
    assert not is_up_to_date(STEP, open_job())
