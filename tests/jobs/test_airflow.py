"""The DAG of Airflow: imported and run by a real Airflow, in an environment of its own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable
from tests.airflow_calls import END
from tests.conftest import TEST_PROPERTIES, overridden
from tests.live import Place, many_events

from sparkperso.pipeline.registry import scheduled_steps

ROOT = Path(__file__).parents[2]
CALLS = ROOT / "tests" / "airflow_calls.py"
PYTHON = ROOT / ".tools" / "airflow" / "bin" / "python"
DAG = "sparkperso_segments"
STEPS = [entry.name for entry in scheduled_steps()]
TEST = ("dags", "test", DAG)
COMMAND = shlex.join([sys.executable, "-m", "sparkperso.cli.main"])
SETTINGS = overridden(TEST_PROPERTIES, ["segments.segmentations=[audience]"])
REFUSED = {
    "": "lake.root",
    "--lake here/lake": "lake.root",
    "--lake /srv/lake --set tracking.uri=sqlite:///runs.db": "tracking.uri",
}
"""Options of places in the task's own folder → the setting that is to be named."""


@pytest.fixture(scope="module")
def place(spark, tmp_path_factory):
    """A lake with the events that the DAG builds segments of."""
    found = Place(spark, tmp_path_factory.mktemp("place"))
    found.add(many_events(40))
    return found


@pytest.fixture(scope="module")
def answers(place, put_database, tmp_path_factory):
    """What Airflow answered, by name: exit status and output."""
    if not PYTHON.exists():
        pytest.fail("These tests need Airflow: run scripts/setup_tests.sh")
    put_database(place.job("look").settings)
    options = ["--lake", f"{place.folder}/lake", "--conf-dir", f"{place.folder}/conf"]
    options += [part for one in SETTINGS for part in ("--set", one)]
    calls = {
        "database": (("db", "migrate"), {}),
        "import": (("dags", "reserialize"), {}),
        "errors": (("dags", "list-import-errors", "-o", "plain"), {}),
        "tasks": (("tasks", "list", DAG), {}),
        "run": (TEST, {"SPARKPERSO_COMMAND": COMMAND, "SPARKPERSO_OPTIONS": shlex.join(options)}),
        "gate": (TEST, {"SPARKPERSO_COMMAND": "bash -c 'exit 3'"}),
    }
    for refused in REFUSED:
        environment = {"SPARKPERSO_COMMAND": COMMAND, "SPARKPERSO_OPTIONS": refused}
        calls[refused] = (TEST, environment)
    home = tmp_path_factory.mktemp("airflow")
    own = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    }
    ran = subprocess.run(
        [str(PYTHON), str(CALLS)],
        input=json.dumps(list(calls.values())),
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    parts = ran.stdout.split(END)
    assert len(parts) == len(calls) + 1, ran.stdout[-3000:]
    ends = [part.partition("\n") for part in parts[1:]]
    outputs = [parts[0], *(rest for _, _, rest in ends)]
    statuses = [status.strip() for status, _, _ in ends]
    return dict(zip(calls, zip(statuses, outputs, strict=False), strict=True))


def test_airflow_imports_the_dag(answers):
    assert [answers[name][0] for name in ("database", "import", "errors", "tasks")] == ["0"] * 4
    assert "dags/sparkperso_segments.py" not in answers["errors"][1]
    # Airflow lists the tasks by their names; in which order they run is held below.
    listed = answers["tasks"][1].split()[-len(STEPS) :]
    assert listed == sorted(name.replace("-", "_") for name in STEPS)


def test_airflow_runs_the_dag(answers, place):
    status, output = answers["run"]
    assert status == "0", output[-4000:]
    runs = DeltaTable(f"{place.folder}/lake/ops/runs").to_pyarrow_table().to_pylist()
    done = [row["job"] for row in sorted(runs, key=lambda row: row["started_at"])]
    assert done == STEPS
    assert {row["status"] for row in runs} == {"done"}
    assert place.members()


def test_what_a_gate_refuses_is_not_tried_again(answers):
    _, output = answers["gate"]
    assert "a quality gate failed" in output
    assert "up_for_retry" not in output.lower()


@pytest.mark.parametrize(("options", "named"), REFUSED.items())
def test_places_in_the_tasks_own_folder_are_refused(answers, options, named):
    _, output = answers[options]
    assert f"{named} should be an absolute folder or a URI" in output
    assert "up_for_retry" not in output.lower()
