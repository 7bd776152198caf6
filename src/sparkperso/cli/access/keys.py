"""`sparkperso keys`: makes API keys, of which the configuration holds the hash alone."""

from __future__ import annotations

import re
from typing import Any

import click
import yaml

from sparkperso.cli.options import DEBUG
from sparkperso.config.security import NAME, SCOPES
from sparkperso.core.errors import UsageError
from sparkperso.services.access.api_keys import new_key


@click.group("keys", help="Makes API keys for servers.")
def command() -> None:
    """Groups what can be done with keys."""


@command.command("new")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(sorted(SCOPES)),
    help="What its holder may do; several are repeated.",
)
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Requests per second.")
@DEBUG
def new(name: str, scopes: tuple[str, ...], rate: float | None) -> None:
    """Print a new key, this once, and the lines that let the API know it. Nothing is written."""
    if not re.fullmatch(NAME, name):
        raise UsageError(
            "A key's name is of a-z, 0-9, - and _, at most 64 characters", f"Found {name[:70]!r}"
        )
    key = new_key()
    entry: dict[str, Any] = {"id": key.id, "sha256": key.sha256, "scopes": [*dict.fromkeys(scopes)]}
    if rate is not None:
        entry["requests_per_second"] = rate
    lines = {"security": {"api_keys": {name: entry}}}
    click.echo(f"The key, shown this once: {key.text}\n")
    click.echo("For conf/<env>/security.yaml, which holds its hash, and no secret:\n")
    click.echo(yaml.safe_dump(lines, sort_keys=False), nl=False)
