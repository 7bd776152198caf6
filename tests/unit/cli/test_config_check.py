"""`sparkperso config check`: every fault at once, each by its place, and nothing else."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from sparkperso.cli.main import cli, run_cli


@pytest.fixture
def conf(tmp_path):
    """Returns write(path, text), which makes one file of a conf/ folder, and the folder."""

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        return tmp_path

    return write


def check(*arguments):
    answer = CliRunner().invoke(cli, ["config", "check", *arguments])
    return answer.output.splitlines(), answer.exception


@pytest.mark.parametrize("env", ["local", "cluster", "databricks"])
def test_what_is_shipped_is_sound(env):
    (line,), error = check("--env", env)
    assert error is None
    assert f"'{env}' is sound" in line
    # Of all sizes of data.
    assert "46 candidates" in line


FAULTS = {
    "base/recommend.yaml": (
        "recommend: {search: {space: [{model: eese}, {model: ease, reg_param: []},"
        " {model: ease, rnk: 3}, {model: ease, reg_param: {low: 3, high: 1}}]}}",
        ["eese", "One is empty", "rnk", "Found a range"],
    ),
    "base/segments.yaml": ("segments: {segmentations: [nowhere]}", ["names 'nowhere'"]),
    "segments/bad.yaml": (
        "{kind: rules, segments: {a: {when: {attribute: countri, one_of: [DE]}}}}",
        ["did you mean 'country'"],
    ),
    "segments/events.yaml": (
        "{kind: rules, segments: {a: {when: {count: {event_type: buy}, at_least: 1}}}}",
        ["event type 'buy' is in no tracking plan"],
    ),
    "segments/near.yaml": ("{features: [frequency, monetry]}", ["monetry"]),
    "features/frequency.yaml": ("{sql: count(1), description: x}", ["rename the file"]),
    "sources/shop.yaml": ("{formt: csv}", ["formt"]),
    "tracking_plans/own.yaml": ("{evnts: {}}", ["evnts"]),
}


def test_all_faults_are_named_at_once_and_each_once(conf):
    for path, (text, _) in FAULTS.items():
        folder = conf(path, text + "\n")
    lines, error = check("--conf-dir", str(folder))
    assert error.exit_status == 2
    assert f"It has {len(lines)} faults" in str(error)
    assert len(set(lines)) == len(lines)
    for path, (_, says) in FAULTS.items():
        for text in says:
            assert any(text in line for line in lines), (path, text, lines)


@pytest.mark.parametrize("path", FAULTS)
def test_one_fault_alone_is_found_and_nothing_else(conf, path):
    text, says = FAULTS[path]
    lines, error = check("--conf-dir", str(conf(path, text + "\n")))
    assert error.exit_status == 2
    if path == "features/frequency.yaml":
        # Segments may name features, so they are read with them: it is said once all the same.
        assert len(lines) == 1
    else:
        assert len(lines) == len(says)


def test_settings_that_cannot_be_read_leave_the_files_checked(conf):
    folder = conf("base/a.yaml", "recommend: {seed: -1}\n")
    lines, error = check("--conf-dir", str(conf("features/b.yaml", "{sql: count(1)}\n")))
    assert folder
    assert [("seed" in line, "description" in line) for line in lines] == [
        (True, False),
        (False, True),
    ]
    assert error.exit_status == 2


def test_the_command_ends_with_status_2_and_no_traceback(conf, capsys):
    folder = conf("features/b.yaml", "{sql: count(1)}\n")
    assert run_cli(["config", "check", "--conf-dir", str(folder)]) == 2
    assert "Traceback" not in capsys.readouterr().err
