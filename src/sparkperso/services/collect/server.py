"""The collector on a port of this machine."""

from __future__ import annotations

import gc
import os
from math import ceil
from pathlib import Path

import click
import uvicorn

from sparkperso.config import Settings
from sparkperso.services.collect.app import make_app
from sparkperso.services.http.header_timeout import ServerConfig
from sparkperso.services.http.logs import service_logging
from sparkperso.services.http.open_files import allow_connections
from sparkperso.services.http.ports import require_free
from sparkperso.services.http.server import Server


def serve(settings: Settings, conf_dir: Path | None, host: str, port: int) -> None:
    """Serves until SIGTERM or Ctrl-C; then answers what is under way and hands the spool over.

    Raises UsageError when the port cannot be listened on.
    """
    require_free(host, port)
    app = make_app(settings, os.environ, conf_dir)
    allow_connections(settings.collect.limits.max_connections)
    click.echo(f"The collector listens on http://{host}:{port}  (Ctrl-C ends it)")
    # Requests leave little in circles: looking for it less often gives a tenth more of them.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    Server(server_config(app, settings, host, port)).run()


def server_config(app: object, settings: Settings, host: str, port: int) -> uvicorn.Config:
    """Returns how uvicorn serves the collector: bounds, log lines, no headers of its own."""
    limits = settings.collect.limits
    return ServerConfig(
        app,
        limits,
        settings.collect.trusted_proxies,
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
