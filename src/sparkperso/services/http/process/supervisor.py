"""Worker processes that share a port: watched, started again, replaced one by one, ended."""

from __future__ import annotations

import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait

from sparkperso.core.errors import JobError, SparkpersoError
from sparkperso.services.http.header_timeout import ServerConfig
from sparkperso.services.http.process.server import ENDING
from sparkperso.services.http.process.worker import Order, Worker

SILENT_SECONDS = 60.0
"""A worker that says nothing for so long is taken for dead, also one that starts: on a busy machine
imports alone take long."""
STEADY_SECONDS = 10.0
"""Who has served for so long had started well: the next death counts as the first."""
FIRST_DELAY, MOST_DELAY = 0.5, 30.0
"""Seconds before a worker is started that died twice in a row, and most of them."""
MORE_SECONDS = 5.0
"""What a worker gets beyond its own bounds before it is killed."""
LOOK_SECONDS = 0.25
MAPPED = (
    "It read a file that was cut off meanwhile. The next one looks at every file of a version "
    "before it opens it, and takes the last version that is whole"
)
log = logging.getLogger("sparkperso.process")


def delay_of(deaths: int) -> float:
    """Returns how many seconds to wait after so many deaths in a row: none after the first.

    >>> [delay_of(number) for number in (1, 2, 3, 4, 20)]
    [0.0, 0.5, 1.0, 2.0, 30.0]
    """
    return 0.0 if deaths < 2 else float(min(FIRST_DELAY * 2 ** (deaths - 2), MOST_DELAY))


@dataclass
class Slot:
    """The place of one worker; `worker` is None while its next one has to wait until `due`."""

    worker: Worker | None
    deaths: int = 0
    due: float = 0.0


