"""Who is in which segment of rules now: for the users of a micro-batch, or for everybody."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import USER_ID
from sparkperso.jobs.stream_segments.hourly_counters import HourlyCounters
from sparkperso.jobs.stream_segments.tables import (
    MEMBER,
    members_written,
    membership_of,
    record,
    record_changes,
    stamp_at,
)
from sparkperso.jobs.stream_segments.user_attributes import LiveUserAttributes
from sparkperso.pipeline.job import Job
from sparkperso.platform.frames import Keeper, pinned
from sparkperso.segments.base.map_column import map_column
from sparkperso.segments.live.members import matching_rules
from sparkperso.segments.live.rules import LiveRules
from sparkperso.segments.live.windows import NOW
from sparkperso.segments.rules.members import KEYS
from sparkperso.segments.tables.table_rows import changes_between


@dataclass
class Memberships:
    """The membership as the history has it, held in memory from sweep to sweep.

    One row per (user_id, segment_id) of the segments that are large enough to be shown.
    """

    job: Job
    rules: LiveRules
    hours: HourlyCounters
    attributes: LiveUserAttributes
    shown: tuple[str, ...] = ()
    """Segments of enough people, at the last sweep."""
    kept: Keeper = field(default_factory=Keeper)
    """Of the membership; whoever follows the stream closes it."""
    _inside: DataFrame | None = None
    _is_behind: bool = True
    """Whether gold/segments may be: after an update, and where a run before was interrupted."""

    def update(self, rows: DataFrame, number: int, now: int) -> int:
        """Writes which users of a micro-batch of hours entered and left; returns how many did.

        `now` is in microseconds since 1970.
        """
        users = F.broadcast(rows.where(F.col(USER_ID).isNotNull()).select(USER_ID).distinct())
        hours = self.hours.with_batch(users, rows, number)
        current = self._shown(self._holding(users, hours, now))
        inside = self._inside
        if inside is None:
            raise AssertionError("a sweep comes before the first update")
        before = inside.join(users, on=USER_ID, how="left_semi")
        with pinned(current) as members, pinned(changes_between(before, members)) as changes:
            n_changes = changes.count()
            if n_changes:
                self._is_behind = True
                record_changes(self.job, changes, stamp_at(self.job, now))
                others = inside.join(users, on=USER_ID, how="left_anti")
                every = others.unionByName(members).coalesce(self._partitions)
                newer = Keeper()
                self._inside = newer.pinned(every)
                # Only now: the newer membership was worked out from the older one.
                self.kept.close()
                self.kept = newer
        return n_changes

    def sweep(self, now: int) -> int:
        """Does the same for everybody, and writes gold/segments; returns the number of changes.

        Segments of fewer than `segments.min_members` people are left out until the next sweep.
        """
        self.attributes.refresh(now)
        hours = self.hours.everybody()
        users = self.attributes.frame.select(USER_ID).unionByName(hours.select(USER_ID))
        users = users.where(F.col(USER_ID).isNotNull()).distinct()
        names = sorted(set(self.rules.segmentations.values()))
        self.kept.close()
        members = self.kept.pinned(self._holding(users, hours, now))
        self.shown = self._large_enough(members)
        self._inside = self._shown(members)
        facts = {"exclusive": F.lit(False), "kind": F.lit("rule")}
        rows = self._inside.withColumns({**facts, "distance": F.lit(None).cast("double")})
        before = membership_of(self.job, names)
        # Updates write the history alone.
        written = members_written(self.job, names) if self._is_behind else None
        n_changes = record(self.job, before, rows, None, stamp_at(self.job, now), written=written)
        self._is_behind = n_changes is None
        return n_changes or 0

    def _holding(self, users: DataFrame, hours: DataFrame, now: int) -> DataFrame:
        """(user_id, segment_id) of all rules that hold."""
        clock = F.broadcast(self.job.spark.createDataFrame([(now,)], f"{NOW} bigint"))
        known = users.join(self.attributes.frame, on=USER_ID, how="left").crossJoin(clock)
        matches = matching_rules(
            known, hours.crossJoin(clock), self.rules.rules, self.rules.counted
        )
        return matches.select(USER_ID, F.explode(KEYS).alias("segment_id"))

    def _shown(self, members: DataFrame) -> DataFrame:
        """MEMBER of the segments that may be shown."""
        segment = F.col("segment_id")
        names = map_column(self.rules.segmentations, segment)
        labels = map_column(self.rules.labels, segment)
        large = members.where(segment.isin(*self.shown) if self.shown else F.lit(False))
        return large.withColumns({"segmentation": names, "label": labels}).select(*MEMBER)

    def _large_enough(self, members: DataFrame) -> tuple[str, ...]:
        floor = self.job.settings.segments.min_members
        sizes = members.groupBy("segment_id").count().where(F.col("count") >= floor)
        return tuple(sorted(row[0] for row in sizes.collect()))

    @property
    def _partitions(self) -> int:
        return int(self.job.spark.conf.get("spark.sql.shuffle.partitions") or 2)
