"""The collector on a port of this machine."""

from __future__ import annotations

import gc
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import click
import uvicorn

from sparkperso.config import Settings
from sparkperso.services.collect.app import make_app
from sparkperso.services.http.header_timeout import HEADROOM, ServerConfig
from sparkperso.services.http.logs import service_logging
from sparkperso.services.http.ports import require_free

ENDING = (signal.SIGINT, signal.SIGTERM)
OTHER_FILES = 256
"""Files that are open beside connections: the spool's, libraries, the brokers' sockets."""


def serve(settings: Settings, conf_dir: Path | None, host: str, port: int) -> None:
    """Serves until SIGTERM or Ctrl-C; then answers what is under way and hands the spool over.

    Raises UsageError when the port cannot be listened on.
    """
    require_free(host, port)
    app = make_app(settings, os.environ, conf_dir)
    _allow_connections(settings.collect.limits.max_connections)
    click.echo(f"The collector listens on http://{host}:{port}  (Ctrl-C ends it)")
    # Requests leave little in circles: looking for it less often gives a tenth more of them.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    Server(server_config(app, settings, host, port)).run()


def _allow_connections(count: int) -> None:
    """Lets the process have as many files open, where its shell allows fewer than it could."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + HEADROOM + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if most == resource.RLIM_INFINITY else min(needed, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


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


def server_config(app: object, settings: Settings, host: str, port: int) -> uvicorn.Config:
    """Returns how uvicorn serves the collector: bounds, log lines, no headers of its own."""
    limits = settings.collect.limits
    return ServerConfig(
        app,
        settings.collect,
        host=host,
        port=port,
        loop="uvloop",
        lifespan="on",
        access_log=False,
        log_config=service_logging(settings.logging),
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws_max_size=limits.max_body_bytes,
        timeout_keep_alive=ceil(limits.idle_seconds),
        timeout_graceful_shutdown=limits.shutdown_seconds,
    )
