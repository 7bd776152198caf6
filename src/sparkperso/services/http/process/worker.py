"""One of several processes that serve: what it does, and how its supervisor sees it."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import socket
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Literal

from uvicorn.config import STARTUP_FAILURE

from sparkperso.core.errors import ConfigError, JobError, SparkpersoError, UsageError
from sparkperso.services.http.header_timeout import ServerConfig
from sparkperso.services.http.process.server import Server

SPAWN = multiprocessing.get_context("spawn")
multiprocessing.allow_connection_pickling()
ERRORS = {kind.__name__: kind for kind in (ConfigError, UsageError, JobError)}
TICKS = 10
"""Ticks of the server between two signs of life: a second."""
Order = Literal["drain", "end", "retire"]
log = logging.getLogger("sparkperso.process")


class WorkerServer(Server):
    """A server that tells its supervisor that it lives, and ends where it is told to, or alone.

    A process that nobody watches any more would hold the port for ever.
    """

    def __init__(self, config: ServerConfig, supervisor: Connection) -> None:
        super().__init__(config)
        self._supervisor = supervisor
        self._is_retired = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts the application, and says that it answers."""
        await super().startup(sockets)
        asyncio.get_running_loop().add_reader(self._supervisor.fileno(), self._obey)
        self._tell("ready")

    async def on_tick(self, counter: int) -> bool:
        """Says whether it is time to take no more."""
        if counter % TICKS == 0:
            self._tell("alive")
        is_done = self._is_retired and not self.server_state.connections
        return await super().on_tick(counter) or is_done

    def _obey(self) -> None:
        try:
            order: Order = self._supervisor.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._supervisor.fileno())
            log.error("who watched this worker is gone: it ends")
            order = "drain"
        if order != "retire":
            self.drain(self.config.drain_seconds if order == "drain" else 0.0)
            return
        # Others listen on the same socket. A connection that is idle ends when it always would,
        # one in use by its next answer: no client sees anything of it.
        self._is_retired = True
        for server in self.servers:
            server.close()
        self.drain(self.config.limits.idle_seconds + 1)

    def _tell(self, message: str) -> None:
        try:
            self._supervisor.send((message, ""))
        except OSError:
            return  # `_obey` hears of it


def work(config: ServerConfig, sockets: list[socket.socket], supervisor: Connection) -> None:
    """Serves, as a process of its own; the error that keeps it from starting goes to who asked."""
    config.configure_logging()
    # A terminal's Ctrl-C reaches all its processes: who watches tells the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        WorkerServer(config, supervisor).run(sockets)
    except SparkpersoError as error:
        supervisor.send((type(error).__name__, str(error)))
        sys.exit(STARTUP_FAILURE)


class Worker:
    """One process that serves, as its supervisor sees it."""

    def __init__(self, config: ServerConfig, sockets: Sequence[socket.socket]) -> None:
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=work, args=(config, list(sockets), theirs))
        self.process.start()
        theirs.close()
        self.started_at = self.heard_at = time.monotonic()
        self.is_ready = False
        """Whether it answers requests."""
        self.failure: SparkpersoError | None = None
        """What kept it from starting, where it said so."""
        self.is_heard = True
        """Whether it may still say something."""

    @property
    def pid(self) -> int:
        """Returns the number of the process."""
        return self.process.pid or 0

    @property
    def cause(self) -> str | None:
        """Returns why the process ended: `exit 0`, or a signal's name; None while it lives."""
        code = self.process.exitcode
        if code is None:
            return None
        return signal.Signals(-code).name if code < 0 else f"exit {code}"

    @property
    def silent_seconds(self) -> float:
        """Returns how long it has said nothing."""
        return time.monotonic() - self.heard_at

    def listen(self) -> None:
        """Takes what it said since."""
        while self.is_heard:
            try:
                if not self.pipe.poll():
                    return
                message, text = self.pipe.recv()
            except (EOFError, OSError):
                self.is_heard = False
                return
            self.heard_at = time.monotonic()
            if message == "ready":
                self.is_ready = True
            elif message != "alive":
                self.failure = ERRORS.get(message, JobError)(text)

    def tell(self, order: Order) -> None:
        """Has it end; one that does not answer yet, at once."""
        try:
            if self.is_ready:
                self.pipe.send(order)
            else:
                self.process.terminate()
        except OSError:
            return  # it ended by itself

    def kill(self) -> None:
        """Ends it, whatever it does."""
        self.process.kill()

    def bury(self) -> None:
        """Waits for its end, and lets go of what is left of it."""
        self.process.join()
        self.pipe.close()
        self.is_heard = False
