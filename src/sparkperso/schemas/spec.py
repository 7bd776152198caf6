"""How a table is described: columns with meaning and unit, grain, key and writer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pyspark.sql import types as T


@dataclass(frozen=True)
class Column:
    """One column: its Spark SQL type, what it means, and its unit where it has one."""

    name: str
    type: str
    meaning: str
    unit: str | None = None
    nullable: bool = True


@dataclass(frozen=True)
class TableSpec:
    """The written schema of one Delta table, `<layer>/<table>`."""

    name: str
    grain: str
    key: tuple[str, ...]
    """Columns that name a row; empty where the same row may stand twice."""
    writer: str
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...] = ()
    stats_columns: tuple[str, ...] = ()
    """Columns whose smallest and largest value each file notes, for readers to skip files by; empty
    for all. Ids that are spread over all files skip nothing, and noting them costs every write."""
    compression: str | None = None
    """How its Parquet files are compressed; None leaves it to Spark (snappy)."""
    change_feed: bool = False
    """Whether Delta keeps each commit's changes for readers that follow the table."""

    @property
    def column_names(self) -> list[str]:
        """Returns the column names in their order."""
        return [column.name for column in self.columns]

    def ddl(self) -> str:
        """Returns the schema as Spark SQL DDL."""
        return ", ".join(
            f"`{c.name}` {c.type}{'' if c.nullable else ' NOT NULL'}" for c in self.columns
        )

    def struct(self) -> T.StructType:
        """Returns the schema as a StructType.

        Raises an error of PySpark's without a running Spark, whose parser reads the DDL.
        """
        from pyspark.sql import types as T

        return cast(T.StructType, T.StructType.fromDDL(self.ddl()))


def required(name: str, sql_type: str, meaning: str, unit: str | None = None) -> Column:
    """Returns a column that is never null."""
    return Column(name, sql_type, meaning, unit, nullable=False)
