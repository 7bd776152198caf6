"""`sparkperso tables`: looks into the lake through delta-rs, without Spark."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from sparkperso.cli.options import with_settings
from sparkperso.config import Settings
from sparkperso.core.errors import UsageError
from sparkperso.core.terminal import literal, visible
from sparkperso.schemas import TABLES, TableSpec

if TYPE_CHECKING:
    from deltalake import DeltaTable

ORDERED_UP_TO = 2_000_000
"""Rows; a larger table is shown as it is stored unless --order-by asks for more."""

MAX_WIDE = 12
"""Columns; rows with more are shown one below the other, a line per column."""


@click.group("tables", help="Lists, describes and shows tables.")
def command() -> None:
    """Groups what can be asked about the tables."""


@command.command("list")
@with_settings
def list_tables(settings: Settings) -> None:
    """List the tables of the lake with their rows, version, size and grain."""
    require_paths(settings)
    lines = [("table", "rows", "version", "size", "one row is")]
    lines += [(name, *_figures(settings, name), spec.grain) for name, spec in TABLES.items()]
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    for name, rows, version, size, grain in lines:
        figures = f"{rows:>{widths[1]}}  {version:>{widths[2]}}  {size:>{widths[3]}}"
        click.echo(f"{name:<{widths[0]}}  {figures}  {grain}")


@command.command("describe")
@click.argument("table")
@with_settings
def describe(settings: Settings, table: str) -> None:
    """Say what a table holds: grain, key, writer; type, meaning and unit of each column."""
    spec = spec_of(table)
    require_paths(settings)
    rows, version, size = _figures(settings, table)
    click.echo(f"{table}: {spec.grain}")
    click.echo(f"  key {', '.join(spec.key) or 'none'}; written by {spec.writer}")
    click.echo(f"  rows {rows}, version {version}, size {size}")
    width = max(len(name) for name in spec.column_names)
    for column in spec.columns:
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
    rows = select(settings, table, where, limit, order_by)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, default=str, ensure_ascii=False))
    else:
        print_rows = _print_table if len(rows[0] if rows else ()) <= MAX_WIDE else _print_records
        print_rows(rows)
        click.echo(f"{len(rows)} rows")


def spec_of(table: str) -> TableSpec:
    """Returns the schema of a logical name; raises UsageError with the nearest names."""
    if table in TABLES:
        return TABLES[table]
    short_name = table.rsplit("/", maxsplit=1)[-1]
    by_short_name = [name for name in TABLES if name.endswith(f"/{short_name}")]
    near = by_short_name or get_close_matches(table, TABLES, n=3, cutoff=0.5)
    raise UsageError(
        "A table is named <layer>/<table>, as 'sparkperso tables list' shows",
        f"There is no '{table}'",
        f"Did you mean {' or '.join(near)}?" if near else "Name one of that list",
    )


def require_paths(settings: Settings) -> None:
    """Raises UsageError when the tables are in a catalog, which only its platform can read."""
    if settings.lake.catalog:
        raise UsageError(
            "'sparkperso tables' reads a lake of files (lake.root)",
            f"The tables of this environment are in the catalog '{settings.lake.catalog}'",
            "Ask the catalog's own SQL, or name a folder with --env local --lake FOLDER",
        )


def open_table(settings: Settings, table: str) -> DeltaTable | None:
    """Returns a table of the lake, None before its first write."""
    from deltalake import DeltaTable

    place = f"{settings.lake.root}/{table}"
    return DeltaTable(place) if DeltaTable.is_deltatable(place) else None


def select(
    settings: Settings, table: str, where: str | None, limit: int, order_by: str | None
) -> list[dict[str, Any]]:
    """Returns rows as dictionaries; raises UsageError for no such table or unusable SQL."""
    from deltalake import QueryBuilder

    spec = spec_of(table)
    require_paths(settings)
    found = open_table(settings, table)
    if found is None:
        raise UsageError(
            f"{table} should be in {settings.lake.root}",
            "It has not been written yet",
            f"Run 'sparkperso {spec.writer.split(',')[0]}' or 'sparkperso demo' first",
        )
    order = order_by or (", ".join(spec.key) if found.count() <= ORDERED_UP_TO else "")
    sql = f"SELECT * FROM this{f' WHERE {where}' if where else ''}"
    sql += f"{f' ORDER BY {order}' if order else ''} LIMIT {limit}"
    try:
        return _rows(QueryBuilder().register("this", found).execute(sql))
    except Exception as error:
        raise UsageError(f"{table} should answer {sql}", _one_line(str(error))) from None


def _rows(reader: Any) -> list[dict[str, Any]]:
    import pyarrow as pa

    table = pa.table(reader)
    maps = [f.name for f in table.schema if pa.types.is_map(f.type)]
    return [{**row, **{name: _mapping(row[name]) for name in maps}} for row in table.to_pylist()]


def _mapping(entries: list[tuple[Any, Any]] | None) -> dict[Any, Any] | None:
    return None if entries is None else dict(entries)


def _figures(settings: Settings, name: str) -> tuple[str, str, str]:
    found = open_table(settings, name)
    if found is None:
        return "-", "-", "-"
    sizes = found.get_add_actions(flatten=True)["size_bytes"].to_pylist()
    return f"{found.count():,}", str(found.version()), _size(sum(sizes))


def _size(n_bytes: float) -> str:
    units = ["B", "kB", "MB", "GB", "TB"]
    while n_bytes >= 1000 and len(units) > 1:
        n_bytes, units = n_bytes / 1000, units[1:]
    return f"{n_bytes:.3g} {units[0]}"


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(literal(name))
    for row in rows:
        table.add_row(*(literal(_cell(value)) for value in row.values()))
    if rows:
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


def _one_line(text: str) -> str:
    return " ".join(text.split())
