"""Shows how far a run is: a live line on a terminal, a line every ten seconds in a log.

A thread beside the work asks what Spark is at, so that a step that says nothing for a minute is
seen to move: jobs begun so far, and tasks done of those under way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession
from rich.console import Console
from rich.status import Status

from sparkperso.core.terminal import literal

LOG_SECONDS = 10.0
"""A log gets a line when a step has said nothing for so long."""
TERMINAL_SECONDS = 1.0


class Progress:
    """The display of a run of several steps."""

    def __init__(
        self,
        total: int,
        console: Console | None = None,
        activity: Callable[[], str] | None = None,
        log_seconds: float = LOG_SECONDS,
    ) -> None:
        self.console = console or Console(highlight=False)
        self.total = total
        self._activity = activity
        self._log_seconds = log_seconds
        self._started = self._step_began = self._last_line = time.monotonic()
        self._title = self._at = ""
        self._status: Status | None = None

    @contextmanager
    def step(self, number: int, name: str) -> Iterator[None]:
        """Shows step `number` as the one at work, for as long as the block runs."""
        self._title = f"[{number}/{self.total}] {name}" if self.total > 1 else name
        self._step_began, self._at = time.monotonic(), ""
        with self._pulse():
            if not self.console.is_terminal:
                if self.total > 1:
                    self._print(f"{self._clock()} {self._title} …")
                yield
                return
            with self.console.status(literal(self._title)) as status:
                self._status = status
                try:
                    yield
                finally:
                    self._status = None

    def say(self, line: str) -> None:
        """Shows what the step is at."""
        self._at = line
        if self._status:
            self._status.update(literal(f"{self._title}: {line}"))
        else:
            self._print(f"{self._clock()}       {line}" if self.total > 1 else line)

    def done(self, mark: str, name: str, seconds: float, text: str) -> None:
        """Leaves one line about a finished step: its mark, name, time and figures."""
        self._print(f"{mark} {name:<22} {seconds:6.1f} s  {text}")

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
            pulse.join()

    def _beat(self, is_over: threading.Event) -> None:
        seconds = TERMINAL_SECONDS if self.console.is_terminal else self._log_seconds / 4
        while not is_over.wait(seconds):
            if self._status:
                words = ", ".join(filter(None, (self._at, self._seconds(), self._doing())))
                self._status.update(literal(f"{self._title}: {words}"))
            elif time.monotonic() - self._last_line >= self._log_seconds:
                words = ", ".join(filter(None, (self._seconds(), self._doing())))
                self._print(f"{self._clock()} {self._title}: {words}")

    def _doing(self) -> str:
        try:
            return self._activity() if self._activity else ""
        except Exception:  # Spark may be stopping: what it is at is no reason for a step to fail.
            return ""

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._step_began:.0f} s"

    def _print(self, line: str) -> None:
        self._last_line = time.monotonic()
        self.console.print(literal(line), soft_wrap=True)

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self._started)
        return f"{seconds // 60:3d}:{seconds % 60:02d}"


def spark_activity(spark: SparkSession) -> Callable[[], str]:
    """Returns what says what Spark is at: the number of its latest job, and tasks done of all."""
    tracker = spark.sparkContext.statusTracker()

    def activity() -> str:
        jobs = tracker.getActiveJobsIds()
        if not jobs:
            return "between Spark jobs"
        stages = [tracker.getStageInfo(number) for number in tracker.getActiveStageIds()]
        known = [stage for stage in stages if stage]
        done = sum(stage.numCompletedTasks for stage in known)
        total = sum(stage.numTasks for stage in known)
        return f"Spark job {max(jobs)}, {done:,} of {total:,} tasks done"

    return activity
