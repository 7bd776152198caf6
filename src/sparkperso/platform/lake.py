"""The only place that touches Delta from Spark: TableRef reads, TableWriter writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.config.platform import LakeConfig
from sparkperso.core.errors import JobError, UsageError, WriteConflictError
from sparkperso.core.places import SCHEME
from sparkperso.platform.filesystem import FileSystem
from sparkperso.platform.jars import DELTA_JAR
from sparkperso.platform.literals import aware, moment
from sparkperso.schemas import TABLES, TableSpec
from sparkperso.schemas import Column as SpecColumn

try:
    from delta.exceptions import (
        ConcurrentAppendException,
        ConcurrentDeleteDeleteException,
        ConcurrentDeleteReadException,
        ConcurrentTransactionException,
        ConcurrentWriteException,
        DeltaConcurrentModificationException,
        MetadataChangedException,
        ProtocolChangedException,
    )
    from delta.tables import DeltaTable, DeltaTableBuilder
except ModuleNotFoundError as missing:
    raise UsageError(
        "Jobs need Delta Lake: its jar, which holds its Python package too",
        f"There is {str(missing)[0].lower()}{str(missing)[1:]}",
        DELTA_JAR,
    ) from missing

# Delta's Python classes have no base of their own, unlike Java's.
CONFLICTS = (
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentTransactionException,
    ConcurrentWriteException,
    DeltaConcurrentModificationException,
    MetadataChangedException,
    ProtocolChangedException,
)
STATS_COLUMNS = "delta.dataSkippingStatsColumns"
CODEC = "spark.sql.parquet.compression.codec"
LOG = "_delta_log"
LOGGED = re.compile(r"(\d{20})\.(?:json|checkpoint)")
"""A commit, or a checkpoint, in the list of a log's files: its version."""


@dataclass(frozen=True)
class Txn:
    """Names a write, so that Delta carries it out once however often it is tried.

    Versions of one `app_id` must grow: an older one than the last is ignored as well.
    """

    app_id: str
    version: int = 0


@dataclass
class Notes:
    """Which tables a job read, at which version it first did, and which it wrote."""

    inputs: dict[str, int | None] = field(default_factory=dict)
    outputs: dict[str, int | None] = field(default_factory=dict)

    def read(self, ref: TableRef, version: int | None) -> int | None:
        """Notes that a table is read, unless it is the job's own; returns the version to read.

        Without a version it is the current one, and the same one at each further reading by
        `Lake.read`.
        """
        name = ref.spec.name
        if name in self.inputs or name in self.outputs:
            return version
        self.inputs[name] = ref.version() if version is None else version
        return self.inputs[name]


@dataclass(frozen=True)
class TableRef:
    """Reads one table; what `Lake.ref` gives notes every reading.

    `place` is a folder or URI when `by_path`, else the name in a catalog.
    """

    spark: SparkSession
    spec: TableSpec
    place: str
    by_path: bool
    notes: Notes = field(default_factory=Notes, compare=False, repr=False)

    def exists(self) -> bool:
        """Says whether the table has been created."""
        if self.by_path:
            return DeltaTable.isDeltaTable(self.spark, self.place)
        return self.spark.catalog.tableExists(self.place)

    def read(self, version: int | None = None) -> DataFrame:
        """Returns the table, or its `version`; before its first write, a frame without rows."""
        version = self.notes.read(self, version)
        if not self.exists():
            return self.spark.createDataFrame([], self.spec.struct())
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.place) if self.by_path else reader.table(self.place)

    def version(self) -> int | None:
        """Returns the current Delta version, None before the first write.

        Of a table by path it is the last in the list of its log, which takes no Spark job; where
        the log of a table of a catalog is, and what counts in it, the catalog alone knows.
        """
        if self.by_path:
            return _last_logged(self.spark, self.place)
        if not self.exists():
            return None
        history = self.delta().history(1).select("version").first()
        return int(history["version"]) if history else None

    def written_at(self) -> datetime | None:
        """Returns when its current version was written (UTC), None before the first write."""
        if self.by_path:
            version = self.version()
            if version is None:
                return None
            return FileSystem(self.spark).modified(f"{self.place}/{LOG}/{version:020}.json")
        if not self.exists():
            return None
        last = self.delta().history(1).select(F.unix_micros("timestamp")).first()
        return aware(moment(last[0])) if last else None

    def start(self) -> tuple[int | None, int]:
        """Returns a version to read whole, None for no rows, and the one to follow it from.

        Delta follows a table from a version that exists, and first gives the rows which that one
        added: so they are not to be read before. A version that rewrote files gives none.
        """
        last = self.delta().history(1).select("version", "operationMetrics").collect()[0]
        version, metrics = int(last["version"]), last["operationMetrics"] or {}
        if any("Removed" in name and int(count) for name, count in metrics.items()):
            return version, version
        return (version - 1 if version else None), version

    def follow(self, options: Mapping[str, str]) -> DataFrame:
        """Returns the rows that are added to the table, endlessly; `options` are Delta's.

        Commits that change rows, such as new pseudonyms, are passed over.
        """
        self.notes.read(self, None)
        reader = self.spark.readStream.format("delta").option("skipChangeCommits", "true")
        reader = reader.options(**options)
        return reader.load(self.place) if self.by_path else reader.table(self.place)

    def changes(self, since: int, until: int) -> DataFrame:
        """Returns the rows that commits after `since`, up to `until`, added, changed or removed.

        Of a table with a change feed. Reading them fails where the feed, or a file of it, is gone.
        """
        reader = self.spark.read.format("delta").option("readChangeFeed", "true")
        reader = reader.option("startingVersion", since + 1).option("endingVersion", until)
        return reader.load(self.place) if self.by_path else reader.table(self.place)

    def delta(self) -> DeltaTable:
        """Returns Delta's own handle."""
        if self.by_path:
            return DeltaTable.forPath(self.spark, self.place)
        return DeltaTable.forName(self.spark, self.place)


