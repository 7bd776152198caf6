"""Runs and registered models on a tracking server, as a team has one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request

import pandas as pd
import pytest
from tests.champion import fitted, register_champion, write_lake

from sparkperso.config import load_settings
from sparkperso.platform.tracking import open_tracking
from sparkperso.testing.cluster import free_port

N = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory, mlflow_database):
    """A server of MLflow's on loopback; its address."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "mlflow.db").write_bytes(mlflow_database.read_bytes())
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    artifacts = ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("w") as log:
        # Its processes are one group, which ends as a whole; it carries out no jobs of its own.
        process = subprocess.Popen(
            [*command, *store, *artifacts],
            stdout=log,
            stderr=log,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
        )
        try:
            yield answering(f"http://127.0.0.1:{port}", folder / "log")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)


def answering(address, log):
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{address}/health", timeout=2).close()
            return address
        except OSError:
            time.sleep(0.25)
    raise TimeoutError(log.read_text())


def test_a_model_goes_to_a_server_and_comes_back_from_it(server, tmp_path, monkeypatch):
    import mlflow

    lake = tmp_path / "lake"
    write_lake(lake)
    monkeypatch.setenv("SPARKPERSO__TRACKING__URI", server)
    tracking = register_champion(lake, *fitted())
    champion = tracking.by_alias("recommender", "champion")
    assert champion.document["strategy"] == "hybrid"
    run = tracking.client.get_run(champion.run_id)
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert tracking.by_alias("recommender", "nobody") is None
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(server)
    model = mlflow.pyfunc.load_model("models:/sparkperso-recommender@champion")
    mlflow.set_tracking_uri(before)
    # A copy that lies in no lake: whose history is not given is looked up in the one that is named.
    given = pd.DataFrame({"user_id": ["new"], "items": [["i01", "i03"]]})
    assert len(model.predict(given, params={"n": N})) == N
    with pytest.raises(Exception, match="SPARKPERSO__LAKE__ROOT"):
        model.predict(pd.DataFrame({"user_id": ["u001"]}))
    assert open_tracking(load_settings(lake=str(lake))).by_alias("recommender", "champion")
