"""`sparkperso collect`: the collector on a port of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from sparkperso.cli.options import DEBUG, SETTINGS_OPTIONS, with_options
from sparkperso.config import load_settings
from sparkperso.services.collect.server import serve

DEMO = (
    "collect.sites.demo.write_key=demo-key",
    "collect.sites.demo.server_key=demo-server-key",
    "collect.sites.demo.consent=required",
    'collect.sites.demo.origins=["http://127.0.0.1:*", "http://localhost:*"]',
)
"""The site of the demo's shop: its keys are public, and its people are asked."""


@click.command("collect", help="Takes events over HTTP and WebSocket into the spool or Kafka.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option("--sink", type=click.Choice(["spool", "kafka"]), help="collect.sink.")
@click.option("--demo", is_flag=True, help="Serve the demo shop too.")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def command(
    *,
    host: str,
    port: int,
    sink: str | None,
    demo: bool,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: tuple[str, ...],
) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    more = (*assignments, *((f"collect.sink={sink}",) if sink else ()), *(DEMO if demo else ()))
    settings = load_settings(env, conf_dir, more, lake)
    serve(settings, conf_dir, host, port)
