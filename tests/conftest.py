"""One lazy Spark session for the whole run, a fresh lake folder for each test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")

# Families of tests that ship with the package: their assertions say what was found, too.
pytest.register_assert_rewrite("sparkperso.testing.models")
# Fixtures of what lakes begin with, of the whole pipeline on a sample, of the collector's spool, of
# a broker, of a Redis server.
pytest_plugins = [
    *("tests.templates", "tests.pipeline", "tests.spool", "tests.kafka", "tests.redis_server"),
]

INTERPRETED = [
    "spark.conf.spark.sql.codegen.wholeStage=false",
    "spark.conf.spark.sql.codegen.factoryMode=NO_CODEGEN",
]
TEST_PROPERTIES = [
    "spark.master=local[2]",
    "spark.driver_memory=1500m",
    "spark.shuffle_partitions=2",
    "spark.conf.spark.sql.adaptive.enabled=false",
    "spark.conf.spark.default.parallelism=2",
    # Tests run every plan once or twice: what they wait for is analysis and compilation.
    # One compiler has 48 MB for its code by default: full after some minutes, it stops for good.
    "spark.conf.spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1 -XX:+UseParallelGC "
    "-XX:ReservedCodeCacheSize=256m",
    # Delta keeps the plans of each table's state, of 10,000 tables: every test has its own lake.
    "spark.conf.spark.databricks.delta.delta.log.cacheSize=30",
    # Nor is a plan that runs once worth being compiled; tests of the whole pipeline do compile.
    *INTERPRETED,
    # A broadcast join of ten rows takes a whole page, of up to 64 MB, until its plan is collected.
    "spark.conf.spark.buffer.pageSize=1m",
    "spark.conf.spark.sql.ui.retainedExecutions=10",
    "spark.conf.spark.ui.retainedJobs=50",
    "spark.conf.spark.ui.retainedStages=50",
    "spark.conf.spark.ui.retainedTasks=500",
]


def overridden(*layers):
    """Returns lists of assignments as one; a later list wins over an earlier."""
    flat = dict(line.split("=", 1) for layer in layers for line in layer)
    return [f"{key}={value}" for key, value in flat.items()]


ON_THE_PIPELINE = {
    "test_cluster_pipeline",
    "test_docs",
    "test_notebooks",
    "test_pipeline",
    "test_rules_preview",
}
"""Files whose tests share one run of the whole pipeline."""
LONGEST = (
    *("test_cluster_pipeline", "test_notebooks", "test_docs", "test_pipeline"),
    *("test_recommend_jobs", "test_stream_segments", "test_stream_events", "test_airflow"),
    *("test_ingest_events", "test_build_segments", "test_stream_killed", "test_literals"),
    *("test_replay_quarantine", "test_recommend_search", "test_benchmark"),
)
"""Files that take over a minute, longest first: no process is to be left with one at the end."""
GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[1]


def machine_paths():
    """Returns beginnings of paths that exist on this machine alone: no tracked file names them."""
    return [f"{path}/" for path in (ROOT, ROOT.parent, Path.home()) if path != path.parent]


def pytest_addoption(parser):
    parser.addoption("--golden-update", action="store_true", help="Rewrite the golden files.")
    parser.addoption(
        "--fuzz-examples", type=int, help="Requests of schemathesis per operation, by chance."
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With -n: a file stays with one session, and so do all that look at the whole pipeline."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.partition("::")[0]
            return "pipeline" if Path(path).stem in ON_THE_PIPELINE else path

    return ByFile(config, log)


def pytest_collection_modifyitems(items):
    """Puts the longest files first."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


@pytest.fixture
def golden(request):
    """Returns check(name, text), which compares with tests/golden/<name> or rewrites it."""

    def check(name, text, folder=GOLDEN):
        path = folder / name
        if request.config.getoption("--golden-update"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path} is missing: run 'make golden'"
        assert text == path.read_text(encoding="utf-8"), f"{path} differs: run 'make golden'"

    return check


@pytest.fixture(scope="session")
def spark(templates):
    from sparkperso.config import load_settings
    from sparkperso.platform.session import build_session

    session = build_session(load_settings(assignments=TEST_PROPERTIES))
    yield session
    session.stop()


@pytest.fixture(scope="module", autouse=True)
def session_as_before():
    """Gives the shared session its properties back after each file.

    What a document's example or a notebook builds is this session, with the properties of its own
    environment: adaptive execution makes twice as many jobs of a small plan.
    """
    yield
    sql = sys.modules.get("pyspark.sql")
    session = sql and sql.SparkSession.getActiveSession()
    if session:
        for line in TEST_PROPERTIES:
            name, _, value = line.removeprefix("spark.conf.").partition("=")
            name = name.replace("spark.shuffle_partitions", "spark.sql.shuffle.partitions")
            if session.conf.isModifiable(name):
                session.conf.set(name, value)


@pytest.fixture
def settings(tmp_path):
    from sparkperso.config import load_settings

    return load_settings(assignments=TEST_PROPERTIES, lake=str(tmp_path / "lake"))


@pytest.fixture
def lake(spark, settings):
    from sparkperso.platform.lake import Lake

    return Lake(spark, settings.lake)


@pytest.fixture
def make_job(spark, settings):
    """Returns make(name, set=[...], **options), which opens a job on this test's lake."""
    from sparkperso.config import load_settings
    from sparkperso.pipeline.job import Job

    def make(name, set=(), as_of=None, **options):  # noqa: A002
        own = load_settings(assignments=overridden(TEST_PROPERTIES, set), lake=settings.lake.root)
        return Job(name, own, spark, options, requested_as_of=as_of, say=lambda line: None)

    return make
