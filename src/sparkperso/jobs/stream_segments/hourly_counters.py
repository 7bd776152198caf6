"""The counters of hours that stream-segments keeps, in a table beside its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.platform.lake import StateTable
from sparkperso.segments.live.counters import LAST_AT, Counters, hourly
from sparkperso.segments.live.hours import BATCH, SEED, folded, settled


@dataclass(frozen=True)
class HourlyCounters:
    """Counters by person, hour and visit, up to the last micro-batch.

    They are a table beside the checkpoint: a stream that starts again goes on with them.
    """

    table: StateTable
    counted: Counters
    reach_days: float
    """Visits of longer ago are one row per person."""

    def seed(self, events: DataFrame) -> None:
        """Counts the events that there are, in the place of all that was counted before."""
        rows = hourly(events, self.counted).withColumn(BATCH, F.lit(SEED))
        latest = events.agg(F.unix_micros(F.max("timestamp"))).first()
        now = F.lit((latest and latest[0]) or 0)
        self.table.replace(folded(rows, self.counted, now, self.reach_days))

    def latest(self) -> int:
        """Returns the time of the latest event, microseconds since 1970; 0 without any."""
        row = self.table.read().agg(F.max(LAST_AT)).first()
        return int(row[0]) if row and row[0] is not None else 0

    def add(self, rows: DataFrame) -> None:
        """Adds the hours that a micro-batch changed; adding them again changes nothing."""
        self.table.append(rows)

    def everybody(self) -> DataFrame:
        """Returns the hours of all: at most two rows per user, hour and visit, to be added up."""
        return settled(self.table.read())

    def with_batch(self, users: DataFrame, rows: DataFrame, number: int) -> DataFrame:
        """Returns the hours of some users, those of a micro-batch that is not added yet among them.

        What lies in the table of this micro-batch or of later ones was interrupted.
        """
        earlier = self.table.read().where(F.col(BATCH) < number)
        return settled(earlier.join(users, on="user_id", how="left_semi").unionByName(rows))

    def compact(self, now: int) -> None:
        """Writes the table anew, one row per hour and one for all that is long ago."""
        rows = folded(self.everybody(), self.counted, F.lit(now), self.reach_days)
        self.table.replace(rows)
