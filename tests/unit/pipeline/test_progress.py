"""A step that says nothing is seen to move, in a log and on a terminal."""

from __future__ import annotations

import io
import threading
from types import SimpleNamespace

import pytest
from rich.console import Console

from sparkperso.pipeline.progress import Progress
from sparkperso.pipeline.runner import is_endless


class Jobs:
    """What Spark is at, another job each time; tells when it was asked often enough."""

    def __init__(self, error=None):
        self.number, self.error, self.seen = 0, error, threading.Event()

    def __call__(self):
        self.number += 1
        if self.number >= 3:
            self.seen.set()
        if self.error:
            raise self.error
        return f"Spark job {self.number}"


def shown(jobs, is_terminal=False, total=3, **more):
    out = io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=200, highlight=False)
    progress = Progress(total, console, jobs, **more)
    with progress.step(2, "train"):
        assert jobs.seen.wait(30)
    return out.getvalue()


def test_a_silent_step_gets_lines_in_a_log():
    lines = shown(Jobs(), log_seconds=0.04).splitlines()
    assert lines[0].endswith("[2/3] train …")
    moved = [line.partition("[2/3] train: ")[2] for line in lines[1:]]
    assert moved[:2] == ["0 s, Spark job 1", "0 s, Spark job 2"]


def test_a_single_command_begins_without_a_number():
    assert "[" not in shown(Jobs(), total=1, log_seconds=0.04)


def test_a_terminal_shows_what_spark_is_at(monkeypatch):
    monkeypatch.setattr("sparkperso.pipeline.progress.TERMINAL_SECONDS", 0.02)
    assert "s, Spark job" in shown(Jobs(), is_terminal=True)


def test_a_step_does_not_fail_because_spark_cannot_be_asked():
    assert "[2/3] train: 0 s\n" in shown(Jobs(ConnectionError("stopped")), log_seconds=0.04)


def test_a_step_that_speaks_needs_no_pulse():
    out = io.StringIO()
    progress = Progress(3, Console(file=out, width=200, highlight=False), Jobs(), log_seconds=60)
    with progress.step(1, "train"):
        progress.say("candidate 5 of 24")
    assert [line.split()[-1] for line in out.getvalue().splitlines()] == ["…", "24"]


def test_a_failure_ends_the_pulse():
    threads = threading.active_count()
    progress = Progress(1, Console(file=io.StringIO()), Jobs(), log_seconds=0.04)
    with pytest.raises(ZeroDivisionError), progress.step(1, "train"):
        _ = 1 / 0
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("ingest-events", {}, False),
        ("ingest-events", {"stream": True}, True),
        ("ingest-events", {"stream": True, "available_now": True}, False),
        ("stream-segments", {}, True),
        ("stream-segments", {"available_now": True}, False),
        ("train-recommender", {}, False),
    ],
)
def test_streams_without_an_end_show_no_pulse(name, options, expected):
    assert is_endless(SimpleNamespace(name=name, options=options)) is expected
