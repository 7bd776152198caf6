"""What ran, newest first, and why what failed failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from sparkperso.cli.main import run_cli

START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
ERROR = "Every file should be readable. It is not: \x1b[2Jcolumn \u00e4 is missing"


@pytest.fixture
def runs(tmp_path, capsys):
    """Returns run(words): the exit status, the lines and the error text of `sparkperso runs`."""
    jobs = ["build-features", "train-recommender", "train-recommender"]
    table = {
        "run_id": ["r1", "r2", "r3"],
        "job": jobs,
        "status": ["failed", "gate", "done"],
        "started_at": [START + timedelta(hours=n) for n in range(3)],
        "finished_at": [START + timedelta(hours=n, seconds=12) for n in range(3)],
        "duration_seconds": [12.04] * 3,
        "as_of": pa.array([None, None, START], pa.timestamp("us", "UTC")),
        "summary": pa.array([[], [], [("k", "6")]], pa.map_(pa.string(), pa.string())),
        "error": [ERROR, "Too few users. Found 2", None],
        "log_file": ["/logs/1.log", None, "/logs/3.log"],
    }
    write_deltalake(str(tmp_path / "ops" / "runs"), pa.table(table))

    def run(*words):
        status = run_cli(["runs", "--lake", str(tmp_path), *words])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err

    return run


def test_the_newest_run_comes_first_and_errors_have_a_line_of_their_own(runs):
    assert runs() == (
        0,
        [
            "✓ 2026-03-01T14:00:00Z  train-recommender          12.0 s  r3",
            "! 2026-03-01T13:00:00Z  train-recommender          12.0 s  r2",
            "    Too few users. Found 2",
            "✗ 2026-03-01T12:00:00Z  build-features             12.0 s  r1",
            "    Every file should be readable. It is not: \\x1b[2Jcolumn \u00e4 is missing",
            "    log: /logs/1.log",
            "3 runs",
        ],
        "",
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--job", "train-recommender"], ["r3", "r2"]),
        (["--failed"], ["r2", "r1"]),
        (["--failed", "--job", "train-recommender"], ["r2"]),
        (["--limit", "1"], ["r3"]),
        (["--job", "promote-model"], []),
    ],
)
def test_runs_can_be_chosen(runs, words, expected):
    status, lines, _ = runs("--json", *words)
    assert (status, [json.loads(line)["run_id"] for line in lines]) == (0, expected)


def test_a_run_as_json_has_its_figures_and_iso_times(runs):
    newest = json.loads(runs("--json")[1][0])
    assert newest["summary"] == {"k": "6"}
    assert newest["started_at"] == "2026-03-01T14:00:00.000000Z"
    assert newest["as_of"] == "2026-03-01T12:00:00.000000Z"
    assert newest["error"] is None


def test_one_run_is_shown_whole_by_the_beginning_of_its_id(runs, tmp_path):
    status, lines, _ = runs("r3")
    assert status == 0
    fields = dict(line.strip().split(maxsplit=1) for line in lines)
    assert fields["run_id"] == "r3"
    assert fields["log_file"] == "/logs/3.log"
    assert fields["k"] == "6"
    assert fields["finished_at"] == "2026-03-01T14:00:12.000000Z"
    assert "error" not in fields
    assert json.loads(runs("r1", "--json")[1][0])["error"] == ERROR


@pytest.mark.parametrize(
    ("run_id", "found"), [("r", "several"), ("r4", "There is no"), ("' OR ''='", "There is no")]
)
def test_an_id_of_none_or_of_several_runs_is_refused(runs, run_id, found):
    status, lines, error = runs(run_id)
    assert (status, lines) == (2, [])
    assert found in error


@pytest.mark.parametrize(
    ("job", "why"), [("run", "of the steps"), ("demo", "of the steps"), ("benchmark", "no lake")]
)
def test_a_command_that_leaves_no_run_is_refused_with_the_reason(runs, job, why):
    status, _, error = runs("--job", job)
    assert status == 2
    assert why.replace("no lake", "without a lake") in error


@pytest.mark.parametrize("job", ["train-recomender", "x' OR '1'='1"])
def test_a_job_that_no_command_carries_out_is_refused(runs, job):
    status, lines, error = runs("--job", job)
    assert (status, lines) == (2, [])
    assert f"There is no '{job}'" in error


def test_before_the_first_run_there_is_nothing_to_list(tmp_path, capsys):
    assert run_cli(["runs", "--lake", str(tmp_path)]) == 2
    assert "It has not been written yet" in capsys.readouterr().err


def test_a_lake_that_may_not_be_looked_into_is_not_taken_for_an_empty_one(
    tmp_path, monkeypatch, capsys
):
    look = os.scandir

    def refuse(folder="."):
        if str(folder).startswith(str(tmp_path)):
            raise PermissionError(13, "Permission denied", folder)
        return look(folder)

    # By root everything may be read.
    monkeypatch.setattr(os, "scandir", refuse)
    assert run_cli(["runs", "--lake", str(tmp_path)]) == 1
    assert f"{tmp_path}/ops/runs: Permission denied" in capsys.readouterr().err


def test_a_terminal_whose_charset_lacks_the_marks_gets_the_rest(runs, tmp_path):
    answer = subprocess.run(
        [sys.executable, "-m", "sparkperso.cli.main", "runs", "--lake", str(tmp_path)],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )
    assert answer.stdout.splitlines()[0].startswith(b"? 2026-03-01T14:00:00Z  train-recommender")
