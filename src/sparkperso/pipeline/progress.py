"""Shows how far a run is: a bar on a terminal, a line every ten seconds in a log.

What a step counts itself (`Progress.count`: trials of a search, tables written) is shown with what
is left of it. A thread beside the work asks what Spark is at, so that a step that counts nothing is
seen to move as well: jobs begun so far, and tasks done of those under way.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import SparkSession
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column

from sparkperso.core.logs import LOG, RunLog
from sparkperso.core.reporting import Say
from sparkperso.core.terminal import literal, visible

LOG_SECONDS = 10.0
"""A log gets a line when a step has said nothing for so long."""
TERMINAL_SECONDS = 1.0
ESTIMATE_SECONDS = 3.0
"""How long something is counted before the time that is left is estimated: the first pieces of
work compile and warm up, and would promise too much time."""
JOIN_SECONDS = 2.0
BAR_WIDTH = 20


@dataclass(frozen=True)
class Activity:
    """What Spark is at."""

    text: str
    done: int = 0
    """Tasks done of those of the stages under way."""
    total: int = 0
    """Tasks of the stages under way; 0 between jobs."""


@dataclass(frozen=True)
class Count:
    """How much of a step's work is done, as the step itself counts it."""

    done: int
    total: int
    what: str
    since: float
    """When the counting began, by the monotonic clock (seconds)."""

    def text(self, now: float) -> str:
        """Returns "9 of 24 trials, about 12 s left"; the time once there is enough to go by."""
        words = f"{self.done:,} of {self.total:,} {self.what}"
        seconds, left = now - self.since, self.total - self.done
        if not self.done or not left or seconds < ESTIMATE_SECONDS:
            return words
        return f"{words}, about {_duration(seconds / self.done * left)} left"


