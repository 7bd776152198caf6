"""Tables of a lake read without Spark, through delta-rs: for what only looks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparkperso.config.platform import LakeConfig
from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.places import local_path
from sparkperso.core.suggest import nearest_few
from sparkperso.schemas import TABLES, TableSpec

if TYPE_CHECKING:
    from deltalake import DeltaTable

ORDERED_UP_TO = 2_000_000
"""Rows; a larger table is read as it is stored unless an order is asked for."""


@dataclass(frozen=True)
class TableSize:
    """How large a table is at its latest version."""

    n_rows: int
    version: int
    n_bytes: int
    """Of the files of this version."""


class LakeReader:
    """Reads the tables of a lake of files. Raises UsageError for one that lies in a catalog.

    Through delta-rs: it reads what Spark writes, and needs no Java.
    """

    def __init__(self, lake: LakeConfig) -> None:
        if lake.catalog:
            raise UsageError(
                "Without Spark a lake of files is read (lake.root)",
                f"The tables of this environment are in the catalog '{lake.catalog}'",
                "Ask the catalog's own SQL, or name a folder with --env local --lake FOLDER",
            )
        self._root = lake.root

    @property
    def root(self) -> str:
        """Returns the folder or URI of the lake."""
        return self._root

    def open(self, table: str) -> DeltaTable | None:
        """Returns a table of the lake, None before its first write.

        Raises JobError for one in a folder of this machine that this user may not read.
        """
        # Here: the extension takes longer to load than the other commands to run.
        from deltalake import DeltaTable

        place = f"{self._root}/{table}"
        if DeltaTable.is_deltatable(place):
            return DeltaTable(place)
        _require_readable(table, place)
        return None

    def require(self, table: str) -> DeltaTable:
        """Returns a table of the lake; raises UsageError before its first write."""
        spec, delta = spec_of(table), self.open(table)
        if delta is None:
            raise UsageError(
                f"{table} should be in {self._root}",
                "It has not been written yet",
                f"Run {_writer_of(spec)} first",
            )
        return delta

    def count(self, table: str, version: int | None) -> int:
        """Returns the number of rows of a version by the table's log; 0 before its first write."""
        from deltalake import DeltaTable

        if version is None:
            return 0
        return int(DeltaTable(f"{self._root}/{table}", version=version).count())

    def size(self, table: str) -> TableSize | None:
        """Returns how large a table is, None before its first write."""
        delta = self.open(table)
        if delta is None:
            return None
        sizes = delta.get_add_actions(flatten=True)["size_bytes"].to_pylist()
        return TableSize(delta.count(), delta.version(), sum(sizes))

    def select(
        self, table: str, where: str | None = None, limit: int = 20, order_by: str | None = None
    ) -> list[dict[str, Any]]:
        """Returns up to `limit` rows as dictionaries, maps as dictionaries too.

        `where` and `order_by` are SQL of DataFusion. Rows come in the order of the table's key, of
        a table of over `ORDERED_UP_TO` rows as it is stored. Raises UsageError for a table that is
        not there, and for SQL that cannot be used.
        """
        from deltalake import QueryBuilder

        spec, delta = spec_of(table), self.require(table)
        order = order_by or (", ".join(spec.key) if delta.count() <= ORDERED_UP_TO else "")
        sql = f"SELECT * FROM this{f' WHERE {where}' if where else ''}"
        sql += f"{f' ORDER BY {order}' if order else ''} LIMIT {limit}"
        try:
            return _rows(QueryBuilder().register("this", delta).execute(sql))
        except Exception as error:
            words = " ".join(str(error).split())
            raise UsageError(f"{table} should answer {sql}", words) from None

    def query(self, sql: str, table: str = "silver/events") -> list[dict[str, Any]]:
        """Returns the rows of a query of DataFusion's SQL over one table, named without its layer.

        Raises UsageError for a table that is not there.
        """
        from deltalake import QueryBuilder

        name = table.rpartition("/")[2]
        return _rows(QueryBuilder().register(name, self.require(table)).execute(sql))


def _require_readable(table: str, place: str) -> None:
    """Raises JobError for a folder that delta-rs takes for none, since it may not look into it."""
    folder = local_path(place)
    if folder is None:
        return
    try:
        os.scandir(f"{folder}/_delta_log").close()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise JobError(
            f"{table} should be readable",
            f"{os.path.abspath(folder)}: {error.strerror}",
            "Look as the user that writes the lake, or let this one read its folders",
        ) from None


def _writer_of(spec: TableSpec) -> str:
    """Returns the commands that write a table; its `writer` may be a list, or no command."""
    writer = spec.writer.split(",")[0]
    return f"'sparkperso {writer}' or 'sparkperso demo'" if "every" not in writer else "any job"


def spec_of(table: str) -> TableSpec:
    """Returns the schema of a logical name; raises UsageError with the nearest names.

    >>> spec_of("silver/events").name
    'silver/events'
    """
    if table in TABLES:
        return TABLES[table]
    short_name = table.rsplit("/", maxsplit=1)[-1]
    by_short_name = [name for name in TABLES if name.endswith(f"/{short_name}")]
    near = by_short_name or nearest_few(table, TABLES, 3, 0.5)
    raise UsageError(
        "A table is named <layer>/<table>, as 'sparkperso tables list' shows",
        f"There is no '{table}'",
        f"Did you mean {' or '.join(near)}?" if near else "Name one of that list",
    )


def _rows(reader: Any) -> list[dict[str, Any]]:
    import pyarrow as pa

    table = pa.table(reader)
    maps = [f.name for f in table.schema if pa.types.is_map(f.type)]
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        # pyarrow gives a map as a list of pairs.
        row |= {name: dict(row[name]) for name in maps if row[name] is not None}
    return rows
