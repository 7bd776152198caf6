"""uvicorn as the services run it."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

ENDING = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """uvicorn, but one that was asked to end and did is done, not killed by the signal.

    uvicorn itself raises the signal again at its end, which makes the exit status that of a kill.
    """

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
