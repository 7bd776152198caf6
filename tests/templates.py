"""What every lake begins with, made once and copied: MLflow's database and empty Delta tables.

MLflow's migrations take two seconds of a processor, Delta's creation of a table half a one; a test
that is about neither need not wait for them. The first of each kind in a process is real.
"""

from __future__ import annotations

import shutil
from functools import cached_property, wraps
from itertools import count
from pathlib import Path

import pytest

FIRST_COMMIT = f"{0:020}.json"
INTERVAL = "spark.databricks.delta.properties.defaults.checkpointInterval"
"""A property of new tables that streams set otherwise than batches."""


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory):
    """A migrated database of MLflow without a run of ours."""
    from sparkperso.config import load_settings
    from sparkperso.platform.tracking import open_tracking

    settings = load_settings(lake=str(tmp_path_factory.mktemp("tracking")))
    open_tracking(settings).client.search_experiments()
    return database_of(settings)


@pytest.fixture(scope="session")
def put_database(mlflow_database):
    """Returns put(settings), which gives a lake that has none its database."""

    def put(settings):
        place = database_of(settings)
        if not settings.tracking.uri and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(mlflow_database, place)

    return put


def database_of(settings):
    return Path(settings.tracking_uri.removeprefix("sqlite:///"))


@pytest.fixture(scope="session")
def templates(request, tmp_path_factory):
    """Lets jobs of this process begin with copies."""
    from sparkperso.pipeline.job import Job
    from sparkperso.platform.lake import TableWriter

    with pytest.MonkeyPatch.context() as patch:
        opened = Job.tracking.func
        tracking = cached_property(lambda job: _open(job, opened, request))
        tracking.__set_name__(Job, "tracking")
        patch.setattr(Job, "tracking", tracking)
        create = _created(TableWriter.create, tmp_path_factory.mktemp("tables"))
        patch.setattr(TableWriter, "create", create)
        yield


def _open(job, opened, request):
    request.getfixturevalue("put_database")(job.settings)
    return opened(job)


def _created(create, folder):
    """Returns what creates the table of a spec by Delta, the next ones of it from that commit.

    A job creates several tables at once, each in a thread: every kept commit has a file of its own.
    """
    commits, numbers = {}, count()

    @wraps(create)
    def copied(writer):
        ref = writer.ref
        kind = (ref.spec, ref.spark.conf.get(INTERVAL, None))
        log = Path(ref.place) / "_delta_log"
        if not ref.by_path or "://" in ref.place or ref.exists():
            create(writer)
        elif commit := commits.get(kind):
            log.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(commit, log / FIRST_COMMIT)
        else:
            create(writer)
            kept = folder / f"{next(numbers)}.json"
            shutil.copyfile(log / FIRST_COMMIT, kept)
            commits[kind] = kept

    return copied


@pytest.fixture
def unrecorded(monkeypatch):
    """Lets jobs leave no row in ops/runs and ops/lineage: two tables less to write for each run.

    What stands in them is asked by test_steps.py, test_pipeline.py and test_airflow.py.
    """
    monkeypatch.setattr("sparkperso.pipeline.step._keep_record", lambda *_: None)
