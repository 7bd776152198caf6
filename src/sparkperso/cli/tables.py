"""`sparkperso tables`: looks into the lake through delta-rs, without Spark."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from sparkperso.cli.options import DEBUG, SETTINGS_OPTIONS, with_options, with_settings
from sparkperso.config import Settings, load_settings
from sparkperso.config.own_features import load_own_features
from sparkperso.core.terminal import literal, visible
from sparkperso.platform.lake_reader import LakeReader, spec_of
from sparkperso.schemas import TABLES
from sparkperso.schemas.features import columns_of

MAX_WIDE = 12
"""Columns; rows with more are shown one below the other, a line per column."""


@click.group("tables", help="Lists, describes and shows tables.")
def command() -> None:
    """Groups what can be asked about the tables."""


@command.command("list")
@with_settings
def list_tables(settings: Settings) -> None:
    """List the tables of the lake with their rows, version, size and grain."""
    lake = LakeReader(settings.lake)
    lines = [("table", "rows", "version", "size", "one row is")]
    lines += [(name, *_figures(lake, name), spec.grain) for name, spec in TABLES.items()]
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    for name, rows, version, size, grain in lines:
        figures = f"{rows:>{widths[1]}}  {version:>{widths[2]}}  {size:>{widths[3]}}"
        click.echo(f"{name:<{widths[0]}}  {figures}  {grain}")


@command.command("describe")
@click.argument("table")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def describe(
    env: str, conf_dir: Path | None, lake: str | None, assignments: Sequence[str], table: str
) -> None:
    """Say what a table holds: grain, key, writer; type, meaning and unit of each column."""
    spec = spec_of(table)
    own = columns_of(table, load_own_features(conf_dir))
    settings = load_settings(env, conf_dir, assignments, lake)
    rows, version, size = _figures(LakeReader(settings.lake), table)
    click.echo(f"{table}: {spec.grain}")
    click.echo(f"  key {', '.join(spec.key) or 'none'}; written by {spec.writer}")
    click.echo(f"  rows {rows}, version {version}, size {size}")
    columns = (*spec.columns, *own)
    width = max(len(column.name) for column in columns)
    for column in columns:
        unit = f" [{column.unit}]" if column.unit else ""
        kind = column.type + ("" if column.nullable else " not null")
        click.echo(f"  {column.name:<{width}}  {column.meaning}{unit}; {kind}")


@command.command("show")
@click.argument("table")
@click.option("--where", metavar="SQL", help='Only rows that match, such as "rank <= 3".')
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--order-by", metavar="SQL", help="Default: the key; a large table as it is stored.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@with_settings
def show(
    settings: Settings,
    *,
    table: str,
    where: str | None,
    limit: int,
    order_by: str | None,
    as_json: bool,
) -> None:
    """Show rows of a table."""
    rows = LakeReader(settings.lake).select(table, where, limit, order_by)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, default=str, ensure_ascii=False))
    else:
        print_rows = _print_table if len(rows[0] if rows else ()) <= MAX_WIDE else _print_records
        print_rows(rows)
        click.echo(f"{len(rows)} rows")


def _figures(lake: LakeReader, table: str) -> tuple[str, str, str]:
    size = lake.size(table)
    if size is None:
        return "-", "-", "-"
    return f"{size.n_rows:,}", str(size.version), _size(size.n_bytes)


def _size(n_bytes: float) -> str:
    units = ["B", "kB", "MB", "GB", "TB"]
    while n_bytes >= 1000 and len(units) > 1:
        n_bytes, units = n_bytes / 1000, units[1:]
    return f"{n_bytes:.3g} {units[0]}"


def _print_table(rows: list[dict[str, Any]]) -> None:
    # Here, since other commands draw no table and are to start at once.
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(literal(name))
    for row in rows:
        table.add_row(*(literal(_cell(value)) for value in row.values()))
    if rows:
        # In a pipe there is no terminal to fit: 160 characters show most tables whole.
        Console(width=None if sys.stdout.isatty() else 160).print(table)


def _print_records(rows: list[dict[str, Any]]) -> None:
    width = max(map(len, rows[0]))
    for row in rows:
        for name, value in row.items():
            click.echo(visible(f"{name:<{width}}  {_cell(value)}"))
        click.echo()


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "seconds")
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False)
    return "" if value is None else str(value)
