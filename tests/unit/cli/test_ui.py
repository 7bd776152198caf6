"""The MLflow pages: on loopback, on the lake's own runs, or a clear word why not."""

from __future__ import annotations

import socket
import sys

import pytest

from sparkperso.cli.ui import server_line
from sparkperso.config import load_settings
from sparkperso.core.errors import UsageError
from sparkperso.services.http.process.ports import require_free


@pytest.fixture
def settings(tmp_path):
    place = tmp_path / "_mlflow" / "mlflow.db"
    place.parent.mkdir()
    place.write_text("")
    return load_settings(lake=str(tmp_path))


def test_the_server_gets_the_lakes_database_and_artifacts(settings, tmp_path):
    line = server_line(settings, "127.0.0.1", 5001)
    options = dict(zip(line[4::2], line[5::2], strict=True))
    assert line[:4] == [sys.executable, "-m", "mlflow", "server"]
    assert options == {
        "--workers": "1",
        "--host": "127.0.0.1",
        "--port": "5001",
        "--backend-store-uri": f"sqlite:///{tmp_path}/_mlflow/mlflow.db",
        "--artifacts-destination": f"file://{tmp_path}/_mlflow/artifacts",
    }


def test_a_lake_without_runs_is_told(tmp_path):
    with pytest.raises(UsageError, match="nothing was recorded"):
        server_line(load_settings(lake=str(tmp_path)), "127.0.0.1", 5001)


def test_a_tracking_server_has_pages_of_its_own():
    settings = load_settings(assignments=["tracking.uri=https://mlflow.example"])
    with pytest.raises(UsageError, match="Open that address"):
        server_line(settings, "127.0.0.1", 5001)


def test_a_taken_port_is_told_before_the_server_starts():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UsageError, match="--port"):
            require_free("127.0.0.1", port)
    require_free("127.0.0.1", port)


@pytest.mark.parametrize("host", ["256.1.1.1", "203.0.113.7"])
def test_an_address_of_another_machine_is_no_fault_of_the_port(host):
    with pytest.raises(UsageError, match="Name an address of this machine"):
        require_free(host, 5001)
