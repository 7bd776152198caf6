"""What is looked at before a session is started: the place of the lake."""

from __future__ import annotations

import pytest

from sparkperso.config import load_settings
from sparkperso.core.errors import UsageError
from sparkperso.pipeline.runner import require_writable


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
