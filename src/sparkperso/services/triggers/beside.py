"""A dispatcher beside a service: a process of its own, started again where it dies."""

from __future__ import annotations

import logging
import logging.config
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import TracebackType

from sparkperso.config import Settings
from sparkperso.core.errors import SparkpersoError
from sparkperso.services.http.logs import service_logging
from sparkperso.services.triggers.definitions import Triggers
from sparkperso.services.triggers.dispatcher import END_SECONDS
from sparkperso.services.triggers.process import run_dispatcher

SPAWN = multiprocessing.get_context("spawn")
FIRST_DELAY, MOST_DELAY = 0.5, 30.0
"""Seconds before it is started again after its first death, and most of them."""
STEADY_SECONDS = 60.0
"""Who has worked for so long had started well: the next death counts as the first."""
MORE_SECONDS = 5.0
"""What it gets to end, beyond its own bound, before it is killed."""
LOOK_SECONDS = 0.25
log = logging.getLogger("sparkperso.triggers")


class DispatcherProcess:
    """Keeps one dispatcher running for the length of a block, from the first `use` on.

    None runs while no trigger is enabled.
    """

    def __init__(self, on_end: Callable[[int], None] = lambda pid: None) -> None:
        """`on_end` is called with the number of each process that has ended."""
        self._on_end = on_end
        self._wanted: tuple[Settings, Triggers] | None = None
        self._changed, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="triggers", daemon=True)

    def __enter__(self) -> DispatcherProcess:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        self._thread.join()

    def use(self, settings: Settings, triggers: Triggers) -> None:
        """Has a dispatcher of these work from now on; one that works ends first."""
        self._wanted = (settings, triggers) if triggers.ready else None
        self._changed.set()

    def _watch(self) -> None:
        process: SpawnProcess | None = None
        deaths, due, started = 0, 0.0, 0.0
        while not self._closed.is_set():
            if self._changed.is_set():
                self._changed.clear()
                self._end(process)
                process, deaths, due = None, 0, 0.0
            if process is None:
                if self._wanted and time.monotonic() >= due:
                    process, started = self._start(*self._wanted), time.monotonic()
                else:
                    self._closed.wait(LOOK_SECONDS)
            elif wait([process.sentinel], LOOK_SECONDS):
                process.join()
                deaths = 1 if time.monotonic() - started > STEADY_SECONDS else deaths + 1
                delay = min(FIRST_DELAY * 2.0 ** (deaths - 1), MOST_DELAY)
                due = time.monotonic() + delay
                log.error(
                    "the dispatcher of triggers ended (%s); the next one starts in %g s",
                    process.exitcode,
                    delay,
                )
                self._on_end(process.pid or 0)
                process = None
        self._end(process)

    @staticmethod
    def _start(settings: Settings, triggers: Triggers) -> SpawnProcess:
        process = SPAWN.Process(target=_work, args=(settings, triggers))
        process.start()
        return process

    def _end(self, process: SpawnProcess | None) -> None:
        if process is None:
            return
        process.terminate()
        process.join(END_SECONDS + MORE_SECONDS)
        if process.exitcode is None:
            log.error("the dispatcher of triggers is killed: it did not end")
            process.kill()
            process.join()
        self._on_end(process.pid or 0)


def _work(settings: Settings, triggers: Triggers) -> None:
    """Delivers, as a process of its own."""
    logging.config.dictConfig(service_logging(settings.logging))
    try:
        run_dispatcher(settings, triggers, log.info)
    except SparkpersoError as error:
        log.error("%s", error)
        sys.exit(error.exit_status)