class Progress:
    """The display of a run of several steps.

    What it says goes to the log as well; with `is_json` to that alone, whose lines are shown.
    """

    def __init__(
        self,
        total: int,
        console: Console | None = None,
        activity: Callable[[], Activity] | None = None,
        log_seconds: float = LOG_SECONDS,
        is_json: bool = False,
    ) -> None:
        self.console = console or Console(highlight=False)
        self.total = total
        # A console may claim to be a terminal where FORCE_COLOR is set, and a dumb one has no bar.
        is_shown = console is not None or sys.stdout.isatty()
        is_terminal = self.console.is_terminal and not self.console.is_dumb_terminal
        self._is_live = is_terminal and is_shown and not is_json
        self._is_json = is_json
        self._activity = activity
        self._log_seconds = log_seconds
        self._started = self._step_began = self._last_line = time.monotonic()
        self._title = self._at = ""
        self._count: Count | None = None
        self._bar: Bar | None = None
        self._task = TaskID(0)

    @contextmanager
    def step(self, number: int, name: str) -> Iterator[None]:
        """Shows step `number` as the one at work, for as long as the block runs."""
        self._title = f"[{number}/{self.total}] {name}" if self.total > 1 else name
        self._step_began, self._at, self._count = time.monotonic(), "", None
        if not self._is_live:
            if self.total > 1:
                self._print(f"{self._title} …", f"{self._clock()} ")
            with self._pulse():
                yield
            return
        LOG.info("%s …", self._title)
        with self._new_bar() as bar:
            self._task = bar.add_task(visible(self._title), total=None, at="")
            self._bar = bar
            try:
                with self._pulse():
                    yield
            finally:
                self._bar = None

    def say(self, line: str) -> None:
        """Shows what the step is at: on the bar of a terminal, as a line in a log."""
        self._at = line
        if self._bar:
            LOG.info("%s", line)
            self._refresh(Activity(""))
        else:
            self._print(line, f"{self._clock()}       " if self.total > 1 else "")

    def count(self, done: int, total: int, what: str) -> None:
        """Shows that `done` of `total` pieces of the step's work are done; `what` is their name.

        A log shows it with its next line of its own, a terminal as a bar.
        """
        # Another kind of work, or the same from its start, is estimated anew.
        begins = self._count is None or self._count.what != what or done < self._count.done
        since = time.monotonic() if begins or self._count is None else self._count.since
        self._count = Count(done, total, what, since)
        if self._bar:
            self._refresh(Activity(""))

    def done(self, mark: str, name: str, seconds: float, text: str) -> None:
        """Leaves one line about a finished step: its mark, name, time and figures."""
        self._print(f"{mark} {name:<22} {seconds:6.1f} s  {text}")

    def _new_bar(self) -> Bar:
        return Bar(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(BAR_WIDTH),
            # Cut at the edge of the terminal: a second line would flicker.
            TextColumn(
                "{task.fields[at]}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            console=self.console,
            transient=True,
            # What is logged meanwhile stands above the bar; what goes to a file stays there.
            redirect_stderr=sys.stderr.isatty(),
            expand=True,
        )

    @contextmanager
    def _pulse(self) -> Iterator[None]:
        """Lets a thread show what Spark is at, until the block ends."""
        if self._activity is None:
            yield
            return
        is_over = threading.Event()
        pulse = threading.Thread(target=self._beat, args=(is_over,), daemon=True)
        pulse.start()
        try:
            yield
        finally:
            is_over.set()
            # Whoever asks Spark may wait for an answer: a step's end does not wait for that.
            pulse.join(JOIN_SECONDS)

    def _beat(self, is_over: threading.Event) -> None:
        seconds = TERMINAL_SECONDS if self._is_live else self._log_seconds / 4
        while not is_over.wait(seconds):
            is_due = time.monotonic() - self._last_line >= self._log_seconds
            if not (self._bar or is_due):
                continue
            activity = self._doing()
            if is_over.is_set():
                return
            if self._bar:
                self._refresh(activity)
            else:
                words = f"{self._title}: {self._words(activity, '')}"
                self._print(words, f"{self._clock()} ")

    def _refresh(self, activity: Activity) -> None:
        """Shows the bar: of what the step counts, else of Spark's tasks under way."""
        # Both may change in other threads: a search still reports while its step ends.
        bar, count = self._bar, self._count
        if bar is None:
            return
        if count and count.done < count.total:
            done, total = count.done, count.total
        else:
            done, total = activity.done, activity.total
        # Without a total the bar swings: something is at work, how much of it is not known.
        # `update` takes None for "as it is", hence the attribute.
        bar.tasks[0].total = total or None
        bar.update(self._task, completed=done, at=self._words(activity, self._at))

    def _words(self, activity: Activity, at: str) -> str:
        now = time.monotonic()
        count = self._count
        counted = count.text(now) if count and count.done < count.total else ""
        words = (counted, f"{now - self._step_began:.0f} s", at, activity.text)
        return visible(", ".join(filter(None, words)))

    def _doing(self) -> Activity:
        try:
            return self._activity() if self._activity else Activity("")
        except Exception:  # Spark may be stopping: what it is at is no reason for a step to fail.
            return Activity("")

    def _print(self, line: str, clock: str = "") -> None:
        self._last_line = time.monotonic()
        LOG.info("%s", line)
        if not self._is_json:
            self.console.print(literal(clock + line), soft_wrap=True)

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self._started)
        return f"{seconds // 60:3d}:{seconds % 60:02d}"


def say_in(log: RunLog) -> Say:
    """Returns what shows a line without a display, and logs it: for a stream."""

    def say(line: str) -> None:
        LOG.info("%s", line)
        if not log.is_json:
            print(line)

    return say


def spark_activity(spark: SparkSession) -> Callable[[], Activity]:
    """Returns what says what Spark is at: the number of its latest job, and tasks done of all.

    It may be called from any thread, and raises whatever py4j does while Spark stops.
    """
    tracker = spark.sparkContext.statusTracker()

    def activity() -> Activity:
        jobs = tracker.getActiveJobsIds()
        if not jobs:
            return Activity("between Spark jobs")
        stages = [tracker.getStageInfo(number) for number in tracker.getActiveStageIds()]
        known = [stage for stage in stages if stage]
        done = sum(stage.numCompletedTasks for stage in known)
        total = sum(stage.numTasks for stage in known)
        tasks = f", {done:,} of {total:,} tasks done" if total else ""
        return Activity(f"Spark job {max(jobs)}{tasks}", done, total)

    return activity


def _duration(seconds: float) -> str:
    """Returns seconds as "8 s", "2 min", "3 h": an estimate promises no more digits."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{round(seconds / 3600)} h"
