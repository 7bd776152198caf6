"""The API on a port of this machine: workers that answer, and who starts them again."""

from __future__ import annotations

import click
from starlette.types import ASGIApp

from sparkperso.config import Settings
from sparkperso.core.errors import UsageError
from sparkperso.services.http.header_timeout import ServerConfig
from sparkperso.services.http.process.open_files import allow_connections
from sparkperso.services.http.process.ports import require_free
from sparkperso.services.http.process.shared_metrics import metrics_folder
from sparkperso.services.http.process.supervisor import Supervisor
from sparkperso.services.serve.app import AppFactory
from sparkperso.services.serve.metrics import PREFIX
from sparkperso.services.triggers.beside import DispatcherProcess
from sparkperso.services.triggers.definitions import load_triggers


def serve(factory: AppFactory, host: str, port: int, workers: int) -> None:
    """Serves until SIGTERM or Ctrl-C; then answers what is under way.

    A worker that dies, as of a file that was cut off while it was mapped (SIGBUS), is started
    again, and reads the last version that is whole. SIGHUP reads the configuration anew, and
    replaces all workers, one after the other. Beside them a process delivers what triggers fire,
    where there are any. Raises UsageError when the port cannot be listened on, ConfigError as the
    application does, which each worker makes for itself, and for triggers that are not sound.
    """
    require_free(host, port)
    if factory.grpc is not None:
        require_free(*factory.grpc, "--grpc-port")
        if factory.grpc.port == port:
            # The system would let both listen, and give a connection to either.
            raise UsageError(
                "HTTP and gRPC should have a port each",
                f"Both --port and --grpc-port are {port}",
                "Name another port with --grpc-port",
            )
    config = server_config(factory, factory.settings(), host, port)
    allow_connections(config.limits.max_connections)
    also = f", gRPC on {factory.grpc}" if factory.grpc else ""
    line = f"The API listens on http://{host}:{port}{also}  (Ctrl-C ends it)"
    with (
        metrics_folder(PREFIX) as metrics,
        DispatcherProcess(lambda pid: metrics.take_over(pid, None)) as dispatcher,
    ):

        def make_config() -> ServerConfig:
            settings = factory.settings()
            triggers = load_triggers(settings, factory.environ, factory.conf_dir)
            dispatcher.use(settings, triggers)
            return server_config(factory, settings, host, port)

        Supervisor(
            make_config,
            [config.bind_socket()],
            workers,
            on_ready=lambda: click.echo(line),
            on_end=lambda worker: metrics.take_over(worker.pid, worker.cause or "unknown"),
        ).run()


def server_config(
    app: ASGIApp | AppFactory, settings: Settings, host: str, port: int
) -> ServerConfig:
    """Returns how uvicorn serves the API: bounds, log lines, no headers of its own."""
    return ServerConfig(
        app,
        settings.api.limits,
        settings.api.trusted_proxies,
        settings.logging,
        settings.api.drain_seconds,
        factory=isinstance(app, AppFactory),
        host=host,
        port=port,
    )
