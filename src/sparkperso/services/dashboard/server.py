"""The dashboard on a port of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import click

from sparkperso.config import Settings
from sparkperso.services.dashboard.app import make_app
from sparkperso.services.http.header_timeout import ServerConfig
from sparkperso.services.http.process.open_files import allow_connections
from sparkperso.services.http.process.ports import require_free
from sparkperso.services.http.process.server import Server


def serve(settings: Settings, conf_dir: Path | None, host: str, port: int) -> None:
    """Serves until SIGTERM or Ctrl-C; raises UsageError when the port cannot be listened on."""
    require_free(host, port)
    app = make_app(settings, os.environ, conf_dir)
    allow_connections(settings.dashboard.limits.max_connections)
    click.echo(f"The dashboard listens on http://{host}:{port}  (Ctrl-C ends it)")
    if token := settings.security.service_token:
        click.echo(f"Sign in with the token {token}")
    Server(server_config(app, settings, host, port)).run()


def server_config(app: object, settings: Settings, host: str, port: int) -> ServerConfig:
    """Returns how uvicorn serves it: bounds, log lines, no headers of its own."""
    config = settings.dashboard
    return ServerConfig(
        app, config.limits, config.trusted_proxies, settings.logging, host=host, port=port
    )
