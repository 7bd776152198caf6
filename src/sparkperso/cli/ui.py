"""`sparkperso ui`: MLflow's pages on the lake's runs, on this machine only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from sparkperso.cli.options import with_settings
from sparkperso.config import Settings
from sparkperso.core.errors import UsageError
from sparkperso.core.places import uri_of
from sparkperso.platform.artifacts import follow_lake
from sparkperso.services.http.process.ports import require_free


@click.command("ui", help="Starts MLflow's pages on the lake's runs.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@with_settings
def command(settings: Settings, host: str, port: int) -> None:
    """Replaces this process by MLflow's server; Ctrl-C ends it."""
    line = server_line(settings, host, port)
    require_free(host, port)
    click.echo(f"MLflow's pages: http://{host}:{port}  (Ctrl-C ends them)")
    # In the place of this process, so that Ctrl-C and signals reach the server itself.
    sys.stdout.flush()
    os.execv(line[0], line)


def server_line(settings: Settings, host: str, port: int) -> list[str]:
    """Returns the command that serves the runs; raises UsageError when there is nothing."""
    uri = settings.tracking_uri
    if not uri.startswith("sqlite:///"):
        raise UsageError(
            "'sparkperso ui' serves a SQLite file of runs",
            f"tracking.uri is '{uri}', a server of its own",
            "Open that address",
        )
    database = Path(uri.removeprefix("sqlite:///")).resolve()
    if not database.is_file():
        raise UsageError(
            f"The runs should be in {database}",
            "There is no such file: nothing was recorded in this lake yet",
            "Run 'sparkperso demo' first, or name another lake with --lake",
        )
    root = uri_of(settings.artifact_root or "")
    follow_lake(database, root)
    return [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        *("--host", host, "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{database}", "--artifacts-destination", root),
    ]
