"""uvicorn as the services run it."""

from __future__ import annotations

import gc
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from sparkperso.services.http.header_timeout import ServerConfig
from sparkperso.services.http.process.drain import DRAIN

ENDING = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """uvicorn, but one that was asked to end says so first, and is then done, not killed.

    1. SIGTERM: readiness says no at once; for `drain_seconds` requests are still taken, each the
       last one of its connection, so that who balances load has the time to look.
    2. Then nothing more is taken, and what is under way is answered.
    3. It ends with exit status 0: uvicorn itself raises the signal again, which makes the exit
       status that of a kill.

    Ctrl-C, or a second signal, leaves out the wait.
    """

    config: ServerConfig

    def __init__(self, config: ServerConfig) -> None:
        super().__init__(config)
        self._end_at = math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to end."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        is_second = DRAIN.is_begun
        self.drain(0.0 if is_second or sig == signal.SIGINT else self.config.drain_seconds)

    def drain(self, seconds: float) -> None:
        """Says that this process ends, which it begins to do so many seconds from now."""
        DRAIN.is_begun = True
        self._end_at = min(self._end_at, time.monotonic() + seconds)
        self.should_exit = self.should_exit or not seconds

    async def on_tick(self, counter: int) -> bool:
        """Says whether it is time to take no more; asked ten times a second."""
        return await super().on_tick(counter) or time.monotonic() >= self._end_at

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes SIGTERM and Ctrl-C as the sign to end, while it serves."""
        before = {number: signal.signal(number, self.handle_exit) for number in ENDING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def collect_rarely() -> None:
    """Has what was made at the start looked at no more, and what comes less often.

    Requests leave little in circles: it gives a tenth more of them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
