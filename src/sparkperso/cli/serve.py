"""`sparkperso serve`: the personalisation API on a port of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import click

from sparkperso.cli.options import DEBUG, SETTINGS_OPTIONS, with_options


@click.command("serve", help="Answers who is to see what, from the published store.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--grpc-port", type=click.IntRange(1, 65535), help="Answers gRPC there too; without it not."
)
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes."
)
@click.option("--store", type=click.Choice(["lmdb", "redis"]), help="store.kind.")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def command(
    *,
    host: str,
    port: int,
    grpc_port: int | None,
    workers: int,
    store: str | None,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: tuple[str, ...],
) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    # Here: other commands need not have the extra `serve`.
    from sparkperso.services.serve.app import AppFactory
    from sparkperso.services.serve.rpc.server import Address
    from sparkperso.services.serve.server import serve

    more = (*assignments, *((f"store.kind={store}",) if store else ()))
    grpc = None if grpc_port is None else Address(host, grpc_port)
    factory = AppFactory(env, conf_dir, more, lake, dict(os.environ), grpc)
    serve(factory, host, port, workers)
