"""What is recorded of a step that was broken off; tests/spark/test_steps.py has the rest."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from sparkperso.config import load_settings
from sparkperso.core.errors import JobError
from sparkperso.jobs import monitor, publish
from sparkperso.jobs.train_recommender.model_tables import MODEL_ARRAYS, read_registered
from sparkperso.pipeline import step as steps
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.registry import JOBS
from sparkperso.pipeline.step import Step, carry_out
from sparkperso.platform.tracking import ModelVersion


@pytest.fixture
def job(monkeypatch):
    monkeypatch.setattr(steps, "settled", lambda *_: nullcontext())
    monkeypatch.setattr(steps, "fingerprint_of", lambda *_: "f")
    said = []
    job = Job("any", load_settings(), None, say=said.append)
    job.said = said
    return job


def failing(error):
    def action(job):
        raise error

    return Step("any", action)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), JobError("broken")])
def test_what_was_broken_off_is_never_recorded_as_done(job, monkeypatch, error):
    outcomes = []
    monkeypatch.setattr(steps, "_record", lambda step, job, outcome, *_: outcomes.append(outcome))
    with pytest.raises(type(error)):
        carry_out(failing(error), job)
    assert [(o.status, o.error) for o in outcomes] == [("failed", error)]


def test_what_went_wrong_first_is_raised_where_it_cannot_be_recorded_either(job, monkeypatch):
    def gone(*_):
        raise ConnectionError("Spark is gone")

    monkeypatch.setattr(steps, "_record", gone)
    with pytest.raises(JobError, match="broken"):
        carry_out(failing(JobError("broken")), job)
    assert job.said == ["ops/runs could not be written: Spark is gone (ConnectionError)"]
    with pytest.raises(ConnectionError):
        carry_out(Step("any", lambda job: {}), job)


def hash_of(*assignments):
    return steps._settings_hash(Job("any", load_settings(assignments=assignments), None))


@pytest.mark.parametrize(
    "assignment", ["collect.limits.max_values=9", "links.site=shop", "lake.root=elsewhere"]
)
def test_settings_that_no_job_reads_make_no_step_be_done_again(assignment):
    assert hash_of(assignment) == hash_of()


def test_settings_that_a_job_reads_make_its_step_be_done_again():
    assert hash_of("features.session_gap_minutes=5") != hash_of()
    assert hash_of("spark.conf.spark.sql.ansi.enabled=false") != hash_of()


def test_no_job_that_may_be_skipped_reads_what_is_left_out_of_its_fingerprint():
    package = Path(steps.__file__).parents[1]
    names = ("publish", "monitor", "refresh")
    never_skipped = {package / "jobs" / name for name in names}
    assert not publish.STEP.inputs
    assert not monitor.STEP.inputs
    assert not JOBS["refresh"].is_step
    readers = {
        path.relative_to(package).parts[0]
        for path in package.rglob("*.py")
        if never_skipped.isdisjoint(path.parents)
        and re.search(rf"settings\.({'|'.join(steps.SERVICE_SETTINGS)})\b", path.read_text())
    }
    assert readers <= {"services", "email", "mail", "cli", "simulation", "testing"}


def test_a_registered_model_whose_table_is_gone_is_no_model_of_no_rows():
    def never(number):
        raise AssertionError("read")

    table = SimpleNamespace(version=lambda: None, read=never)
    job = SimpleNamespace(lake=SimpleNamespace(ref=lambda name: table))
    document = {"model_version": "m", "n_items": 3, "tables": {MODEL_ARRAYS: 5}, "digests": {}}
    version = ModelVersion("recommender", "4", "run", document)
    with pytest.raises(JobError, match=r"rows of model 4.*There is no such table"):
        read_registered(job, version, MODEL_ARRAYS)
