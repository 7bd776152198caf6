"""The API on a port of this machine: workers that answer, and who starts them again."""

from __future__ import annotations

import click
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from sparkperso.config import Settings
from sparkperso.services.http.header_timeout import ServerConfig
from sparkperso.services.http.process.open_files import allow_connections
from sparkperso.services.http.process.ports import require_free
from sparkperso.services.serve.app import AppFactory

STARTING_SECONDS = 60
"""A worker that does not answer its supervisor for so long is taken for dead, also one that starts:
on a busy machine imports alone take longer than uvicorn's five seconds; none would ever start."""


def serve(factory: AppFactory, settings: Settings, host: str, port: int, workers: int) -> None:
    """Serves until SIGTERM or Ctrl-C; then answers what is under way.

    A worker that dies, as of a file that was cut off while it was mapped (SIGBUS), is started
    again, and reads the last version that is whole. SIGHUP starts all anew, one after the other.
    Raises UsageError when the port cannot be listened on, ConfigError as the application does.
    """
    require_free(host, port)
    # Here, so that what is wrong with the configuration is said once, and before anybody listens.
    factory()
    config = server_config(factory, settings, host, port, workers)
    allow_connections(settings.api.limits.max_connections)
    click.echo(f"The API listens on http://{host}:{port}  (Ctrl-C ends it)")
    sockets = [config.bind_socket()]
    Multiprocess(config, sockets=sockets).run()


def server_config(
    app: ASGIApp | AppFactory, settings: Settings, host: str, port: int, workers: int = 1
) -> ServerConfig:
    """Returns how uvicorn serves the API: bounds, log lines, no headers of its own."""
    return ServerConfig(
        app,
        settings.api.limits,
        settings.api.trusted_proxies,
        settings.logging,
        factory=isinstance(app, AppFactory),
        host=host,
        port=port,
        workers=workers,
        timeout_worker_healthcheck=STARTING_SECONDS,
    )
