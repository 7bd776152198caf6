"""build-features: what it writes, for which time, and that doing it again changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pytest
from tests.conftest import TEST_PROPERTIES, overridden

from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.testing.clickstream import ClickStream, make_click_stream
from sparkperso.testing.compare import assert_same_rows
from sparkperso.testing.frames import events_frame
from sparkperso.testing.plans import spark_work

INTERACTIONS, FEATURES = "gold/interactions", "gold/user_features"
SCALED, SCALERS = "gold/user_features_scaled", "gold/feature_scalers"
MIN_MAX = ["features.scaling.method=minmax", "features.scaling.log=[]"]


@dataclass
class Built:
    """A lake on which the job ran three times: twice for the same time, then for an earlier one."""

    lake: object
    stream: ClickStream
    earlier: datetime
    first: dict
    summary: dict
    jobs: int
    """Spark jobs of the second run."""

    def read(self, name):
        return self.lake.ref(name).read()


def run(spark, root, as_of=None, set=(), conf_dir=None):  # noqa: A002
    from sparkperso.config import load_settings
    from sparkperso.jobs.build_features import STEP
    from sparkperso.pipeline.job import Job
    from sparkperso.pipeline.step import carry_out

    settings = load_settings(assignments=overridden(TEST_PROPERTIES, set), lake=root)
    job = Job("build-features", settings, spark, requested_as_of=as_of, say=lambda line: None)
    job.conf_dir = conf_dir
    return carry_out(STEP, job).summary


@pytest.fixture(scope="module")
def built(spark, tmp_path_factory):
    from sparkperso.config import load_settings
    from sparkperso.platform.lake import Lake

    root = str(tmp_path_factory.mktemp("features"))
    lake = Lake(spark, load_settings(assignments=TEST_PROPERTIES, lake=root).lake)
    stream = make_click_stream(n_users=8)
    lake.writer("silver/events").append(events_frame(spark, stream.events))
    summary = run(spark, root)
    first = {name: lake.ref(name).version() for name in (INTERACTIONS, FEATURES, SCALED, SCALERS)}
    later = {**stream.events[-1], "timestamp": "2026-07-01T00:00:00Z", "item_id": "item-001"}
    lake.writer("silver/events").append(events_frame(spark, [later]))
    with spark_work(spark) as work:
        run(spark, root, stream.as_of.replace(tzinfo=None))
    again = {name: lake.ref(name).version() for name in first}
    earlier = stream.as_of.replace(tzinfo=None) - timedelta(days=30)
    run(spark, root, earlier, MIN_MAX)
    return Built(
        lake, stream, earlier, {n: (first[n], again[n]) for n in first}, summary, work.jobs
    )


def test_the_features_are_the_truth_and_the_latest_event_sets_the_time(built):
    assert (built.summary["users"], built.summary["as of"]) == (8, "2026-06-30 21:00:00")
    rows = built.read(FEATURES).where(f"as_of > TIMESTAMP '{built.earlier}'").collect()
    found = {row.user_id: row for row in rows}
    for user, truth in built.stream.features().items():
        assert {name: found[user][name] for name in truth} == truth


def test_a_user_is_scaled_alone_by_what_is_stored(built):
    from sparkperso.features.scaler_parameters import FeatureScaler, scale_user

    scaled = built.read(SCALED).where("user_id = 'user-0003'")
    for row in scaled.withColumn("as_of", scaled.as_of.cast("string")).collect():
        stored = built.read(SCALERS).where(f"scaler_version = '{row.scaler_version}'").collect()
        scalers = [FeatureScaler(**scaler.asDict()) for scaler in stored]
        at_that_time = f"user_id = 'user-0003' AND as_of = TIMESTAMP '{row.as_of}'"
        features = built.read(FEATURES).where(at_that_time).first()
        alone = scale_user(features.asDict(), scalers)
        assert alone == pytest.approx({name: row[name] for name in NUMERIC_FEATURES})


def test_few_users_take_few_jobs(built):
    assert built.jobs <= 60


@pytest.mark.parametrize("name", [INTERACTIONS, FEATURES, SCALED, SCALERS])
def test_the_same_time_again_changes_nothing_though_there_are_later_events(built, name):
    first, again = built.first[name]
    assert again > first
    assert_same_rows(built.lake.ref(name).read(first), built.lake.ref(name).read(again))


def test_another_time_stands_beside_the_first_and_knows_nothing_later(built):
    times = {row.as_of for row in built.read(FEATURES).select("as_of").distinct().collect()}
    assert len(times) == 2
    old = built.read(FEATURES).where(f"as_of = TIMESTAMP '{built.earlier}'")
    assert 0 < old.agg({"n_events": "sum"}).first()[0] < len(built.stream.events)
    assert built.read(INTERACTIONS).where(f"last_at > TIMESTAMP '{built.earlier}'").isEmpty()


def test_the_settings_reach_the_scaling(built):
    old = built.read(SCALED).where(f"as_of = TIMESTAMP '{built.earlier}'")
    assert tuple(old.selectExpr("min(tenure_days)", "max(n_events)").first()) == (0.0, 1.0)
    methods = built.read(SCALERS).groupBy("scaler_version").agg({"method": "first"}).collect()
    assert sorted(row[1] for row in methods) == ["minmax", "zscore"]


def test_events_that_name_no_user_stop_the_job_with_a_word_on_what_to_do(spark, lake):
    nobody = {"anonymous_id": "a", "timestamp": datetime(2026, 1, 1, tzinfo=timezone.utc)}
    lake.writer("silver/events").append(events_frame(spark, [nobody]))
    with pytest.raises(JobError, match="Ingest events that hold a user_id"):
        run(spark, lake.config.root)


def test_without_events_the_job_says_what_to_run_first(spark, lake):
    with pytest.raises(JobError, match="ingest-events"):
        run(spark, lake.config.root)


def test_an_own_feature_becomes_a_column_with_a_scaler_beside_rows_of_before(spark, lake, tmp_path):
    folder, root = tmp_path / "features", lake.config.root
    folder.mkdir()
    stream = make_click_stream(n_users=4)
    lake.writer("silver/events").append(events_frame(spark, stream.events))
    run(spark, root, as_of=stream.as_of - timedelta(days=10))
    sql = "{sql: count(distinct item_id), description: different items, log: true}"
    (folder / "n_items.yaml").write_text(sql)
    run(spark, root, conf_dir=tmp_path)
    features, scaled = (lake.ref(name).read() for name in (FEATURES, SCALED))
    assert features.columns[-1] == scaled.columns[-1] == "n_items"
    for table in (features, scaled):
        known = table.groupBy("as_of").agg({"n_items": "count", "*": "count"}).orderBy("as_of")
        (before, now) = ((row["count(n_items)"], row["count(1)"]) for row in known.collect())
        assert before[0] == 0 < before[1]
        assert now[0] == now[1] > 0
    (scaler,) = lake.ref(SCALERS).read().where("feature = 'n_items'").collect()
    assert scaler.log
    last = lake.ref(FEATURES).version()
    (folder / "n_items.yaml").write_text("{sql: item_id, description: none}")
    with pytest.raises(ConfigError, match="n_items: no aggregate"):
        run(spark, root, conf_dir=tmp_path)
    assert lake.ref(FEATURES).version() == last