@dataclass(frozen=True)
class TableWriter:
    """Writes one table; every frame is held against the written schema first."""

    ref: TableRef

    def extended(self, columns: Sequence[SpecColumn]) -> TableWriter:
        """Returns a writer whose schema has more columns, which configuration adds."""
        spec = replace(self.ref.spec, columns=(*self.ref.spec.columns, *columns))
        return replace(self, ref=replace(self.ref, spec=spec)) if columns else self

    def append(self, rows: DataFrame, txn: Txn | None = None) -> None:
        """Adds rows in one commit; with a `txn` that was already carried out, does nothing.

        Raises JobError for rows of other columns than the schema's, WriteConflictError where
        another run wrote the same rows.
        """
        self._save(rows, "append", txn, {})

    def append_rows(self, rows: Iterable[tuple[Any, ...]], txn: Txn | None = None) -> None:
        """Adds rows of this process, in the order of the columns, as one file in one commit.

        Without rows nothing is written, and no table made.
        """
        given = list(rows)
        if given:
            self.append(self.frame_of(given), txn)

    def frame_of(self, rows: Iterable[tuple[Any, ...]]) -> DataFrame:
        """Returns rows of this process, in the order of the table's columns, in one partition."""
        return self.ref.spark.createDataFrame(list(rows), self.ref.spec.struct()).coalesce(1)

    def overwrite(self, rows: DataFrame, where: str | None = None, txn: Txn | None = None) -> None:
        """Replaces the table, or its rows that match the SQL condition `where`, in one commit.

        Raises JobError as `append` does, and WriteConflictError when another run replaced some of
        them meanwhile.
        """
        self._save(rows, "overwrite", txn, {"replaceWhere": where} if where else {})

    def merge(
        self, rows: DataFrame, update: Sequence[str] | None = None, txn: Txn | None = None
    ) -> None:
        """Inserts rows whose key is new and updates those whose key is known, in one commit.

        Of those, all columns are set or, where `update` names some, these alone: none where it is
        empty, which saves looking for the rows. `rows` must hold each key once. Files without such
        a key stay as they are. Raises as `overwrite` does.
        """
        spec = self.ref.spec
        rows = conform(rows, spec)
        self.create()
        self._add_columns()
        # <=> takes two nulls for equal: a key may hold one, such as the source of older rows.
        condition = " AND ".join(f"old.`{key}` <=> new.`{key}`" for key in spec.key)
        # A session of its own: another thread's write must not be taken for this transaction.
        session = self.ref.spark.newSession() if txn else self.ref.spark
        table = replace(self.ref, spark=session).delta()
        merge = table.alias("old").merge(rows.alias("new"), condition)
        if update is None:
            merge = merge.whenMatchedUpdateAll()
        elif update:
            merge = merge.whenMatchedUpdate(set={name: f"new.`{name}`" for name in update})
        with _transaction(session, txn), _conflicts_named(spec):
            merge.whenNotMatchedInsertAll().execute()

    def update(self, source: DataFrame, condition: Column, values: Mapping[str, Column]) -> None:
        """Sets columns of the rows (`old`) that meet a row of `source` (`new`), in one commit.

        No row may meet two. Files without such a row stay as they are.
        """
        merge = self.ref.delta().alias("old").merge(source.alias("new"), condition)
        with _conflicts_named(self.ref.spec):
            merge.whenMatchedUpdate(set=dict(values)).execute()

    def restore(self, version: int | None) -> None:
        """Makes the table what it was at a version, in a commit of its own; None: empty.

        A table that is at that version stays as it is, and one that is not there is not made.
        """
        now = self.ref.version()
        if now is None or now == version:
            return
        with _conflicts_named(self.ref.spec):
            if version is None:
                self.ref.delta().delete()
            else:
                self.ref.delta().restoreToVersion(version)

    def compact(self) -> None:
        """Puts files of less than 32 MiB together, to 64 MiB each; the others stay as they are."""
        # Delta's own target is a gigabyte: one task would read all of such a file.
        sizes = {"minFileSize": 32 * 2**20, "maxFileSize": 64 * 2**20}
        confs = {f"spark.databricks.delta.optimize.{k}": str(v) for k, v in sizes.items()}
        if self.ref.spec.compression:
            confs[CODEC] = self.ref.spec.compression
        if self.ref.exists():
            with _confs(self.ref.spark, confs):
                self.ref.delta().optimize().executeCompaction()

    def create(self) -> None:
        """Creates the empty table with its comments and constraints unless it is there.

        Columns that are never null have a constraint; readers skip files by the columns of
        `stats_columns`.
        """
        if self.ref.exists():
            return
        try:
            self._builder().execute()
        except CONFLICTS:
            # Two first runs of a lake at the same time: the other one has created it.
            if not self.ref.exists():
                raise

    def _builder(self) -> DeltaTableBuilder:
        spec, spark = self.ref.spec, self.ref.spark
        builder = DeltaTable.createIfNotExists(spark).comment(spec.grain)
        if self.ref.by_path:
            builder = builder.location(self.ref.place)
        else:
            builder = builder.tableName(self.ref.place)
        types = {f.name: f.dataType for f in spec.struct()}
        for column in spec.columns:
            builder = builder.addColumn(
                column.name, types[column.name], nullable=column.nullable, comment=column.meaning
            )
        if spec.stats_columns:
            builder = builder.property(STATS_COLUMNS, ",".join(spec.stats_columns))
        if spec.change_feed:
            builder = builder.property("delta.enableChangeDataFeed", "true")
        if spec.partition_by:
            builder = builder.partitionedBy(*spec.partition_by)
        return builder

    def _add_columns(self) -> None:
        """Gives a table of an older version the columns that its schema has gained since."""
        if set(self.ref.spec.column_names) - set(self.ref.delta().toDF().columns):
            rows = self.ref.spark.createDataFrame([], self.ref.spec.struct())
            self._save(rows, "append", None, {})

    def _save(
        self, rows: DataFrame, mode: str, txn: Txn | None, options: dict[str, str | None]
    ) -> None:
        rows = conform(rows, self.ref.spec)
        self.create()
        # A table of an older version gets the columns that its schema has gained since.
        options = {"mergeSchema": "true", **options}
        if self.ref.spec.compression:
            options["compression"] = self.ref.spec.compression
        writer = rows.write.format("delta").mode(mode).options(**options)
        if txn:
            writer = writer.option("txnAppId", txn.app_id).option("txnVersion", txn.version)
        with _conflicts_named(self.ref.spec):
            if self.ref.by_path:
                writer.save(self.ref.place)
            else:
                writer.saveAsTable(self.ref.place)


