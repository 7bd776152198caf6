"""The same jobs by spark-submit on a cluster give the same tables as in one process."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.pipeline import SMALL_SEARCH

from sparkperso.config import load_settings
from sparkperso.core.errors import QualityGateError
from sparkperso.platform.lake import Lake
from sparkperso.testing.cluster import submit
from sparkperso.testing.compare import assert_same_tables

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

JOBS = Path(__file__).parents[2] / "jobs"
SETTINGS = [
    *SMALL_SEARCH,
    "spark.shuffle_partitions=2",
    "spark.conf.spark.databricks.delta.snapshotPartitions=2",
]
ALLOWED = {0, QualityGateError.exit_status}


SUBMITTED = ("ingest_events", "run")
"""Two applications: the second finds the first one's work done, and goes on from its tables."""


@pytest.fixture(scope="module")
def cluster_lake(cluster, sample_file, small_conf, tmp_path_factory):
    """A lake that submitted jobs have filled; and their exit statuses."""
    root = tmp_path_factory.mktemp("submitted") / "lake"
    options = ["--conf-dir", str(small_conf), "--lake", str(root)]
    options += [word for setting in SETTINGS for word in ("--set", setting)]
    options += ["--source", "online_retail", "--path", str(sample_file)]
    statuses = {}
    for name in SUBMITTED:
        answer = submit(cluster, JOBS / f"{name}.py", options)
        assert answer.returncode in ALLOWED, f"{name}: {answer.stderr[-3000:]}"
        statuses[name] = answer.returncode
    return root, statuses


def test_the_tables_are_those_of_one_process(spark, pipeline, cluster_lake):
    root, statuses = cluster_lake
    lakes = [Lake(spark, load_settings(lake=str(place)).lake) for place in (pipeline.root, root)]
    assert_same_tables(*lakes)
    gates = {name for name, outcome in pipeline.outcomes.items() if outcome.status == "gate"}
    runs = lakes[1].ref("ops/runs").read().where("status = 'gate'").collect()
    assert {run.job for run in runs} == gates
    assert statuses == {"ingest_events": 0, "run": QualityGateError.exit_status if gates else 0}


def test_the_executors_did_the_work(cluster, cluster_lake):
    assert cluster.alive_workers() == 2
    logs = [path.parent.parent.name for path in cluster.folder.glob("work-*/app-*/*/stderr")]
    workers = {path.parents[2].name for path in cluster.folder.glob("work-*/app-*/*/stderr")}
    assert workers == {"work-0", "work-1"}
    assert len(set(logs)) >= len(SUBMITTED)
