"""Rows that were added to a Delta table, version by version, and rows added to one; without Spark.

Through delta-rs, for services that follow a table or leave a few rows behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sparkperso.core.errors import JobError
from sparkperso.platform.lake_reader import LakeReader, spec_of
from sparkperso.schemas import TableSpec

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

Row = dict[str, Any]
PIECE = 40_000
"""Rows that are handed over at once: who takes them may have to read a table for each piece."""


class FeedError(JobError):
    """What a version added cannot be read, or not any more (exit status 1)."""


class Place(NamedTuple):
    """A version of one table: one that was dropped and made anew is another table."""

    table_id: str
    version: int


class TableFeed:
    """Follows a table that keeps Delta's change data feed."""

    def __init__(self, lake: LakeReader, table: str) -> None:
        self._lake, self._table = lake, table
        self._delta: DeltaTable | None = None

    def latest(self) -> Place | None:
        """Returns where the table is now; None before its first write."""
        self._delta = self._lake.open(self._table)
        if self._delta is None:
            return None
        return Place(str(self._delta.metadata().id), self._delta.version())

    def added(self, version: int) -> Iterator[list[Row]]:
        """Yields the rows that a version added, in pieces; none that it only moved or removed.

        Raises FeedError where that cannot be read: its log has it only for so long.
        """
        import pyarrow as pa

        assert self._delta is not None, "latest comes first"
        try:
            batches = iter(pa.RecordBatchReader.from_stream(self._delta.load_cdf(version, version)))
        except Exception as error:
            raise self._failure(version, error) from None
        found: list[Row] = []
        while True:
            # Only what reads: an error of who takes the rows is theirs.
            try:
                batch = next(batches, None)
                rows: list[Row] = batch.to_pylist() if batch is not None else []
            except Exception as error:
                raise self._failure(version, error) from None
            found += [row for row in rows if row["_change_type"] == "insert"]
            if found and (batch is None or len(found) >= PIECE):
                yield found
                found = []
            if batch is None:
                return

    def _failure(self, version: int, error: Exception) -> FeedError:
        words = " ".join(str(error).split())
        return FeedError(f"{self._table} should tell what its version {version} added", words)


def read_rows(
    lake: LakeReader, table: str, column: str, values: Sequence[str], columns: Sequence[str]
) -> list[Row]:
    """Returns the rows whose `column` is one of `values`; none before the table's first write."""
    import pyarrow.dataset as ds

    delta = lake.open(table)
    if delta is None:
        return []
    rows = delta.to_pyarrow_dataset().to_table(
        columns=list(columns), filter=ds.field(column).isin(list(values))
    )
    maps = [field.name for field in rows.schema if str(field.type).startswith("map<")]
    found: list[Row] = rows.to_pylist()
    for row in found:
        # pyarrow gives a map as a list of pairs.
        row |= {name: dict(row[name] or ()) for name in maps}
    return found


def add_rows(lake: LakeReader, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds rows to a table, but for those whose key it has; makes the table where there is none.

    Raises JobError where it cannot be written.
    """
    import pyarrow as pa
    from deltalake import DeltaTable

    spec = spec_of(table)
    schema = _schema(spec)
    try:
        delta = lake.open(table) or DeltaTable.create(
            f"{lake.root}/{table}", schema, mode="ignore", description=spec.grain
        )
        same = " AND ".join(f"t.`{name}` = s.`{name}`" for name in spec.key)
        source = pa.Table.from_pylist([dict(row) for row in rows], schema)
        merger = delta.merge(source, same, source_alias="s", target_alias="t")
        merger.when_not_matched_insert_all().execute()
    except JobError:
        raise
    except Exception as error:
        words = " ".join(str(error).split())
        raise JobError(f"{table} should take {len(rows)} rows", words) from None


def _schema(spec: TableSpec) -> pa.Schema:
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([pa.field(c.name, types[c.type], c.nullable) for c in spec.columns])
