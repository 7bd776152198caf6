"""MLflow beside every model: nested runs, and registered versions that hold no code."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import socket
from threading import Thread

import pytest
from matplotlib.figure import Figure
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

import sparkperso
from sparkperso.config import load_settings
from sparkperso.core.errors import ConfigError, JobError, TrackingError
from sparkperso.core.processes import is_gone, this_process
from sparkperso.platform.tracking import (
    PROCESS,
    TableInput,
    git_commit,
    open_tracking,
    user_name,
)


@pytest.fixture(scope="module")
def opened(put_database):
    """Returns opened(root, *assignments): tracking in a lake, of a copied database at first."""

    def open_lake(root, *assignments):
        settings = load_settings(lake=str(root), assignments=assignments)
        put_database(settings)
        return open_tracking(settings)

    return open_lake


@pytest.fixture(scope="module")
def tracking(opened, tmp_path_factory):
    return opened(tmp_path_factory.mktemp("lake"))


def test_children_recorded_from_threads_name_their_parent(tracking):
    with tracking.run("search", "parent") as parent:

        def candidate(rank):
            with parent.child(f"rank-{rank}") as child:
                child.log_params({"rank": rank})
                child.log_metrics({"ndcg_at_10": rank / 100}, step=1)
                return child.run_id

        with ThreadPoolExecutor(4) as pool:
            children = list(pool.map(candidate, range(4)))
    runs = [tracking.client.get_run(run_id) for run_id in children]
    assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {parent.run_id}
    assert [run.data.params["rank"] for run in runs] == ["0", "1", "2", "3"]
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_run_names_its_user_command_and_code_and_so_do_nested_ones(tracking, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    with tracking.run("search", "named", "What was tried.") as run, run.child("als_1") as child:
        pass
    tags = tracking.client.get_run(run.run_id).data.tags
    nested = tracking.client.get_run(child.run_id).data.tags
    for found in (tags, nested):
        assert found["mlflow.user"] == "ada"
        assert found["mlflow.source.name"] == "sparkperso search"
        assert found["sparkperso.version"] == sparkperso.__version__
        assert re.fullmatch("[0-9a-f]{40}", found["mlflow.source.git.commit"])
    assert tags["mlflow.note.content"] == "What was tried."
    assert "mlflow.note.content" not in nested


def test_a_nested_run_that_is_recorded_afterwards_has_its_own_times(tracking):
    with tracking.run("search", "timed") as run, run.child("als", (1_000.25, 1_002.5)) as child:
        child.log_params({"rank": 4})
    info = tracking.client.get_run(child.run_id).info
    assert (info.start_time, info.end_time) == (1_000_250, 1_002_500)


def test_what_a_killed_process_left_running_is_ended_and_nothing_else(tracking):
    began = subprocess.run(
        [sys.executable, "-c", "from sparkperso.core.processes import *; print(this_process())"],
        capture_output=True,
        text=True,
        check=True,
    )
    gone, elsewhere = began.stdout.strip(), f"another{this_process()}"
    with tracking.run("killed", "first") as first:
        pass

    def left(process):
        tags = {} if process is None else {PROCESS: process}
        return tracking.client.create_run(first.experiment_id, tags=tags).info.run_id

    left_behind = [left(process) for process in (gone, this_process(), elsewhere, None)]
    with tracking.run("killed", "second"):
        pass
    statuses = [tracking.client.get_run(run_id).info.status for run_id in left_behind]
    assert statuses == ["KILLED", "RUNNING", "RUNNING", "RUNNING"]
    assert tracking.client.get_run(left_behind[0]).info.end_time


def test_a_later_process_of_the_same_number_is_another():
    place, _, start = this_process().rpartition(":")
    assert not is_gone(f"{place}:{start}")
    assert is_gone(f"{place}:1")
    assert not is_gone("nonsense")


def test_a_user_without_a_name_is_unknown(monkeypatch):
    def fail():
        raise KeyError("uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", fail)
    assert user_name() == "unknown"


def test_outside_of_a_checkout_no_commit_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(sparkperso, "__file__", str(tmp_path / "lib" / "sparkperso" / "x.py"))
    assert git_commit.__wrapped__() is None


def test_the_tables_of_a_run_are_its_datasets(tracking):
    columns = {"user_id": "string", "n": "bigint", "tags": "array<string>"}
    place = "/lake/gold/interactions"
    with tracking.run("search", "inputs") as run:
        run.log_inputs(
            [
                TableInput("gold/interactions", 3, place, True, columns, 274_745),
                TableInput("silver/items", 0, "main.shop.items", False, {"item_id": "string"}),
            ]
        )
    first, second = sorted(
        tracking.client.get_run(run.run_id).inputs.dataset_inputs, key=lambda one: one.dataset.name
    )
    assert (first.dataset.name, first.dataset.source_type) == ("gold/interactions", "delta_table")
    assert json.loads(first.dataset.source) == {"path": place, "delta_table_version": 3}
    assert json.loads(first.dataset.profile) == {"num_rows": 274_745}
    assert [
        (column["name"], column["type"])
        for column in json.loads(first.dataset.schema)["mlflow_colspec"]
    ] == [("user_id", "string"), ("n", "long"), ("tags", "array")]
    assert [(tag.key, tag.value) for tag in first.tags] == [("mlflow.data.context", "training")]
    assert json.loads(second.dataset.source)["delta_table_name"] == "main.shop.items"
    assert first.dataset.digest != second.dataset.digest


def test_an_experiment_opens_on_the_view_of_model_training(tracking):
    with tracking.run("fresh", "a run") as run:
        experiment = tracking.client.get_experiment(run.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_run_whose_block_raises_is_marked_failed(tracking):
    with pytest.raises(ValueError, match="boom"), tracking.run("search", "broken") as run:
        raise ValueError("boom")
    assert tracking.client.get_run(run.run_id).info.status == "FAILED"


def test_figures_that_are_not_finite_are_left_out(tracking):
    with tracking.run("search", "odd") as run:
        run.log_metrics({"good": 1.0, "bad": math.nan})
    assert tracking.client.get_run(run.run_id).data.metrics == {"good": 1.0}


def test_pictures_and_documents_become_artifacts(tracking):
    with tracking.run("search", "drawn") as run:
        run.log_figure(Figure(), "pictures/empty.png")
        run.log_dict({"a": 1}, "facts.json")
    names = {file.path for file in tracking.client.list_artifacts(run.run_id)}
    assert names == {"pictures", "facts.json"}


def test_a_registered_version_is_found_by_its_alias_with_its_document(tracking):
    document = {"tables": {"gold/als_user_factors": 3}}
    with tracking.run("train", "als") as run:
        version = tracking.register("als", run.run_id, document)
    assert tracking.by_alias("als", "champion") is None
    tracking.set_alias("als", "champion", version)
    found = tracking.by_alias("als", "champion")
    assert (found.version, found.run_id, found.document) == (version, run.run_id, document)


def test_reading_a_version_leaves_no_file_behind(tracking, tmp_path, monkeypatch):
    with tracking.run("train", "als") as run:
        version = tracking.register("read", run.run_id, {"k": 3})
    tracking.set_alias("read", "champion", version)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert tracking.by_alias("read", "champion").document == {"k": 3}
    assert list(tmp_path.iterdir()) == []


def test_a_registered_version_holds_nothing_but_json(tracking):
    with tracking.run("train", "als") as run:
        tracking.register("other", run.run_id, {"k": 3})
    path = tracking.client.download_artifacts(run.run_id, "model")
    assert json.loads(Path(path, "model.json").read_text()) == {"k": 3}


def test_a_file_store_is_refused():
    settings = load_settings(assignments=["tracking.uri=./mlruns"])
    with pytest.raises(JobError, match="sqlite:///FILE"):
        open_tracking(settings)


@pytest.fixture
def server(monkeypatch):
    """Returns answer(status, text): tracking on a server that answers everything like that."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    kept = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # by this name the library calls it
            status, text = kept["answer"]
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *parts):
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=found.serve_forever, args=[0.02], daemon=True).start()

    def answer(status, text=""):
        kept["answer"] = status, text
        uri = f"http://127.0.0.1:{found.server_port}"
        return open_tracking(load_settings(assignments=[f"tracking.uri={uri}"]))

    yield answer
    found.shutdown()
    found.server_close()


