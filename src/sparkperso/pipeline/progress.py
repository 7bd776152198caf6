"""Shows how far a run is: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

from sparkperso.core.terminal import literal


class Progress:
    """The display of a run of several steps."""

    def __init__(self, total: int, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.total = total
        self._started = time.monotonic()
        self._title = ""
        self._status: Status | None = None

    @contextmanager
    def step(self, number: int, name: str) -> Iterator[None]:
        """Shows step `number` as the one at work, for as long as the block runs."""
        self._title = f"[{number}/{self.total}] {name}"
        if not self.console.is_terminal:
            self.console.print(literal(f"{self._clock()} {self._title} …"))
            yield
            return
        with self.console.status(literal(self._title)) as status:
            self._status = status
            yield
        self._status = None

    def say(self, line: str) -> None:
        """Shows what the step is at."""
        if self._status:
            self._status.update(literal(f"{self._title}: {line}"))
        else:
            self.console.print(literal(f"{self._clock()}       {line}"))

    def done(self, mark: str, name: str, seconds: float, text: str) -> None:
        """Leaves one line about a finished step: its mark, name, time and figures."""
        line = f"{mark} {name:<22} {seconds:6.1f} s  {text}"
        self.console.print(literal(line), soft_wrap=True)

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self._started)
        return f"{seconds // 60:3d}:{seconds % 60:02d}"
