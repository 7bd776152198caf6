"""MLflow beside every model: nested runs, and registered versions that hold no code."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from sparkperso.config import load_settings
from sparkperso.errors import JobError
from sparkperso.tracking import open_tracking


@pytest.fixture(scope="module")
def tracking(tmp_path_factory):
    return open_tracking(load_settings(lake=str(tmp_path_factory.mktemp("lake"))))


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


def test_a_registered_version_holds_nothing_but_json(tracking):
    with tracking.run("train", "als") as run:
        tracking.register("other", run.run_id, {"k": 3})
    path = tracking.client.download_artifacts(run.run_id, "model")
    assert json.loads(Path(path, "model.json").read_text()) == {"k": 3}


def test_a_file_store_is_refused():
    settings = load_settings(assignments=["tracking.uri=./mlruns"])
    with pytest.raises(JobError, match="sqlite:///FILE"):
        open_tracking(settings)