@pytest.fixture
def nobody_there(monkeypatch):
    """Tracking on a port that nobody listens on."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    return open_tracking(load_settings(assignments=[f"tracking.uri={uri}"]))


def test_only_an_answer_that_there_is_none_means_none(tracking, server):
    assert tracking.by_alias("nothing", "champion") is None
    for code in ("RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED"):
        found = server(404, json.dumps({"error_code": code, "message": "no"}))
        if code == "RESOURCE_DOES_NOT_EXIST":
            assert found.by_alias("als", "champion") is None
        else:
            with pytest.raises(TrackingError, match=code):
                found.by_alias("als", "champion")


@pytest.mark.parametrize(
    ("status", "text"),
    [(500, "down"), (404, "<html>no such page"), (404, '{"detail": "Not Found"}'), (200, "hello")],
)
def test_any_other_answer_is_an_error(server, status, text):
    with pytest.raises(TrackingError, match=r"tracking\.uri"):
        server(status, text).by_alias("als", "champion")


def test_a_bad_request_about_an_alias_that_is_there_is_an_error(tracking, monkeypatch):
    with tracking.run("train", "als") as run:
        version = tracking.register("strict", run.run_id, {})
    tracking.set_alias("strict", "champion", version)

    def refuse(name, alias):
        raise MlflowException("no", error_code=INVALID_PARAMETER_VALUE)

    monkeypatch.setattr(tracking.client, "get_model_version_by_alias", refuse)
    assert tracking.by_alias("strict", "other") is None
    with pytest.raises(TrackingError):
        tracking.by_alias("strict", "champion")


def test_a_server_that_is_down_ends_every_call_with_one_paragraph(nobody_there):
    calls = {
        "by_alias": lambda: nobody_there.by_alias("als", "champion"),
        "set_alias": lambda: nobody_there.set_alias("als", "champion", "1"),
        "register": lambda: nobody_there.register("als", "0" * 32, {}),
        "tag_version": lambda: nobody_there.tag_version("als", "1", {"a": 1}),
        "run": lambda: nobody_there.run("search", "one").__enter__(),
    }
    for name, call in calls.items():
        with pytest.raises(TrackingError, match="Connection refused") as error:
            call()
        assert error.value.exit_status == 1, name
        assert "HTTPConnectionPool" not in str(error.value), name


def test_a_file_that_is_no_database_is_named_as_the_cause(tmp_path):
    (tmp_path / "bad.db").write_bytes(b"no database at all" * 100)
    uri = f"sqlite:///{tmp_path / 'bad.db'}"
    with pytest.raises(TrackingError, match="not a database"):
        open_tracking(load_settings(assignments=[f"tracking.uri={uri}"])).by_alias("a", "b")


def test_what_went_wrong_first_is_raised_when_the_server_is_gone_too(tracking, monkeypatch):
    def gone(*parts):
        raise MlflowException("gone")

    def fail(name, what):
        with tracking.run("search", name) as run:
            monkeypatch.setattr(run.client, "set_terminated", gone)
            if what:
                raise what

    with pytest.raises(ValueError, match="first"):
        fail("broken", ValueError("first"))
    with pytest.raises(TrackingError, match="gone"):
        fail("fine", None)


def champion_in(tracking, alias="champion", document=None):
    """Registers a version with a picture in a lake, under an alias; returns its run's id."""
    with tracking.run("train", "a run") as run:
        run.log_dict({"a": 1}, "facts.json")
        version = tracking.register("recommender", run.run_id, document or {"k": 3})
    tracking.set_alias("recommender", alias, version)
    return run.run_id


