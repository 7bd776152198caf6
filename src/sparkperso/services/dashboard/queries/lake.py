"""The lake as pages ask it: SQL of DataFusion over delta-rs, results kept by the tables' versions.

Columns that are not read cost nothing, and files that a condition on their smallest and largest
values rules out are not opened: a page that looks at four weeks reads four weeks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from sparkperso.core.columns import USER_ID
from sparkperso.core.errors import SparkpersoError
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.services.dashboard.queries.cache import ResultCache

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

Row = dict[str, Any]
log = logging.getLogger("sparkperso.dashboard")


class AbsentTable(Exception):
    """A table that nobody has written yet."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


class UnreadableLake(Exception):
    """Tables that are there and could not be read."""


@dataclass(frozen=True)
class Opened:
    """A table at one version."""

    delta: DeltaTable
    identity: tuple[str, str, int]
    """Name, the id that its creation gave it, version: a table made anew is another."""
    looked_at: float


class LakeTables:
    """Answers questions on a lake's tables. One object serves a process, from several threads."""

    def __init__(
        self,
        reader: LakeReader,
        cache: ResultCache,
        refresh_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reader, self.cache = reader, cache
        self._refresh, self._clock = refresh_seconds, clock
        self._opened: dict[str, Opened] = {}
        self._lock = Lock()

    def open(self, table: str) -> DeltaTable:
        """Returns a table; raises AbsentTable before its first write, UnreadableLake."""
        return self._open(table).delta

    def has(self, table: str) -> bool:
        """Says whether a table was written."""
        try:
            self._open(table)
        except AbsentTable:
            return False
        return True

    def columns(self, table: str) -> set[str]:
        """Returns the columns that a table has; raises AbsentTable."""
        return {field.name for field in self.open(table).schema().fields}

    def count(self, table: str) -> int:
        """Returns the rows of a table by its log; raises AbsentTable."""
        return int(self.open(table).count())

    def sql(self, text: str, **tables: str) -> pa.Table:
        """Returns what SQL of DataFusion gives; `tables` are names of it → tables of the lake.

        Every value in it is written by `literal`. Raises AbsentTable, UnreadableLake.
        """
        return self._answer(text, tables)

    def rows(self, text: str, **tables: str) -> list[Row]:
        """Returns the same as dictionaries, maps as dictionaries too."""
        return rows_of(self.sql(text, **tables))

    def select(
        self, table: str, columns: Sequence[str], where: str = "", order: str = "", limit: int = 0
    ) -> list[Row]:
        """Returns rows of a table with these columns, None for those that it does not have yet.

        Raises AbsentTable, UnreadableLake.
        """
        known = self.columns(table)
        taken = [name for name in columns if name in known]
        # Quoted: a column may be called as a word of SQL is.
        quoted = ", ".join(f'"{name}"' for name in taken)
        text = f"SELECT {quoted or '1'} FROM t"
        text += f" WHERE {where}" if where else ""
        text += f" ORDER BY {order}" if order else ""
        text += f" LIMIT {limit}" if limit else ""
        # DataFusion heeds no limit where no column is read.
        found = self.rows(text, t=table)[: limit or None]
        return [{name: row.get(name) for name in columns} for row in found]

    def kept(self, key: str, make: Callable[[], pa.Table], *tables: str) -> pa.Table:
        """Returns what `make` works out of tables, kept until one of them has a new version.

        Raises AbsentTable, UnreadableLake.
        """

        def ask() -> pa.Table:
            versions = tuple(self._open(table).identity for table in tables)
            return self.cache.get((key, versions), make)

        return self._tried(tables, ask)

    def of_user(self, table: str, columns: Sequence[str], user_id: str) -> list[Row]:
        """Returns the rows of one person, kept by nobody; none where the table is not there.

        The id is a value, never a text of SQL.
        """
        import pyarrow.compute as pc

        def read() -> list[Row]:
            known = self.columns(table)
            taken = [name for name in columns if name in known]
            dataset = self.open(table).to_pyarrow_dataset()
            found = rows_of(dataset.to_table(taken, filter=pc.field(USER_ID) == user_id))
            return [{name: row.get(name) for name in columns} for row in found]

        try:
            found: list[Row] = self._tried((table,), read)
            return found
        except AbsentTable:
            return []

    def _answer(self, text: str, tables: Mapping[str, str]) -> pa.Table:
        from deltalake import QueryBuilder

        def ask() -> Any:
            opened = {name: self._open(table) for name, table in tables.items()}
            key = (text, tuple((name, one.identity) for name, one in sorted(opened.items())))

            def make() -> Any:
                import pyarrow as pa

                builder = QueryBuilder()
                for name, one in opened.items():
                    builder = builder.register(name, one.delta)
                return pa.table(builder.execute(text))

            return self.cache.get(key, make)

        return self._tried(tuple(tables.values()), ask)

    def _tried(self, tables: tuple[str, ...], ask: Callable[[], Any]) -> Any:
        """Asks, and once more where files went meanwhile: by VACUUM, or a table made anew."""
        try:
            return ask()
        except (AbsentTable, UnreadableLake):
            raise
        except Exception:
            with self._lock:
                for table in tables:
                    self._opened.pop(table, None)
        try:
            return ask()
        except (AbsentTable, UnreadableLake):
            raise
        except Exception as error:
            log.exception("%s could not be read", ", ".join(tables))
            raise UnreadableLake(f"{', '.join(tables)}: {error}") from error

    def _open(self, table: str) -> Opened:
        now = self._clock()
        known = self._opened.get(table)
        if known is not None and now - known.looked_at < self._refresh:
            return known
        try:
            delta = self.reader.open(table)
        except SparkpersoError as error:
            raise UnreadableLake(str(error)) from error
        except Exception as error:
            raise UnreadableLake(f"{table}: {error}") from error
        if delta is None:
            with self._lock:
                self._opened.pop(table, None)
            raise AbsentTable(table)
        found = Opened(delta, (table, str(delta.metadata().id), delta.version()), now)
        with self._lock:
            self._opened[table] = found
        return found


def literal(value: str | int | float | date | datetime) -> str:
    """Returns a value as DataFusion reads it in SQL, where `'` alone ends a text.

    >>> literal("it's"), literal(date(2026, 3, 1))
    ("'it''s'", "date '2026-03-01'")
    """
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat()}'"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    if isinstance(value, str):
        quoted = value.replace("'", "''").replace("\0", "")
        return f"'{quoted}'"
    return repr(value)


def one_of(values: Sequence[str]) -> str:
    """Returns a list of texts for SQL's IN.

    >>> one_of(["a", "b"])
    "('a', 'b')"
    """
    return f"({', '.join(literal(value) for value in values)})"


def rows_of(table: pa.Table) -> list[Row]:
    """Returns the rows of an Arrow table; pyarrow gives a map as a list of pairs."""
    import pyarrow as pa

    maps = [field.name for field in table.schema if pa.types.is_map(field.type)]
    rows: list[Row] = table.to_pylist()
    for row in rows:
        row |= {name: dict(row[name]) for name in maps if row[name] is not None}
    return rows
