"""The same jobs by spark-submit on a cluster give the same tables as in one process."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple

import pytest
from deltalake import DeltaTable
from tests.conftest import INTERPRETED
from tests.pipeline import SMALL_SEARCH

from sparkperso.config import load_settings
from sparkperso.core.columns import RUN_COLUMNS
from sparkperso.core.errors import QualityGateError
from sparkperso.platform.jars import require_jars, spark_submit_line
from sparkperso.schemas import TABLES
from sparkperso.testing.cluster import submit

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SETTINGS = [
    *SMALL_SEARCH,
    "spark.shuffle_partitions=2",
    "spark.conf.spark.databricks.delta.snapshotPartitions=2",
    # What the one process compiled, three JVMs would compile again: here plans are interpreted.
    "spark.conf.spark.sql.adaptive.enabled=false",
    *INTERPRETED,
]
PLACES = {
    "spark://master:7077": "master",
    "hdfs:///shop/lake": "lake",
    "https://mlflow.example": "tracking",
    "events": "source",
    "hdfs:///shop/in": "path",
}
"""What the README's line names → what the test puts there."""
STATUS = 3
SECOND = f"""
import sys

from pyspark import TaskContext
from pyspark.sql import SparkSession
from sparkperso.cli.main import run_cli

assert run_cli(["ingest-events", *sys.argv[1:]]) == 0
lake = sys.argv[sys.argv.index("--lake") + 1]
spark = SparkSession.getActiveSession()


def where(_):
    import os
    import time
    time.sleep(1)  # long enough for both executors to be given a task
    yield os.getppid(), os.environ["SPARK_EXECUTOR_DIRS"], TaskContext.get().partitionId()


places = spark.sparkContext.parallelize(range(4), 4).mapPartitions(where)
frame = places.toDF(["pid", "folder", "id"])
frame.write.format("delta").save(f"{{lake}}/places")
assert spark.read.format("delta").load(f"{{lake}}/places").count() == 4
raise SystemExit({STATUS})
"""
"""An application that finds the first one's work done, writes a table of where its tasks ran, and
ends with a status of its own."""


class Submitted(NamedTuple):
    """A lake that two applications have filled, and how they ended."""

    root: Path
    run: CompletedProcess
    second: CompletedProcess


def documented_line(**places):
    """The words of the README's spark-submit line, with other places in it."""
    block = re.search(r"^spark-submit.*?(?=^```)", (ROOT / "README.md").read_text(), re.M | re.S)
    words = [word.rpartition("=") for word in shlex.split(block.group().replace("\\\n", " "))]
    assert {word for _, _, word in words} >= set(PLACES)
    return [name + equals + places.get(PLACES.get(word), word) for name, equals, word in words]


@pytest.fixture(scope="module")
def submitted(cluster, sample_file, small_conf, put_database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("submitted")
    root = folder / "lake"
    put_database(load_settings(lake=str(root)))
    places = {
        "master": cluster.url,
        "lake": str(root),
        "tracking": f"sqlite:///{root}/_mlflow/mlflow.db",
        "source": "online_retail",
        "path": str(sample_file),
    }
    own = ["--conf-dir", str(small_conf)]
    own += [word for setting in SETTINGS for word in ("--set", setting)]
    run = submit([*documented_line(**places), *own], ROOT)
    assert run.returncode in {0, QualityGateError.exit_status}, run.stderr[-3000:]
    script = folder / "second.py"
    script.write_text(SECOND)
    options = ["--env", "cluster", *own, "--lake", places["lake"]]
    options += ["--source", places["source"], "--path", places["path"]]
    line = spark_submit_line(script, options, master=cluster.url, jars=require_jars())
    return Submitted(root, run, submit(line, ROOT))


def rows_of(root, name):
    """The rows of a table but for the columns of a run, as often as they occur; None without it."""
    if not (root / name).exists():
        return None
    table = DeltaTable(str(root / name)).to_pyarrow_table()
    kept = [column for column in table.column_names if column not in RUN_COLUMNS]
    return Counter(repr(plain(row)) for row in table.select(sorted(kept)).to_pylist())


def plain(value):
    """A value of Arrow; the entries of a map, which are pairs, in order."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        parts = [plain(part) for part in value]
        return sorted(parts, key=repr) if parts and isinstance(parts[0], tuple) else parts
    return value


@pytest.mark.parametrize("name", [n for n in TABLES if not n.startswith("ops/")])
def test_the_tables_are_those_of_one_process(pipeline, submitted, name):
    here, there = (rows_of(lake.root, name) for lake in (pipeline, submitted))
    assert (here is None) == (there is None), "only one of the lakes has the table"
    if here is not None:
        assert list((here - there).items())[:3] == list((there - here).items())[:3] == []


def test_gates_are_those_of_one_process(pipeline, submitted):
    gates = {name for name, outcome in pipeline.outcomes.items() if outcome.status == "gate"}
    runs = DeltaTable(str(submitted.root / "ops/runs")).to_pyarrow_table().to_pylist()
    assert {run["job"] for run in runs if run["status"] == "gate"} == gates
    assert submitted.run.returncode == (QualityGateError.exit_status if gates else 0)


def test_a_second_application_goes_on_from_the_tables_of_the_first(submitted):
    assert "received 0" in submitted.second.stdout, submitted.second.stderr[-3000:]


def test_the_exit_status_is_that_of_the_job(submitted):
    assert submitted.second.returncode == STATUS, submitted.second.stderr[-3000:]


def test_both_workers_write_delta_in_processes_of_their_own(submitted):
    rows = DeltaTable(str(submitted.root / "places")).to_pyarrow_table().to_pylist()
    assert len({row["folder"] for row in rows}) == 2
    assert os.getpid() not in {row["pid"] for row in rows}


def test_the_executors_did_the_work(cluster, submitted):
    assert cluster.alive_workers() == 2
    logs = list(cluster.folder.glob("work-*/app-*/*/stderr"))
    assert {path.parents[2].name for path in logs} == {"work-0", "work-1"}
    assert len({path.parents[1].name for path in logs}) >= len({"run", "second"})
