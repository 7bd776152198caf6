"""The cluster is real: tables are written and read by executors of two worker processes."""

from __future__ import annotations

import os

import pytest
from deltalake import DeltaTable

from sparkperso.testing.cluster import submit

pytestmark = pytest.mark.cluster

SMOKE = """
import sys

from pyspark import TaskContext
from sparkperso.config import load_settings
from sparkperso.platform.session import build_session

lake = sys.argv[sys.argv.index("--lake") + 1]
small = ["spark.shuffle_partitions=2", "spark.conf.spark.databricks.delta.snapshotPartitions=2"]
spark = build_session(load_settings("cluster", assignments=small))


def where(_):
    import os
    import time
    time.sleep(1)  # long enough for both executors to be given a task
    yield os.getppid(), os.environ["SPARK_EXECUTOR_DIRS"], TaskContext.get().partitionId()


places = spark.sparkContext.parallelize(range(4), 4).mapPartitions(where)
frame = places.toDF(["pid", "folder", "id"])
frame.write.format("delta").save(f"{lake}/smoke")
assert spark.read.format("delta").load(f"{lake}/smoke").count() == 4
"""


def test_a_submitted_job_writes_delta_from_both_workers(cluster, tmp_path):
    script = tmp_path / "smoke.py"
    script.write_text(SMOKE)
    answer = submit(cluster, script, ["--lake", str(tmp_path)], timeout=180)
    assert answer.returncode == 0, answer.stderr
    rows = DeltaTable(str(tmp_path / "smoke")).to_pyarrow_table().to_pylist()
    assert len({row["folder"] for row in rows}) == 2
    assert os.getpid() not in {row["pid"] for row in rows}


def test_a_failing_job_gives_its_exit_status(cluster, tmp_path):
    script = tmp_path / "fails.py"
    script.write_text("raise SystemExit(3)")
    assert submit(cluster, script, [], timeout=120).returncode == 3