class Supervisor:
    """Keeps `count` workers on the sockets, until SIGTERM or Ctrl-C.

    1. The first start must succeed: what is wrong with the configuration is raised as its error.
    2. A worker that ends is started again, at once the first time, later each further time.
    3. SIGHUP makes the configuration anew, and replaces workers one by one: each goes when its
       successor answers. Where that fails, those of before go on, and the log says why.
    4. At the end workers are told to drain, waited for, and killed where they do not end in time. A
       second signal to end leaves out the drain, a third kills them; a reload comes too late.
    """

    def __init__(
        self,
        make_config: Callable[[], ServerConfig],
        sockets: Sequence[socket.socket],
        count: int,
        on_ready: Callable[[], None] = lambda: None,
        on_end: Callable[[Worker], None] = lambda worker: None,
    ) -> None:
        """`on_ready` is called once, when one answers; `on_end` with each one that has ended."""
        self._make_config, self._sockets, self._count = make_config, sockets, count
        self._on_ready, self._on_end = on_ready, on_end
        self._slots: list[Slot] = []
        self._retired: list[Worker] = []
        self._to_replace: list[Slot] = []
        self._successor: Worker | None = None
        self._signals: list[int] = []
        self._wakeup, self._waker = socket.socketpair()
        self._was_ready = False

    def run(self) -> None:
        """Runs until it is told to end; raises what keeps the first workers from starting."""
        with self._heeding_signals():
            try:
                self._config = self._make_config()
                self._slots = [Slot(self._start(self._config)) for _ in range(self._count)]
                while not set(ENDING).intersection(self._signals):
                    self._wait(self._workers)
                    self._reload_if_asked()
                    self._tend()
            finally:
                self._end()

    @property
    def _workers(self) -> list[Worker]:
        of_slots = [slot.worker for slot in self._slots if slot.worker is not None]
        return [*of_slots, *self._retired, *([self._successor] if self._successor else [])]

    def _start(self, config: ServerConfig) -> Worker:
        return Worker(config, self._sockets)

    def _wait(self, workers: Sequence[Worker], seconds: float = LOOK_SECONDS) -> None:
        """Waits until something happens: a word, an end, a signal; a moment at most."""
        pipes = [worker.pipe for worker in workers if worker.is_heard]
        ends = [worker.process.sentinel for worker in workers]
        if self._wakeup in wait([self._wakeup, *pipes, *ends], seconds):
            self._wakeup.recv(4096)
        for worker in workers:
            worker.listen()

    def _tend(self) -> None:
        """Looks after each worker."""
        if not self._was_ready and any(worker.is_ready for worker in self._workers):
            self._was_ready = True
            self._on_ready()
        for worker in self._workers:
            if worker.cause is None and worker.silent_seconds > SILENT_SECONDS:
                log.error("worker %d says nothing: it is killed", worker.pid)
                worker.kill()
        for slot in self._slots:
            self._tend_slot(slot)
        self._tend_retired()
        self._replace_next()

    def _tend_slot(self, slot: Slot) -> None:
        if slot.worker is None:
            if time.monotonic() >= slot.due:
                slot.worker = self._start(self._config)
            return
        if slot.worker.cause is None:
            return
        dead, slot.worker = slot.worker, None
        self._bury(dead)
        if not self._was_ready and dead.process.exitcode and dead.process.exitcode > 0:
            raise dead.failure or _unexplained(dead)
        lived = time.monotonic() - dead.started_at
        slot.deaths = 1 if dead.is_ready and lived >= STEADY_SECONDS else slot.deaths + 1
        delay = delay_of(slot.deaths)
        slot.due = time.monotonic() + delay
        log.error(
            "worker %d ended (%s) after %.0f s; the next one starts %s. %s",
            dead.pid,
            dead.cause,
            lived,
            f"in {delay:g} s" if delay else "now",
            MAPPED if dead.cause == "SIGBUS" else dead.failure or "",
        )

    def _tend_retired(self) -> None:
        for worker in self._retired:
            limits = self._config.limits
            most = limits.idle_seconds + 1 + limits.shutdown_seconds + MORE_SECONDS
            if worker.cause is not None:
                self._bury(worker)
            elif worker.silent_seconds > most:
                worker.kill()
        self._retired = [worker for worker in self._retired if worker.cause is None]

    def _bury(self, worker: Worker) -> None:
        worker.bury()
        self._on_end(worker)

    def _reload_if_asked(self) -> None:
        if signal.SIGHUP not in self._signals or self._to_replace:
            return
        self._signals = [number for number in self._signals if number != signal.SIGHUP]
        try:
            self._next_config = self._make_config()
        except SparkpersoError as error:
            log.error("SIGHUP: nothing is reloaded, the workers of before go on. %s", error)
            return
        log.info("SIGHUP: workers are replaced one by one")
        self._to_replace = list(self._slots)

    def _replace_next(self) -> None:
        """Takes the next step of a reload, if one is under way."""
        if not self._to_replace:
            return
        if self._successor is None:
            self._successor = self._start(self._next_config)
        elif self._successor.cause is not None:
            failed, self._successor, self._to_replace = self._successor, None, []
            self._bury(failed)
            reason = failed.failure or _unexplained(failed)
            log.error("SIGHUP: nothing is reloaded, the workers of before go on. %s", reason)
        elif self._successor.is_ready:
            slot = self._to_replace.pop(0)
            before, slot.worker, self._successor = slot.worker, self._successor, None
            self._config = self._next_config
            if before is not None:
                before.tell("retire")
                self._retired.append(before)
            if not self._to_replace:
                log.info("SIGHUP: all workers are new")

    def _end(self) -> None:
        """Has all workers end, and waits for them."""
        order: Order = "end" if signal.SIGINT in self._signals else "drain"
        self._signals.clear()
        # Of the socket nothing is left here: where the last worker stops to listen, nobody does.
        for one in self._sockets:
            one.close()
        workers = self._workers
        for worker in workers:
            worker.tell(order)
        limit = 0.0
        if workers:
            limits = self._config.limits
            limit = self._config.drain_seconds + limits.shutdown_seconds + MORE_SECONDS
        self._wait_for_end(workers, limit, is_hurried=order == "end")
        for worker in workers:
            self._bury(worker)

    def _wait_for_end(self, workers: Sequence[Worker], seconds: float, *, is_hurried: bool) -> None:
        """Waits until all have ended; kills who has not after so many seconds.

        A signal to end leaves out what is left of the drain, one more than that kills.
        """
        until, is_killed = time.monotonic() + seconds, False
        while alive := [worker for worker in workers if worker.cause is None]:
            is_asked = not set(ENDING).isdisjoint(self._signals)
            self._signals.clear()
            is_late = time.monotonic() > until or (is_asked and is_hurried)
            if is_late and not is_killed:
                log.error("%d workers are killed: they did not end", len(alive))
                for worker in alive:
                    worker.kill()
            elif is_asked:
                for worker in alive:
                    worker.tell("end")
            is_killed, is_hurried = is_killed or is_late, is_hurried or is_asked
            self._wait(alive)

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        """Keeps signals for the loop, and wakes it."""
        self._waker.setblocking(False)
        self._wakeup.setblocking(False)
        heeded = (*ENDING, signal.SIGHUP)
        before = {n: signal.signal(n, lambda n, _: self._signals.append(n)) for n in heeded}
        descriptor = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(descriptor)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._wakeup.close()
            self._waker.close()


def _unexplained(worker: Worker) -> JobError:
    return JobError(
        "A worker should start and answer", f"It ended ({worker.cause})", "The log says why"
    )
