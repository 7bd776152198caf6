"""The command line: one paragraph for every error, the promised exit status, quick looks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from datetime import datetime
from importlib.metadata import requires
from pathlib import Path

import click
import click.testing
import pytest

from sparkperso.cli import main as module
from sparkperso.cli.job_commands import JOB_COMMANDS
from sparkperso.cli.main import COMMANDS, EXTRAS, cli, run_cli
from sparkperso.core.errors import (
    ConfigError,
    JobError,
    QualityGateError,
    SparkpersoError,
    UsageError,
)
from sparkperso.pipeline.registry import JOBS, steps_of_run

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "sparkperso"
LOOKS = [
    ["--help"],
    ["--version"],
    ["config", "show"],
    ["config", "check"],
    ["doctor", "--help"],
    ["run", "--help"],
    ["build-segments", "--help"],
    ["tables", "list"],
    ["tables", "describe", "silver/events"],
    ["sources", "list"],
    ["sources", "check", "online_retail"],
    ["init"],
]


@pytest.fixture
def failing(monkeypatch):
    """Returns use(error), which puts a command `fail` into the group that raises it."""

    def use(error):
        @click.command("fail")
        @click.option("--debug", is_flag=True, expose_value=False)
        def fail():
            raise error

        monkeypatch.setattr(cli, "get_command", lambda ctx, name: fail)

    return use


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SparkpersoError("a"), 1),
        (JobError("a"), 1),
        (UsageError("a"), 2),
        (ConfigError("a"), 2),
        (QualityGateError("a"), 3),
        (click.UsageError("a"), 2),
        (KeyboardInterrupt(), 1),
        (ValueError("unforeseen\nsecond line"), 1),
    ],
)
def test_exit_status(failing, capsys, error, status):
    failing(error)
    assert run_cli(["fail"]) == status
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_is_one_paragraph(failing, capsys):
    failing(JobError("Expected this", "found that!", "do so"))
    run_cli(["fail"])
    assert capsys.readouterr().err == "sparkperso: Expected this. found that! do so.\n"


def test_an_unforeseen_error_gives_its_first_line_and_the_way_to_more(failing, capsys):
    failing(ValueError("first\nsecond"))
    run_cli(["fail"])
    text = capsys.readouterr().err
    assert text.endswith(": first (ValueError)\n")
    assert "--debug" in text
    assert "second" not in text


@pytest.mark.parametrize(
    ("name", "extra"),
    [("pyspark.sql", "spark"), ("py4j", "spark"), ("starlette", "collect"), ("orjson", "collect")],
)
def test_a_module_of_an_extra_that_is_not_installed_is_named_with_the_extra(
    failing, capsys, name, extra
):
    failing(ModuleNotFoundError(f"No module named '{name}'", name=name))
    assert run_cli(["fail"]) == 2
    text = capsys.readouterr().err
    assert f"pip install 'sparkperso[{extra}]'" in text
    assert f"The module {name.partition('.')[0]} is not installed" in text


def test_a_module_of_no_extra_is_an_error_like_any_other(failing, capsys):
    failing(ModuleNotFoundError("No module named 'mine'", name="mine"))
    assert run_cli(["fail"]) == 1
    assert "No module named 'mine'" in capsys.readouterr().err


MODULES = {
    "delta_spark": "delta",
    "grpcio": "grpc",
    "grpcio_health_checking": "grpc_health",
    "grpcio_reflection": "grpc_reflection",
    "mjml_python": "mjml",
}
"""Package → its module, where that has another name."""


def test_every_package_of_an_extra_is_known_by_its_module():
    for extra, modules in EXTRAS.items():
        own = [text for text in requires("sparkperso") if f"extra == '{extra}'" in text]
        names = [re.split(r"[\[<>=;]", text)[0].strip().replace("-", "_") for text in own]
        assert names
        assert {MODULES.get(name, name) for name in names} <= set(modules), extra


def test_debug_shows_the_traceback(failing, capsys):
    failing(ValueError("first"))
    assert run_cli(["fail", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        ["nonsense"],
        ["tables", "show"],
        ["tables", "describe", "silver/event"],
        ["config", "show", "--env", "mars"],
        ["config", "show", "--set", "lake.rot=x"],
        ["tables", "list", "--env", "databricks"],
        ["tables", "show", "silver/events", "--limit", "0"],
        ["ui", "--lake", "/dev/null/lake"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_status_2_and_one_paragraph(line, capsys):
    assert run_cli(line) == 2
    error = capsys.readouterr().err
    assert error
    assert "Traceback" not in error


def test_an_unknown_table_suggests_others(capsys):
    run_cli(["tables", "describe", "events"])
    assert "Did you mean bronze/events or silver/events?" in capsys.readouterr().err


@pytest.mark.parametrize("line", LOOKS, ids=" ".join)
def test_looking_imports_no_spark_and_is_quick(line, tmp_path):
    code = (
        "import sys; from sparkperso.cli.main import run_cli; status = run_cli(sys.argv[1:]);"
        "heavy = {'pyspark', 'mlflow', 'delta', 'pandas', 'scipy'} & set(sys.modules);"
        "print(heavy or '', file=sys.stderr); sys.exit(status or (9 if heavy else 0))"
    )
    started = time.monotonic()
    answer = subprocess.run(
        [sys.executable, "-c", code, *line],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout
    assert time.monotonic() - started < 10  # under 1 on an idle machine; tests share theirs


def test_every_command_is_listed_with_one_line_and_can_be_loaded():
    context = click.Context(cli)
    assert cli.list_commands(context) == list(COMMANDS)
    for name in COMMANDS:
        assert cli.get_command(context, name).name == name
    answer = click.testing.CliRunner().invoke(cli, ["--help"]).output.split("Commands:")[1]
    lines = [line.split(maxsplit=1) for line in answer.strip().splitlines()]
    assert [name for name, _ in lines] == list(COMMANDS)
    assert all(text.endswith(".") for _, text in lines)


def test_every_job_command_has_a_module_with_an_entry():
    for name in JOB_COMMANDS:
        assert callable(JOBS[name].load().main)


def test_every_job_is_a_script_for_spark_submit_and_every_script_a_job():
    scripts = {path.name: path.read_text() for path in (ROOT / "jobs").glob("*.py")}
    assert sorted(scripts) == sorted(entry.script for entry in JOBS.values())
    for name, entry in JOBS.items():
        assert f'main("{name}")' in scripts[entry.script]


def test_every_module_of_jobs_is_a_job_and_every_job_a_module():
    modules = {path.stem for path in (SOURCE / "jobs").glob("[!_]*") if path.suffix in ("", ".py")}
    assert sorted(modules) == sorted(Path(entry.script).stem for entry in JOBS.values())


def test_a_run_takes_the_registrys_steps_in_an_order_in_which_none_waits_for_a_later_one():
    from sparkperso.jobs.run import STEPS

    entries = steps_of_run(with_optional=True)
    assert [step.name for step in STEPS] == [entry.name for entry in entries]
    for place, entry in enumerate(entries):
        assert set(entry.after) <= {other.name for other in entries[:place]}
        # What is handed on is an option of both.
        options = {parameter.name for parameter in JOB_COMMANDS[entry.name].params}
        assert set(entry.run_options) <= options


def test_every_job_of_one_step_says_the_name_of_its_command():
    for name, entry in JOBS.items():
        step = getattr(entry.load(), "STEP", None)
        assert step is None or step.name == name
        assert entry.is_step == (step is not None)
    assert {name for name, entry in JOBS.items() if not entry.is_step} == {
        *("run", "demo", "benchmark", "refresh")
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_failed_job_leaves_its_traceback_in_the_log_that_is_named(
    tmp_path, capsys, monkeypatch, form
):
    from sparkperso.pipeline import runner

    def fail(*_):
        raise RuntimeError("wrapped") from ValueError("no such column")

    monkeypatch.setattr(runner, "build_session", fail)
    line = ["build-features", "--lake", str(tmp_path), "--set", f"logging.format={form}"]
    assert run_cli(line) == 1
    (log,) = (tmp_path / "_logs").iterdir()
    assert re.fullmatch(r"\d{8}T\d{6}Z-build-features-[0-9a-f]{8}\.log", log.name)
    assert "Traceback" in log.read_text()
    error = capsys.readouterr().err
    assert "no such column (ValueError)" in error
    if form == "text":
        assert "Traceback" not in error
        assert error.splitlines()[-1] == f"sparkperso: The log: {log}"
    else:
        assert [json.loads(line)["level"] for line in error.splitlines()] == ["info", "error"]


def test_log_files_go_where_the_settings_say_and_without_a_folder_nowhere(
    tmp_path, capsys, monkeypatch
):
    from sparkperso.pipeline import runner

    monkeypatch.setattr(runner, "build_session", lambda *_: 1 / 0)
    monkeypatch.chdir(tmp_path)
    line = ["build-features", "--lake", "s3a://bucket/lake"]
    assert run_cli(line) == 1
    assert "The log" not in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
    assert run_cli([*line, "--set", "logging.folder=mine"]) == 1
    assert len(list((tmp_path / "mine").iterdir())) == 1
    (tmp_path / "file").touch()
    assert run_cli([*line, "--set", "logging.folder=file/logs"]) == 1
    assert "logging.folder" in capsys.readouterr().err


def test_as_of_takes_offsets_and_refuses_other_text():
    from sparkperso.pipeline.runner import parse_as_of

    assert parse_as_of(None) is None
    assert parse_as_of("2010-01-02T03:04:05Z") == datetime(2010, 1, 2, 3, 4, 5)
    assert parse_as_of("2010-01-02T03:04:05+02:00") == datetime(2010, 1, 2, 1, 4, 5)
    assert parse_as_of("2010-01-02") == datetime(2010, 1, 2)
    with pytest.raises(UsageError, match="yesterday"):
        parse_as_of("yesterday")


def test_a_lake_that_cannot_be_written_is_told_before_spark_starts(tmp_path, capsys, monkeypatch):
    from sparkperso.pipeline import runner

    monkeypatch.setattr(runner, "build_session", lambda *_: pytest.fail("Spark was started"))
    (tmp_path / "file").write_text("in the way")  # below a file even root cannot write
    assert run_cli(["build-features", "--lake", str(tmp_path / "file" / "lake")]) == 1
    error = capsys.readouterr().err
    assert str(tmp_path / "file" / "lake") in error
    assert "--lake" in error


def test_the_entry_point_of_a_job_runs_its_command(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["jobs/x.py", "--nonsense"])
    monkeypatch.setattr(module, "run_cli", lambda line: 7 if line == ["x", "--nonsense"] else 0)
    with pytest.raises(SystemExit) as stopped:
        module.main("x")
    assert stopped.value.code == 7


def test_a_job_that_is_done_does_not_exit_by_force(monkeypatch):
    monkeypatch.setattr(module, "run_cli", lambda line: 0)
    assert module.main("x") is None  # Databricks takes SystemExit(0) for a failure
