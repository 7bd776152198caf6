"""The one place that writes: schemas are held, writes happen once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from pyspark.sql import functions as F

from sparkperso.config.platform import LakeConfig
from sparkperso.core.errors import JobError, WriteConflictError
from sparkperso.platform.lake import Lake, Txn

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
    from deltalake import DeltaTable

    lake.writer("ops/data_quality").append(rows)
    assert DeltaTable(lake.ref("ops/data_quality").place).to_pyarrow_table().num_rows == 1


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


def slowly(text):
    time.sleep(6)
    return text