@dataclass(frozen=True)
class StateTable:
    """What a stream keeps for itself beside its checkpoint; its columns follow from its rows.

    It has no written schema and no lineage: nobody else reads it.
    """

    spark: SparkSession
    place: str

    def exists(self) -> bool:
        """Says whether anything was written."""
        return DeltaTable.isDeltaTable(self.spark, self.place)

    def read(self) -> DataFrame:
        """Returns all rows as they are now."""
        return self.spark.read.format("delta").load(self.place)

    def append(self, rows: DataFrame) -> None:
        """Adds rows."""
        # Without a transaction name: the stream's own numbers in the rows make it repeatable.
        rows.write.format("delta").mode("append").save(self.place)

    def replace(self, rows: DataFrame) -> None:
        """Puts rows in the place of all that there are, and removes files of over an hour ago."""
        writer = rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
        writer.option("delta.deletedFileRetentionDuration", "interval 1 hours").save(self.place)
        DeltaTable.forPath(self.spark, self.place).vacuum()


@dataclass
class Lake:
    """All tables of one lake; remembers what was read and written, for the lineage.

    lake = Lake(spark, settings.lake)
    lake.ref("silver/events").read()
    lake.writer("gold/segments").overwrite(rows)
    """

    spark: SparkSession
    config: LakeConfig
    notes: Notes = field(default_factory=Notes)

    @property
    def inputs(self) -> Mapping[str, int | None]:
        """Returns the tables that were read, with the version at which they first were."""
        return self.notes.inputs

    @property
    def outputs(self) -> Mapping[str, int | None]:
        """Returns the tables that were written."""
        return self.notes.outputs

    def ref(self, name: str) -> TableRef:
        """Returns the reader of `<layer>/<table>`; what it reads is noted as an input.

        Raises KeyError for a table without a written schema.
        """
        spec = TABLES[name]
        if self.config.catalog:
            layer, table = name.split("/")
            place = f"{self.config.catalog}.{self.config.schema_of(layer)}.{table}"
            return TableRef(self.spark, spec, place, by_path=False, notes=self.notes)
        root = self.config.root
        if SCHEME.match(root) is None:
            # Delta's table builder takes a relative folder for the name of a table.
            root = os.path.abspath(root)
        place = f"{root}/{name}"
        return TableRef(self.spark, spec, place, by_path=True, notes=self.notes)

    def read(self, name: str) -> DataFrame:
        """Returns a table at the version at which it was first read, by now or before."""
        return self.ref(name).read(self.inputs.get(name))

    def writer(self, name: str) -> TableWriter:
        """Returns the writer of a table, noted as an output."""
        self.notes.outputs[name] = None
        return TableWriter(self.ref(name))