@pytest.mark.parametrize("name", ["moved", "a lake, 100% ours", "Größe"])
def test_a_lake_that_was_moved_reads_and_writes_where_it_is(opened, tmp_path, name):
    old, new = tmp_path / "lake", tmp_path / name
    champion_in(opened(old), document={"k": 7})
    shutil.copytree(old, new)
    champion_in(opened(old), document={"k": 8})
    shutil.rmtree(old)
    tracking = opened(new)
    champion = tracking.by_alias("recommender", "champion")
    assert champion.document == {"k": 7}
    names = {file.path for file in tracking.client.list_artifacts(champion.run_id)}
    assert names == {"model", "facts.json"}
    run_id = champion_in(opened(new), "candidate")
    assert tracking.by_alias("recommender", "candidate").document == {"k": 3}
    assert list((new / "_mlflow" / "artifacts").rglob(f"{run_id}/artifacts/facts.json"))
    assert not old.exists()
    # Nothing in the database names the old place.
    assert old.as_uri().encode() not in (new / "_mlflow" / "mlflow.db").read_bytes()


def test_a_copy_leaves_the_lake_that_it_was_made_of_alone(opened, tmp_path):
    old, new = tmp_path / "lake", tmp_path / "lake-2"
    champion_in(opened(old))
    shutil.copytree(old, new)
    for root in (new, old, new):
        tracking = opened(root)
        champion = tracking.by_alias("recommender", "champion")
        assert tracking.client.get_run(champion.run_id).info.artifact_uri.startswith(
            f"{root.as_uri()}/"
        )


def test_a_place_of_artifacts_that_was_configured_stays(opened, tmp_path):
    elsewhere = f"tracking.artifact_root={tmp_path / 'elsewhere'}"
    with opened(tmp_path / "lake", elsewhere).run("train", "one") as run:
        run.log_dict({}, "facts.json")
    again = opened(tmp_path / "lake")
    place = again.client.get_run(run.run_id).info.artifact_uri
    assert place.startswith((tmp_path / "elsewhere").as_uri())


def test_unity_catalog_gets_names_of_three_levels_and_a_signature(tracking):
    from mlflow.store._unity_catalog.registry.rest_store import UcModelRegistryStore

    databricks = load_settings("databricks", assignments=["lake.schemas.gold=dev_me_gold"])
    assert databricks.tracking.registry_uri == "databricks-uc"
    tracking = replace(tracking, model_schema=databricks.model_schema)
    assert (
        tracking.model_name("segments-behaviour")
        == "main.dev_me_gold.sparkperso_segments_behaviour"
    )
    with tracking.run("train", "uc") as run:
        tracking.register("recommender", run.run_id, {"k": 3})
    folder = tracking.client.download_artifacts(run.run_id, "model")
    # The very check that Unity Catalog's client makes before it registers.
    UcModelRegistryStore._validate_model_signature(None, folder)


def test_a_registry_in_unity_catalog_needs_the_tables_in_one_too():
    settings = load_settings(assignments=["tracking.registry_uri=databricks-uc"])
    with pytest.raises(ConfigError, match=r"lake\.catalog should name"):
        _ = settings.model_schema
