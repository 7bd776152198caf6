"""The DAG of Airflow: imported and run by a real Airflow, in an environment of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable
from tests.conftest import TEST_PROPERTIES, overridden
from tests.live import Place, many_events

ROOT = Path(__file__).parents[2]
AIRFLOW = ROOT / ".tools" / "airflow" / "bin" / "airflow"
DAG = "sparkperso_segments"
SETTINGS = overridden(TEST_PROPERTIES, ["segments.segmentations=[audience]"])


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """Returns run(*arguments, **environment), with a database of its own."""
    if not AIRFLOW.exists():
        pytest.fail("This test needs Airflow: run scripts/setup_tests.sh")
    home = tmp_path_factory.mktemp("airflow")
    own = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    }

    def run(*arguments, **environment):
        line = [str(AIRFLOW), *arguments]
        found = {**os.environ, **own, **environment}
        return subprocess.run(line, env=found, capture_output=True, text=True, check=False)

    assert run("db", "migrate").returncode == 0
    return run


def test_airflow_imports_the_dag(airflow):
    assert airflow("dags", "reserialize").returncode == 0
    errors = airflow("dags", "list-import-errors", "-o", "plain").stdout
    assert "dags/sparkperso_segments.py" not in errors
    tasks = airflow("tasks", "list", DAG).stdout
    assert tasks.split()[-2:] == ["build_features", "build_segments"]


def test_airflow_runs_the_dag(airflow, spark, tmp_path):
    place = Place(spark, tmp_path)
    place.add(many_events(40))
    ran = airflow(
        "dags",
        "test",
        DAG,
        SPARKPERSO_COMMAND=shlex.join([sys.executable, "-m", "sparkperso.cli.main"]),
        SPARKPERSO_OPTIONS=shlex.join(
            [
                *("--lake", str(tmp_path / "lake")),
                *("--conf-dir", str(tmp_path / "conf")),
                *(part for one in SETTINGS for part in ("--set", one)),
            ]
        ),
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    runs = DeltaTable(str(tmp_path / "lake" / "ops" / "runs")).to_pyarrow_table().to_pylist()
    done = [row["job"] for row in sorted(runs, key=lambda row: row["started_at"])]
    assert done == ["build-features", "build-segments"]
    assert {row["status"] for row in runs} == {"done"}
    assert place.members()


def test_what_a_gate_refuses_is_not_tried_again(airflow):
    ran = airflow("dags", "test", DAG, SPARKPERSO_COMMAND="bash -c 'exit 3'")
    assert "a quality gate failed" in ran.stdout + ran.stderr
    assert "up_for_retry" not in (ran.stdout + ran.stderr).lower()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("", "lake.root"),
        ("--lake here/lake", "lake.root"),
        ("--lake /srv/lake --set tracking.uri=sqlite:///runs.db", "tracking.uri"),
    ],
)
def test_places_in_the_tasks_own_folder_are_refused(airflow, options, named):
    command = shlex.join([sys.executable, "-m", "sparkperso.cli.main"])
    ran = airflow("dags", "test", DAG, SPARKPERSO_COMMAND=command, SPARKPERSO_OPTIONS=options)
    assert f"{named} should be an absolute folder or a URI" in ran.stdout + ran.stderr
    assert "up_for_retry" not in (ran.stdout + ran.stderr).lower()
