"""The DAGs of Airflow: imported and run by a real Airflow, in an environment of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable
from tests.airflow_calls import END
from tests.conftest import TEST_PROPERTIES, overridden
from tests.live import Place, many_events

from sparkperso.pipeline.registry import JOBS, scheduled_steps, steps_of_run

ROOT = Path(__file__).parents[2]
CALLS = ROOT / "tests" / "airflow_calls.py"
PYTHON = ROOT / ".tools" / "airflow" / "bin" / "python"
DAGS = {
    "sparkperso": [entry.name for entry in steps_of_run()],
    "sparkperso_segments": [entry.name for entry in scheduled_steps()],
    "sparkperso_monitor": ["monitor", "alerts send"],
}
STEPS = DAGS["sparkperso_segments"]
TEST = ("dags", "test", "sparkperso_segments")
WHOLE = ("dags", "test", "sparkperso")
COMMAND = shlex.join([sys.executable, "-m", "sparkperso.cli.main"])
SETTINGS = overridden(TEST_PROPERTIES, ["segments.segmentations=[audience]"])
REFUSED = {
    "": "lake.root",
    "--lake here/lake": "lake.root",
    "--lake /srv/lake --set tracking.uri=sqlite:///runs.db": "tracking.uri",
}
"""Options of places in the task's own folder → the setting that is to be named."""
FAKE = """
import pathlib, shlex, sys

words = sys.argv[2:]
if words[0] == "config":
    print("{lake: {root: 's3a://shop/lake', catalog: null}, tracking: {uri: null}}")
elif words[0] == "jars":
    print(shlex.join([sys.executable, __file__, sys.argv[1], "submitted", *words[2:]]))
else:
    with pathlib.Path(sys.argv[1]).open("a") as log:
        print(shlex.join(words), file=log)
    sys.exit(3 if "promote-model" in words and "--refused" in words else 0)
"""
"""A command that writes down how it is called, and whose gate at promote-model may fail."""
ENDLESS = """
import pathlib, signal, sys, time

def end(number, frame):
    pathlib.Path(sys.argv[1]).write_text("ended")
    sys.exit(1)

if sys.argv[2] == "config":
    print("{lake: {root: 's3a://shop/lake', catalog: null}, tracking: {uri: null}}")
else:
    signal.signal(signal.SIGTERM, end)
    time.sleep(120)
"""
"""A command that takes too long, and writes down that it was told to end."""
CALLED = {
    "whole": {
        "SPARKPERSO_OPTIONS": "--set a.b=c",
        "SPARKPERSO_INGEST": "--source events --path '/srv/my events'",
    },
    "refused": {"SPARKPERSO_OPTIONS": "--refused", "SPARKPERSO_SUBMIT": "--master spark://m:7077"},
}
"""Name of a call of the DAG of all steps with the fake command → its environment."""


@pytest.fixture(scope="module")
def place(spark, tmp_path_factory):
    """A lake with the events that the DAG builds segments of."""
    found = Place(spark, tmp_path_factory.mktemp("place"))
    found.add(many_events(40))
    return found


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    """A folder with the fake command, and what it wrote down: a file for each of CALLED."""
    folder = tmp_path_factory.mktemp("fake")
    (folder / "fake.py").write_text(FAKE)
    (folder / "endless.py").write_text(ENDLESS)
    return folder


@pytest.fixture(scope="module")
def answers(place, fake, put_database, tmp_path_factory):
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
        **{dag: (("tasks", "list", dag), {}) for dag in DAGS},
        "run": (TEST, {"SPARKPERSO_COMMAND": COMMAND, "SPARKPERSO_OPTIONS": shlex.join(options)}),
        "gate": (TEST, {"SPARKPERSO_COMMAND": "bash -c 'exit 3'"}),
    }
    for name, environment in CALLED.items():
        command = shlex.join([sys.executable, f"{fake}/fake.py", f"{fake}/{name}"])
        calls[name] = (WHOLE, {"SPARKPERSO_COMMAND": command, **environment})
    endless = shlex.join([sys.executable, f"{fake}/endless.py", f"{fake}/endless"])
    late = {"SPARKPERSO_COMMAND": endless, "SPARKPERSO_HOURS": "0.002"}
    # `tasks test` tries once: that of a whole DAG would wait ten minutes for the next try.
    calls["late"] = (("tasks", "test", "sparkperso_segments", "build_features"), late)
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


def test_airflow_imports_the_dags(answers):
    calls = ["database", "import", "errors", *DAGS]
    assert [answers[name][0] for name in calls] == ["0"] * len(calls)
    assert "dags/sparkperso.py" not in answers["errors"][1]
    for dag, steps in DAGS.items():
        # Airflow lists the tasks by their names; in which order they run is held below.
        wanted = sorted(["failed_steps", *(re.sub("[- ]", "_", name) for name in steps)])
        assert answers[dag][1].split()[-len(wanted) :] == wanted


def test_the_dag_of_all_steps_runs_each_once_after_those_that_it_waits_for(answers, fake):
    status, output = answers["whole"]
    assert status == "0", output[-4000:]
    lines = [shlex.split(line) for line in (fake / "whole").read_text().splitlines()]
    order = [words[0] for words in lines]
    assert sorted(order) == sorted(DAGS["sparkperso"])
    assert all(order.index(a) < order.index(b) for b in order for a in JOBS[b].after)
    own = ["--source", "events", "--path", "/srv/my events"]
    assert all(
        words[1:] == ["--set", "a.b=c", *(own if words[0] == "ingest-events" else [])]
        for words in lines
    )


def test_a_gate_leaves_the_lists_to_the_champion_before_and_fails_the_run(answers, fake):
    """Each by spark-submit here; Airflow judges a run by its last tasks alone."""
    _, output = answers["refused"]
    lines = [shlex.split(line) for line in (fake / "refused").read_text().splitlines()]
    assert {tuple(words[:1] + words[2:]) for words in lines} == {
        ("submitted", "--master", "spark://m:7077", "--refused")
    }
    assert sorted(words[1] for words in lines) == sorted(DAGS["sparkperso"])  # none twice
    assert lines[-1][1] == "build-recommendations"
    assert "promote-model ended with 3: a quality gate failed" in output
    assert "A step of this run failed" in output
    assert "A step of this run failed" not in answers["whole"][1]


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


def test_a_step_that_takes_too_long_is_ended(answers, fake):
    """Its next try would begin beside it."""
    _, output = answers["late"]
    assert "AirflowTaskTimeout" in output
    assert (fake / "endless").read_text() == "ended"


@pytest.mark.parametrize(("options", "named"), REFUSED.items())
def test_places_in_the_tasks_own_folder_are_refused(answers, options, named):
    _, output = answers[options]
    assert f"{named} should be an absolute folder or a URI" in output
    assert "up_for_retry" not in output.lower()
