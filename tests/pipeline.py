"""The whole pipeline on a small real sample, carried out once for all tests that look at it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.conftest import INTERPRETED, TEST_PROPERTIES, overridden

from sparkperso.testing.plans import kept_frames

# A search that a test can wait for. What is searched is no part of what these tests look at.
SMALL_SEARCH = [
    "recommend.search.space=[{model: popularity, half_life_days: 14},"
    " {model: als_implicit, rank: [4, 8], max_iter: 4}, {model: ease}]",
    "recommend.split.fold_ends=[0.7]",
    "recommend.bootstrap.n_resamples=200",
    "recommend.lists.kinds=[new]",
    "segments.num_seeds=1",
    "segments.segmentations=[behaviour, audiences]",
]


@dataclass(frozen=True)
class Pipeline:
    """A lake that the pipeline has filled, and what came of each step."""

    root: Path
    conf_dir: Path
    sample: Path
    outcomes: dict
    reads: dict
    """Step → tables that Spark was made to read meanwhile."""
    kept: dict
    """Step → what was still kept in memory of it when it had ended."""


@contextmanager
def compiled(spark):
    """Lets Spark compile plans inside the block, as it does wherever it is not tested."""
    assigned = [line.removeprefix("spark.conf.").split("=") for line in INTERPRETED]
    for name, _ in assigned:
        spark.conf.unset(name)
    try:
        yield
    finally:
        for name, value in assigned:
            spark.conf.set(name, value)


@contextmanager
def recorded_reads(root):
    """Gives step → tables of a lake whose files Spark is asked for, whoever asks."""
    from pyspark.sql.readwriter import DataFrameReader

    from sparkperso.pipeline import step as steps

    reads, current, left = {}, [], {}
    load, carry_out = DataFrameReader.load, steps._carry_out

    def noted_load(self, path=None, *args, **options):
        if current and str(path).startswith(f"{root}/"):
            reads[current[0]].add(str(path).removeprefix(f"{root}/"))
        return load(self, path, *args, **options)

    def noted_step(step, job):
        current[:] = [step.name]
        reads.setdefault(step.name, set())
        before = kept_frames(job.spark)
        try:
            return carry_out(step, job)
        finally:
            current.clear()
            left[step.name] = kept_frames(job.spark) - before

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DataFrameReader, "load", noted_load)
        patch.setattr(steps, "_carry_out", noted_step)
        yield reads, left


@pytest.fixture(scope="session")
def sample_file(tmp_path_factory):
    from sparkperso.testing.sample import write_sample

    return write_sample(tmp_path_factory.mktemp("sample") / "order_lines.parquet")


@pytest.fixture(scope="session")
def small_conf(tmp_path_factory):
    """A copy of conf/ whose segmentation tries few k."""
    from sparkperso.config import default_conf_dir

    folder = tmp_path_factory.mktemp("conf") / "conf"
    shutil.copytree(default_conf_dir(), folder)
    path = folder / "segments" / "behaviour.yaml"
    plan = yaml.safe_load(path.read_text()) | {"k_min": 3, "k_max": 4, "gap_references": 2}
    path.write_text(yaml.safe_dump(plan))
    return folder


@pytest.fixture(scope="session")
def run_pipeline(spark, sample_file, small_conf):
    """Returns run(root, set=()), which carries out all steps on the sample in that folder."""
    from sparkperso.config import load_settings
    from sparkperso.jobs.run import run_steps
    from sparkperso.pipeline.job import Job

    def run(root, set=()):  # noqa: A002
        assignments = overridden(TEST_PROPERTIES, SMALL_SEARCH, set)
        settings = load_settings(conf_dir=small_conf, assignments=assignments, lake=str(root))
        options = {"source": "online_retail", "path": str(sample_file)}
        with recorded_reads(root) as (reads, left), compiled(spark):
            outcomes = run_steps(Job("run", settings, spark, options, conf_dir=small_conf))
        return Pipeline(root, small_conf, sample_file, outcomes, reads, left)

    return run


@pytest.fixture(scope="session")
def pipeline(run_pipeline, tmp_path_factory):
    return run_pipeline(tmp_path_factory.mktemp("pipeline") / "lake")
