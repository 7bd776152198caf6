"""The client for threads: a thread of its own sends what any thread tracks."""

from __future__ import annotations

import atexit
import threading
from pathlib import Path
from types import TracebackType

import httpx

from sparkperso.client.base import PATH, SENT_AGAIN, Base
from sparkperso.client.options import Options


class Client(Base):
    """Sends events from a thread in the background; safe to share between threads.

    After a fork every process needs a client of its own. `close` sends what waits; it is called
    when the interpreter ends, too.
    """

    def __init__(
        self,
        url: str,
        write_key: str,
        *,
        queue: Path | str | None = None,
        options: Options | None = None,
    ) -> None:
        super().__init__(url, write_key, queue=queue, options=options)
        self._due, self._closing = threading.Event(), threading.Event()
        self._sent = threading.Condition()
        self._once = threading.Lock()
        # A daemon, so that it keeps no interpreter alive; `close` at exit sends what waits.
        self._thread = threading.Thread(target=self._run, name="sparkperso-client", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def flush(self, timeout: float = 10.0) -> bool:
        """Sends what waits, without batching; returns whether all is sent within `timeout`."""
        self._due.set()
        with self._sent:
            return self._sent.wait_for(lambda: self.queued == 0, timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Sends what waits, for `timeout` seconds, and ends; what is left stays in its file.

        Calling it again does nothing. Without a queue file what is left is lost, and logged.
        """
        with self._once:
            if self._closing.is_set():
                return
            self.flush(timeout)
            self._closing.set()
            self._due.set()
            # A request that is under way ends within its own timeout.
            self._thread.join(self.options.timeout)
            self._end()
            atexit.unregister(self.close)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _wake(self) -> None:
        self._due.set()

    def _run(self) -> None:
        with httpx.Client(**self._http) as http:
            while not self._closing.is_set():
                self._due.wait(self.options.flush_seconds)
                self._due.clear()
                self._send_all(http)

    def _send_all(self, http: httpx.Client) -> None:
        while self.queued and not self._closing.wait(self._delivery.pause()):
            try:
                batch = self._delivery.batch()
                response = http.post(PATH, content=batch.body, headers=dict(batch.headers))
                self._note(batch, response)
            except SENT_AGAIN as error:
                self._delivery.failed(repr(error))
            with self._sent:
                self._sent.notify_all()