def _last_logged(spark: SparkSession, place: str) -> int | None:
    """Returns the largest version that a table's log holds, wherever Hadoop finds its folder."""
    names = FileSystem(spark).names(f"{place}/{LOG}")
    return max((int(found[1]) for name in names if (found := LOGGED.match(name))), default=None)


def conform(rows: DataFrame, spec: TableSpec) -> DataFrame:
    """Returns `rows` with the columns of `spec` in their order.

    Raises JobError that lists every missing, unknown and differently typed column.
    """
    expected, actual = _types(spec.struct()), _types(rows.schema)
    differences = [f"no column '{n}' ({t})" for n, t in expected.items() if n not in actual]
    differences += [f"unknown column '{n}' ({t})" for n, t in actual.items() if n not in expected]
    differences += [
        f"'{n}' is {actual[n]}, not {t}"
        for n, t in expected.items()
        if n in actual and actual[n] != t
    ]
    if differences:
        raise JobError(
            f"Rows for {spec.name} should have the columns of its schema", "; ".join(differences)
        )
    return rows.select(*spec.column_names)


def _types(schema: T.StructType) -> dict[str, str]:
    return {f.name: f.dataType.simpleString() for f in schema}


@contextmanager
def _conflicts_named(spec: TableSpec) -> Iterator[None]:
    try:
        yield
    except CONFLICTS:
        raise WriteConflictError(
            f"One run at a time should write the same rows of {spec.name}",
            "Another run wrote some of them while this one did",
            "Run this one again when the other is done",
        ) from None


@contextmanager
def _transaction(spark: SparkSession, txn: Txn | None) -> Iterator[None]:
    """MERGE takes its transaction name from the session, set and reset around it."""
    if txn is None:
        yield
        return
    names = {"txnAppId": txn.app_id, "txnVersion": str(txn.version)}
    with _confs(spark, {f"spark.databricks.delta.write.{k}": v for k, v in names.items()}):
        yield


@contextmanager
def _confs(spark: SparkSession, confs: Mapping[str, str]) -> Iterator[None]:
    former = {name: spark.conf.get(name, None) for name in confs}
    for name, value in confs.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, before in former.items():
            if before is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, before)
