"""The one place that writes: schemas are held, writes happen once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from threading import Barrier

import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F
from tests.templates import _created

from sparkperso.config.platform import LakeConfig
from sparkperso.core.errors import JobError, WriteConflictError
from sparkperso.platform.lake import Lake, TableRef, TableWriter, Txn
from sparkperso.testing.plans import spark_work

ROW = ("r1", "s", "b", "received", 3, datetime(2026, 1, 1))


@pytest.fixture
def rows(spark):
    from sparkperso.schemas import TABLES

    return spark.createDataFrame([ROW], TABLES["ops/data_quality"].struct())


def test_reading_before_the_first_write_gives_an_empty_frame(lake):
    assert lake.read("ops/data_quality").count() == 0


def test_an_append_named_by_a_transaction_happens_once(lake, rows):
    for _ in range(2):
        lake.writer("ops/data_quality").append(rows, Txn("test", 1))
    assert lake.ref("ops/data_quality").read().count() == 1


def test_a_merge_named_by_a_transaction_leaves_no_name_behind(lake, rows, spark):
    for _ in range(2):
        lake.writer("ops/data_quality").merge(rows, txn=Txn("test", 1))
    lake.writer("ops/data_quality").append(rows)
    assert lake.ref("ops/data_quality").read().count() == 2


def test_an_error_lists_every_difference_from_the_schema(lake, rows):
    wrong = rows.withColumnRenamed("rule", "rle").withColumn("n_records", rows.n_records + 0.5)
    with pytest.raises(JobError) as error:
        lake.writer("ops/data_quality").append(wrong)
    assert all(part in str(error.value) for part in ("no column 'rule'", "'rle'", "'n_records' is"))


def test_tables_are_readable_by_delta_rs(lake, rows):
    lake.writer("ops/data_quality").append(rows)
    assert DeltaTable(lake.ref("ops/data_quality").place).to_pyarrow_table().num_rows == 1


@pytest.mark.parametrize("name", ["silver/events", "gold/segment_history"])
def test_an_empty_table_of_the_tests_is_as_delta_creates_it(spark, tmp_path, name):
    """Tests copy the first commit of a table that was created before; see tests/templates.py."""
    first, second, real = (
        Lake(spark, LakeConfig(root=str(tmp_path / root))).writer(name)
        for root in ("first", "second", "real")
    )
    first.create()
    second.create()
    TableWriter.create.__wrapped__(real)
    copied, real = (DeltaTable(writer.ref.place) for writer in (second, real))
    assert copied.schema().to_json() == real.schema().to_json()
    assert copied.protocol() == real.protocol()
    found, wanted = copied.metadata(), real.metadata()
    for part in ("description", "partition_columns", "configuration"):
        assert getattr(found, part) == getattr(wanted, part)


def test_tables_that_the_tests_create_at_once_are_each_their_own(spark, tmp_path):
    names = ("ops/data_quality", "silver/items", "silver/consents", "ops/runs")
    together = Barrier(len(names))

    def create_by_delta(writer):
        TableWriter.create.__wrapped__(writer)
        together.wait(timeout=60)

    create = _created(create_by_delta, tmp_path)
    for root in ("first", "copied"):
        config = LakeConfig(root=str(tmp_path / root))
        writers = [Lake(spark, config).writer(name) for name in names]
        with ThreadPoolExecutor(len(writers)) as pool:
            list(pool.map(create, writers))
    for writer in writers:
        columns = [field.name for field in DeltaTable(writer.ref.place).schema().fields]
        assert columns == writer.ref.spec.column_names


def test_a_lake_may_be_a_relative_folder(spark, rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lake = Lake(spark, LakeConfig(root="here"))
    lake.writer("ops/data_quality").append(rows)
    assert lake.read("ops/data_quality").count() == 1
    assert (tmp_path / "here" / "ops" / "data_quality").is_dir()


def test_two_runs_that_replace_the_same_rows_at_once_conflict(lake, rows):
    writer = lake.writer("ops/data_quality")
    writer.append(rows)
    slow = rows.withColumn("source", F.udf(slowly)("source"))
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(writer.overwrite, slow, "source = 's'")
        time.sleep(1.5)
        writer.overwrite(rows, "source = 's'")
        with pytest.raises(WriteConflictError, match="ops/data_quality"):
            late.result()
    assert lake.ref("ops/data_quality").read().count() == 1


def test_the_version_is_that_of_the_history_and_takes_no_job(lake, rows, spark):
    writer = lake.writer("ops/data_quality")
    for known in (lambda: None, writer.create, *[lambda: writer.append(rows)] * 3):
        known()
        with spark_work(spark) as work:
            found = writer.ref.version()
        history = writer.ref.delta().history(1).first()["version"] if writer.ref.exists() else None
        assert (found, work.jobs) == (history, 0)
    assert found == 3


def test_the_version_is_known_whatever_has_been_cleaned_up_of_the_log(lake, rows, spark):
    writer = lake.writer("ops/data_quality")
    for _ in range(11):
        writer.append(rows)
    log = Path(writer.ref.place) / "_delta_log"
    for number in range(10):
        (log / f"{number:020}.json").unlink()
    assert writer.ref.version() == writer.ref.delta().history(1).first()["version"] == 11
    assert Lake(spark, lake.config).read("ops/data_quality").count() == 11
    for number in (10, 11):
        (log / f"{number:020}.json").unlink()
    assert [path.name for path in log.glob("*.parquet")] == [f"{10:020}.checkpoint.parquet"]
    assert writer.ref.version() == 10


def test_a_folder_that_is_no_table_has_no_version(lake, tmp_path):
    ref = lake.ref("ops/data_quality")
    assert ref.version() is None
    (Path(ref.place) / "_delta_log").mkdir(parents=True)
    assert ref.version() is None


def test_a_table_is_asked_for_its_version_once(lake, rows, monkeypatch, spark):
    lake.writer("ops/data_quality").append(rows)
    lake = Lake(spark, lake.config)
    asked, version = [], TableRef.version
    monkeypatch.setattr(TableRef, "version", lambda ref: asked.append(ref) or version(ref))
    for _ in range(3):
        lake.read("ops/data_quality")
    assert len(asked) == 1


def test_the_work_of_a_block_is_its_jobs_and_the_tables_that_its_plans_scan(lake, rows, spark):
    lake.writer("ops/data_quality").append(rows)
    table = lake.ref("ops/data_quality").read()
    twice = table.select("rule").union(table.select("rule"))
    kept = table.select("source").persist()
    with spark_work(spark) as work:
        spark.range(10).collect()
        twice.collect()
        for _ in range(3):
            kept.distinct().collect()
    kept.unpersist()
    assert work.jobs >= 5
    assert work.scans_of("ops/data_quality") == 2
    assert work.scans_of("silver/events") == 0


def slowly(text):
    time.sleep(6)
    return text
