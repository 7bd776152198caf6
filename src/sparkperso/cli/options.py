"""Options that every command shares: which settings, which lake."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from sparkperso.config import load_settings

Decorator = Callable[..., Any]

ENV = click.option("--env", default="local", show_default=True, help="Overlay of conf/ to use.")
CONF_DIR = click.option(
    "--conf-dir", type=click.Path(path_type=Path), help="A conf/ folder over the shipped one."
)
SET = click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One setting.")
LAKE = click.option("--lake", help="Root folder or URI of the tables (lake.root).")
WITHOUT_LAKE: tuple[Decorator, ...] = (ENV, CONF_DIR, SET)
SETTINGS_OPTIONS: tuple[Decorator, ...] = (ENV, CONF_DIR, LAKE, SET)
DEBUG: Decorator = click.option(
    "--debug", is_flag=True, expose_value=False, help="Show tracebacks."
)


def with_options(options: Sequence[Decorator]) -> Decorator:
    """Returns a decorator that adds click options, shown in the order given.

    click puts the last decorator first; they are applied in reverse for that.
    """
    return lambda function: functools.reduce(lambda f, o: o(f), reversed(options), function)


def with_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that name the settings, and calls `function` with the Settings first."""

    @functools.wraps(function)
    def call(
        env: str, conf_dir: Path | None, lake: str | None, assignments: Sequence[str], **rest: Any
    ) -> Any:
        return function(load_settings(env, conf_dir, assignments, lake), **rest)

    decorated: Callable[..., Any] = with_options((*SETTINGS_OPTIONS, DEBUG))(call)
    return decorated
