"""`sparkperso dashboard`: pages on the lake for people, on a port of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from sparkperso.cli.options import DEBUG, SETTINGS_OPTIONS, with_options
from sparkperso.config import load_settings


@click.command("dashboard", help="Shows what ran and what it brought, as pages in a browser.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8100, show_default=True, type=click.IntRange(1, 65535))
@with_options((*SETTINGS_OPTIONS, DEBUG))
def command(
    *,
    host: str,
    port: int,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: tuple[str, ...],
) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    # Here: other commands need not have the extra `serve`.
    from sparkperso.services.dashboard.server import serve

    serve(load_settings(env, conf_dir, assignments, lake), conf_dir, host, port)
