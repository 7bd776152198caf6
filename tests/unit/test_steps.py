"""What is recorded of a step that was broken off; tests/spark/test_steps.py has the rest."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from sparkperso.config import load_settings
from sparkperso.errors import JobError
from sparkperso.jobs import step as steps
from sparkperso.jobs.context import Job
from sparkperso.jobs.step import Step, carry_out


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
