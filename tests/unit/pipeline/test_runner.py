"""What is looked at before a session is started: the place of the lake; and how a job is ended."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from sparkperso.config import load_settings
from sparkperso.core.errors import UsageError
from sparkperso.core.logs import open_log
from sparkperso.pipeline import runner
from sparkperso.pipeline.runner import open_job, require_writable


@pytest.mark.parametrize("lake", ["lake", "./here/lake", "file:lake"])
def test_a_relative_lake_is_refused_where_the_master_is_a_clusters(lake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="relative to the working folder") as refused:
        require_writable(load_settings("cluster", lake=lake))
    assert str(tmp_path) in str(refused.value)
    assert list(tmp_path.iterdir()) == []
    require_writable(load_settings("local", lake=lake))


def test_a_folder_that_every_machine_sees_is_taken(tmp_path):
    require_writable(load_settings("cluster", lake=f"{tmp_path}/lake"))
    require_writable(load_settings("cluster", lake="s3a://bucket/lake"))
    require_writable(load_settings("databricks"))


def test_a_job_that_is_told_to_end_says_so_in_its_log(tmp_path, monkeypatch):
    @contextmanager
    def without_spark(settings, name, folder, debug):
        with open_log(Path(folder) / "job.log") as log:
            yield None, log

    monkeypatch.setattr(runner, "logged_session", without_spark)
    names = ("env", "conf_dir", "assignments", "lake", "as_of", "debug")
    values = ("local", None, (), f"{tmp_path}/lake", None, False)
    with (
        pytest.raises(KeyboardInterrupt),
        open_job("build-features", dict(zip(names, values, strict=True))),
    ):
        signal.raise_signal(signal.SIGTERM)
    assert "Interrupted" in (tmp_path / "lake" / "_logs" / "job.log").read_text()
