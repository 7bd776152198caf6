"""The log of a command: every line in its file, a run on each, and what a person sees of it."""

from __future__ import annotations

import json
import logging
import sys
import warnings

import pytest

from sparkperso.config.platform import LoggingConfig
from sparkperso.core.errors import JobError
from sparkperso.core.logs import LOG, log_of, open_log
from sparkperso.services.http.logs import service_logging


@pytest.fixture
def file(tmp_path):
    return tmp_path / "_logs" / "run.log"


def write_lines():
    LOG.info("two steps")
    logging.getLogger("library").info("not of interest")
    logging.getLogger("library.part").warning("odd\nvalue \x1b[2J")
    logging.getLogger("py4j.client").error("of Spark")


def test_a_text_log_has_time_level_run_and_logger_on_every_line(file, capsys):
    with open_log(file) as log:
        log.begin("r1")
        write_lines()
        log.begin("r2")
        LOG.info("the next")
    lines = file.read_text().splitlines()
    assert [line.partition("Z ")[2] for line in lines[:2]] == [
        "INFO    r1 sparkperso: two steps",
        "WARNING r1 library.part: odd",
    ]
    assert "\\x1b[2J" in lines[2]
    assert lines[-1].endswith("INFO    r2 sparkperso: the next")
    assert "not of interest" not in file.read_text()
    # A person sees warnings of libraries, a line each, and of Spark's loggers none.
    assert capsys.readouterr().err == "sparkperso: warning: odd value \\x1b[2J\n"


def test_as_json_every_line_is_an_object_in_the_file_and_on_stderr(file, capsys):
    with open_log(file, is_json=True) as log:
        log.begin("r1")
        write_lines()
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    shown = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in kept] == ["two steps", "odd\nvalue \x1b[2J", "of Spark"]
    assert shown == kept[:2]
    assert {line["run_id"] for line in kept} == {"r1"}
    assert set(kept[0]) == {"time", "level", "logger", "message", "run_id"}


def test_with_debug_sparks_loggers_are_shown(capsys):
    with open_log(None, debug=True):
        write_lines()
    assert "of Spark" in capsys.readouterr().err


@pytest.mark.parametrize("is_json", [False, True])
def test_an_error_that_ends_a_command_is_kept_with_its_traceback_and_innermost_cause(
    file, capsys, is_json
):
    failure = JobError("Every file should be readable")
    failure.__cause__ = ValueError("column x is missing")
    with pytest.raises(JobError) as raised, open_log(file, is_json):
        raise failure
    text = file.read_text()
    assert "Every file should be readable. The cause: column x is missing (ValueError)" in text
    assert "Traceback (most recent call last)" in text
    assert log_of(raised.value).file == file
    # As text the command line shows it; as JSON it has stood there.
    assert bool(capsys.readouterr().err) == is_json


def test_after_a_command_nothing_is_left_of_its_log(file):
    before = list(logging.getLogger().handlers), LOG.level, warnings.showwarning
    with open_log(file):
        assert warnings.showwarning is not before[2]
    assert (list(logging.getLogger().handlers), LOG.level, warnings.showwarning) == before


def test_a_warning_of_python_goes_the_same_way(file):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with open_log(file):
            warnings.warn("will be removed", FutureWarning, stacklevel=1)
    assert "WARNING - py.warnings:" in file.read_text()
    assert "will be removed" in file.read_text()


def test_lines_go_to_what_stderr_is_at_the_time(capsys, monkeypatch):
    with open_log(None):
        monkeypatch.setattr(sys, "stderr", sys.stdout)
        LOG.warning("late")
    assert capsys.readouterr().out == "sparkperso: warning: late\n"


@pytest.mark.parametrize(
    ("form", "first"), [(None, "{"), ("json", "{"), ("text", "2")], ids=["unset", "json", "text"]
)
def test_a_service_writes_json_unless_text_is_configured(form, first):
    import logging.config

    configured = service_logging(LoggingConfig(format=form))
    formatter = logging.config.DictConfigurator(configured).configure_formatter(
        configured["formatters"]["lines"]
    )
    record = LOG.makeRecord("sparkperso.collect", logging.INFO, "", 0, "ready", (), None)
    assert formatter.format(record).startswith(first)
