"""A step that says nothing is seen to move, in a log and on a terminal."""

from __future__ import annotations

import io
import json
import re
import sys
import threading
from types import SimpleNamespace

import pytest
from rich.console import Console

from sparkperso.core.logs import LOG, open_log
from sparkperso.pipeline.progress import Activity, Count, Progress
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
        return Activity(f"Spark job {self.number}", 3, 8)


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


def test_what_is_logged_while_a_bar_is_drawn_stands_on_lines_of_its_own(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    out = io.StringIO()
    progress = Progress(1, Console(file=out, force_terminal=True, width=80))
    with open_log(None), progress.step(1, "train"):
        progress.say("candidate 5 of 24")
        LOG.warning("the server is slow")
        print("from a library", file=sys.stderr)
    for text in ("sparkperso: warning: the server is slow", "from a library"):
        # The bar's line is erased first, and drawn again below.
        assert re.search(rf"\x1b\[2K(\x1b\[\d*[A-Zm])*{text} *\n", out.getvalue())
    assert not capsys.readouterr().err


@pytest.mark.parametrize("is_json", [False, True])
def test_what_is_said_is_logged_and_shown_once(tmp_path, capsys, is_json):
    out = io.StringIO()
    progress = Progress(2, Console(file=out, width=200), is_json=is_json)
    with open_log(tmp_path / "log", is_json) as log, progress.step(1, "train"):
        progress.say("candidate 5 of 24")
    kept = log.file.read_text(encoding="utf-8").splitlines()
    lines = [json.loads(line)["message"] for line in kept] if is_json else kept
    assert [line.endswith(end) for line, end in zip(lines, ("train …", "5 of 24"), strict=True)]
    assert bool(out.getvalue()) != is_json
    assert bool(capsys.readouterr().err) == is_json


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


def test_a_log_says_how_much_is_done_with_its_next_line():
    out, jobs = io.StringIO(), Jobs()
    progress = Progress(3, Console(file=out, width=200), jobs, log_seconds=0.04)
    with progress.step(2, "train"):
        progress.count(9, 24, "trials")
        assert jobs.seen.wait(30)
    assert "[2/3] train: 9 of 24 trials, 0 s, Spark job 1" in out.getvalue()


def test_a_bar_shows_what_the_step_counts_and_else_the_tasks_of_spark(monkeypatch):
    monkeypatch.setattr("sparkperso.pipeline.progress.TERMINAL_SECONDS", 0.02)
    jobs = Jobs()
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    progress = Progress(3, console, jobs)
    with progress.step(2, "train"):
        assert jobs.seen.wait(30)
        (task,) = progress._bar.tasks
        assert (task.completed, task.total) == (3, 8)
        progress.count(9, 24, "trials")
        assert (task.completed, task.total) == (9, 24)
        assert task.fields["at"].startswith("9 of 24 trials")
        progress.count(24, 24, "trials")  # what comes after it is Spark's again
        assert task.total != 24
        assert "trials" not in task.fields["at"]


def test_the_bar_of_a_narrow_terminal_keeps_to_one_line():
    console = Console(file=io.StringIO(), force_terminal=True, width=60)
    progress = Progress(3, console, None)
    with progress.step(2, "train-recommender"):
        progress.say("als_7: " + "a long line " * 20)
        shown = console.render_lines(progress._bar.get_renderable())
    assert len(shown) == 1
    assert "[2/3] train-recommender" in "".join(part.text for part in shown[0])


def test_the_text_of_others_is_no_markup_in_a_bar():
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    progress = Progress(1, console, None)
    with progress.step(1, "train"):
        progress.say("[bold]:bell: \x1b[2J")
        text = "".join(part.text for part in console.render_lines(progress._bar)[0])
    assert "[bold]:bell: \\x1b[2J" in text


@pytest.mark.parametrize(
    ("done", "seconds", "expected"),
    [
        (0, 60, "0 of 24 trials"),
        (9, 2, "9 of 24 trials"),
        (8, 10, "8 of 24 trials, about 20 s left"),
        (12, 600, "12 of 24 trials, about 10 min left"),
        (1, 3600, "1 of 24 trials, about 23 h left"),
        (24, 60, "24 of 24 trials"),
    ],
)
def test_the_time_that_is_left_follows_from_what_is_done(done, seconds, expected):
    assert Count(done, 24, "trials", since=100.0).text(100.0 + seconds) == expected


def test_another_thing_that_is_counted_begins_its_own_time():
    progress = Progress(1, Console(file=io.StringIO()))
    progress.count(1, 3, "tables")
    first = progress._count.since
    progress.count(2, 3, "tables")
    assert progress._count.since == first
    progress.count(0, 3, "tables")
    assert progress._count.since > first


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


def test_a_dumb_terminal_gets_the_lines_of_a_log(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    out = io.StringIO()
    progress = Progress(3, Console(file=out, force_terminal=True, width=200))
    with progress.step(2, "train"):
        progress.say("engine kernel")
    assert [line.split()[-1] for line in out.getvalue().splitlines()] == ["…", "kernel"]


def test_a_step_ends_though_nobody_answers_what_spark_is_at(monkeypatch):
    monkeypatch.setattr("sparkperso.pipeline.progress.JOIN_SECONDS", 0.05)
    asked, answer = threading.Event(), threading.Event()

    def wait():
        asked.set()
        answer.wait(30)
        return Activity("late")

    out = io.StringIO()
    progress = Progress(3, Console(file=out, width=200), wait, log_seconds=0.01)
    with progress.step(1, "train"):
        assert asked.wait(30)
    assert not answer.is_set()
    answer.set()
    assert "late" not in out.getvalue()


def test_what_reports_after_a_step_has_ended_does_no_harm():
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    progress = Progress(3, console)
    is_over = threading.Event()

    def report():
        while not is_over.is_set():
            progress.count(1, 2, "trials")

    reporter = threading.Thread(target=report)
    reporter.start()
    for number in range(20):
        with progress.step(number, "train"):
            pass
    is_over.set()
    reporter.join()
