"""Registered models outside of a lake: on a tracking server, and in Unity Catalog."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.store._unity_catalog.registry.rest_store import UcModelRegistryStore
from tests.champion import fitted, register_champion, write_lake

from sparkperso.config import load_settings
from sparkperso.core.errors import TrackingError
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


CATALOG_NAME = "main.gold.sparkperso_recommender"


@pytest.fixture
def in_catalog(tmp_path, put_database):
    """Tracking in a lake whose models have names of three levels."""
    root = tmp_path / "lake"
    write_lake(root)
    put_database(load_settings(lake=str(root)))
    return register_champion(root, *fitted(), model_schema="main.gold")


@pytest.fixture
def unity_catalog(monkeypatch):
    """A registry that answers by Unity Catalog's own protocol, and what it is asked."""
    asked, answers = [], {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            place = urlsplit(self.path)
            given = json.loads(body) if body else dict(parse_qsl(place.query))
            _, within, endpoint = place.path.partition("/unity-catalog/")
            if within:
                asked.append((self.command, endpoint, given))
            status, answer = answers.get((endpoint, given.get("alias")), (200, {}))
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *parts):
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=found.serve_forever, args=[0.02], daemon=True).start()
    monkeypatch.setenv("DATABRICKS_HOST", f"http://127.0.0.1:{found.server_port}")
    monkeypatch.setenv("DATABRICKS_TOKEN", "none")
    yield asked, answers
    found.shutdown()
    found.server_close()


def test_a_name_of_three_levels_is_loaded_by_its_alias(in_catalog):
    import mlflow

    assert in_catalog.by_alias("recommender", "champion").document["strategy"] == "hybrid"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(in_catalog.client.tracking_uri)
    model = mlflow.pyfunc.load_model(f"models:/{CATALOG_NAME}@champion")
    mlflow.set_tracking_uri(before)
    found = model.predict(pd.DataFrame({"user_id": ["u001"]}), params={"n": N})
    assert found["rank"].tolist() == [1, 2, 3]


def test_unity_catalog_is_asked_by_its_own_protocol(in_catalog, unity_catalog):
    asked, answers = unity_catalog
    own = in_catalog.client.get_model_version_by_alias(CATALOG_NAME, "champion")
    # What its client asks of a model before it takes it.
    folder = Path(own.source.removeprefix("file://"))
    UcModelRegistryStore._validate_model_signature(None, str(folder))
    there = {"name": CATALOG_NAME, "version": "3", "source": own.source, "run_id": own.run_id}
    endpoint = "registered-models/alias"
    answers[endpoint, "champion"] = (200, {"model_version": there})
    answers[endpoint, "nobody"] = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})
    answers[endpoint, "secret"] = (403, {"error_code": "PERMISSION_DENIED"})
    client = MlflowClient(in_catalog.client.tracking_uri, "databricks-uc")
    tracking = replace(in_catalog, client=client)
    tracking.set_alias("recommender", "champion", "3")
    found = tracking.by_alias("recommender", "champion")
    assert (found.version, found.document["strategy"]) == ("3", "hybrid")
    assert tracking.by_alias("recommender", "nobody") is None
    with pytest.raises(TrackingError):
        tracking.by_alias("recommender", "secret")
    pointed = {"name": CATALOG_NAME, "alias": "champion", "version": "3"}
    assert ("POST", endpoint, pointed) in asked
    assert ("GET", endpoint, {"name": CATALOG_NAME, "alias": "champion"}) in asked
