"""`sparkperso tokens`: makes browser tokens, for trying the API out and for support."""

from __future__ import annotations

import os

import click

from sparkperso.cli.options import with_settings
from sparkperso.config import Settings
from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.services.access.browser_tokens import make_browser_tokens


@click.group("tokens", help="Makes short-lived tokens for pages.")
def command() -> None:
    """Groups what can be done with tokens."""


@command.command("new")
@click.option("--user", metavar="ID", help="User whose pages it is for.")
@click.option("--visitor", metavar="ID", help="Anonymous id of a visitor instead.")
@with_settings
def new(settings: Settings, *, user: str | None, visitor: str | None) -> None:
    """Print a token that reads what is one user's, or one visitor's, for some minutes."""
    if (user is None) == (visitor is None):
        raise UsageError("tokens new takes one of --user and --visitor")
    config = settings.security.browser
    maker = make_browser_tokens(config, settings.env, os.environ)
    if maker is None:
        raise ConfigError(
            f"{config.key_env} should hold the secret that browser tokens are signed with",
            "It is not set",
            f"Set it, or {config.key_env}_FILE to a file that holds it (openssl rand -hex 32)",
        )
    click.echo(maker.issue(user_id=user, anonymous_id=visitor).text)
