"""What a job is given: settings, Spark, the lake, tracking, the time it looks back from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.config import Settings
from sparkperso.core.errors import JobError
from sparkperso.core.logs import RunLog
from sparkperso.core.places import local_path
from sparkperso.core.reporting import Count, Say, no_count
from sparkperso.platform.lake import Lake, TableWriter
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.platform.literals import moment

if TYPE_CHECKING:
    from sparkperso.platform.tracking import TableInput, Tracking

Summary = Mapping[str, Any]
"""What a job reports when it is done: figures under short names, in the order to print."""


@dataclass
class Job:
    """The surroundings of one run of one job: what it may use, and how it shows where it is."""

    name: str
    settings: Settings
    spark: SparkSession
    options: Mapping[str, Any] = field(default_factory=dict)
    conf_dir: Path | None = None
    """A conf/ folder over the shipped one (`config.layers`)."""
    requested_as_of: datetime | None = None
    say: Say = print
    """Shows one line of progress."""
    count: Count = no_count
    """Shows how much of the work is done."""
    run_id: str = field(default_factory=lambda: uuid4().hex)
    log: RunLog = field(default_factory=RunLog)
    """Where its lines go."""

    @cached_property
    def lake(self) -> Lake:
        """The tables."""
        return Lake(self.spark, self.settings.lake)

    @cached_property
    def tracking(self) -> Tracking:
        """MLflow, imported when it is first asked for: that alone takes seconds."""
        from sparkperso.platform.tracking import open_tracking

        return open_tracking(self.settings)

    @cached_property
    def as_of(self) -> datetime:
        """`--as-of`, else the latest timestamp in silver/events (UTC, naive); never the clock's.

        Raises JobError when there are no events yet.
        """
        if self.requested_as_of is not None:
            return self.requested_as_of
        latest = latest_event(self)
        if latest is None:
            raise JobError(
                "This job needs events in silver/events",
                f"There are none in {self.settings.lake.root}",
                "Run 'sparkperso ingest-events --source NAME' first",
            )
        return latest

    def read(self, table: str) -> DataFrame:
        """Returns a table as it was when the job first read it; an input of the lineage."""
        return self.lake.read(table)

    def table_inputs(self) -> list[TableInput]:
        """Returns the tables that were read so far, as a run in MLflow names them.

        Numbers of rows are those of the version that was read; only a lake on this machine tells
        them without a query.
        """
        from sparkperso.platform.tracking import TableInput

        is_local = not self.settings.lake.catalog and local_path(self.settings.lake.root)
        reader = LakeReader(self.settings.lake) if is_local else None
        inputs = []
        for name, version in self.lake.inputs.items():
            ref = self.lake.ref(name)
            columns = {column.name: column.type for column in ref.spec.columns}
            n_rows = reader.count(name, version) if reader else None
            inputs.append(TableInput(name, version, ref.place, ref.by_path, columns, n_rows))
        return inputs

    def writer(self, table: str) -> TableWriter:
        """Returns the writer of a table, noted in the lineage as an output."""
        return self.lake.writer(table)


def latest_event(job: Job) -> datetime | None:
    """Returns the latest timestamp in silver/events (UTC, naive); None without events."""
    # As a number: a collected timestamp would come in the time zone of this machine.
    row = job.lake.ref("silver/events").read().agg(F.unix_micros(F.max("timestamp"))).first()
    return None if row is None or row[0] is None else moment(row[0])
