"""The collector on a port of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import click

from sparkperso.config import Settings
from sparkperso.services.collect.app import make_app
from sparkperso.services.http.header_timeout import ServerConfig
from sparkperso.services.http.process.open_files import allow_connections
from sparkperso.services.http.process.ports import require_free
from sparkperso.services.http.process.server import Server, collect_rarely


def serve(settings: Settings, conf_dir: Path | None, host: str, port: int) -> None:
    """Serves until SIGTERM or Ctrl-C; then answers what is under way and hands the spool over.

    Raises UsageError when the port cannot be listened on.
    """
    require_free(host, port)
    app = make_app(settings, os.environ, conf_dir)
    allow_connections(settings.collect.limits.max_connections)
    click.echo(f"The collector listens on http://{host}:{port}  (Ctrl-C ends it)")
    collect_rarely()
    Server(server_config(app, settings, host, port)).run()


def server_config(app: object, settings: Settings, host: str, port: int) -> ServerConfig:
    """Returns how uvicorn serves the collector: bounds, log lines, no headers of its own."""
    config = settings.collect
    return ServerConfig(
        app, config.limits, config.trusted_proxies, settings.logging, host=host, port=port
    )
