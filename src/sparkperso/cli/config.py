"""`sparkperso config`: the effective configuration, and where each value came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from sparkperso.cli.config_check import Check
from sparkperso.cli.options import DEBUG, SETTINGS_OPTIONS, WITHOUT_LAKE, with_options
from sparkperso.config.layers import Flat
from sparkperso.config.load import read_flat, settings_from
from sparkperso.config.secret import masked
from sparkperso.core.errors import ConfigError

LONG = 60


@click.group("config", help="Shows and checks the configuration.")
def command() -> None:
    """Groups what can be asked about the configuration."""


@command.command("show")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def show(env: str, conf_dir: Path | None, lake: str | None, assignments: Sequence[str]) -> None:
    """Print every setting as YAML, with the layer that each value came from; secrets masked."""
    flat = read_flat(env, conf_dir, assignments, lake)
    tree = settings_from(flat, env).model_dump(mode="json")
    click.echo("\n".join(render(tree, flat)))


@command.command("check")
@with_options((*WITHOUT_LAKE, DEBUG))
def check(env: str, conf_dir: Path | None, assignments: Sequence[str]) -> None:
    """Look for faults in settings, search space, segments, sources, plans, rules and mails.

    Lines with ! are faults (exit status 2); those with · may be meant.
    """
    found = Check(env, conf_dir, assignments)
    found.run()
    for note in found.notes:
        click.echo(f"· {note}")
    for fault in found.faults:
        click.echo(f"! {fault}")
    if found.faults:
        n = len(found.faults)
        raise ConfigError(
            f"The configuration of '{env}' should be sound",
            f"It has {n} fault{'s' if n > 1 else ''}, named above",
        )
    counted = ", ".join(f"{n} {name}" for name, n in found.counts.items())
    click.echo(f"The configuration of '{env}' is sound: settings, {counted}")


def render(tree: Mapping[str, Any], flat: Flat) -> Iterator[str]:
    """Yields the lines of a YAML document; a comment behind each value names its layer."""
    lines = list(_lines(tree, (), flat))
    # Comments stand in one column, but for values that are longer than LONG.
    width = min(max(len(text) for text, layer in lines if layer), LONG)
    for text, layer in lines:
        yield f"{text:<{width}}  # {layer}" if layer else text


def _lines(
    tree: Mapping[str, Any], above: tuple[str, ...], flat: Flat
) -> Iterator[tuple[str, str]]:
    indent = "  " * len(above)
    for key, value in tree.items():
        keys, label = (*above, key), f"{indent}{_yaml(key)}:"
        if isinstance(value, dict) and value:
            yield label, ""
            yield from _lines(value, keys, flat)
            continue
        text = _yaml(masked(keys, value))
        if isinstance(value, list) and len(text) > LONG:
            yield label, _layer(keys, flat)
            yield from ((f"{indent}  - {_yaml(item)}", "") for item in value)
        else:
            yield f"{label} {text}", _layer(keys, flat)


def _layer(keys: tuple[str, ...], flat: Flat) -> str:
    if keys == ("env",):
        return "--env"
    return flat[keys].layer if keys in flat else "default"


def _yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
