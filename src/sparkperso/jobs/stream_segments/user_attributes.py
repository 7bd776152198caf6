"""The attributes of everybody with features, held in memory until there are newer features."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import AS_OF
from sparkperso.jobs.build_segments.tables import EVENTS, FEATURES
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.persons import USERS
from sparkperso.platform.frames import Keeper
from sparkperso.platform.literals import aware, instant, moment
from sparkperso.segments.live.rules import LiveRules
from sparkperso.segments.rules.members import People, known_attributes
from sparkperso.users.persons import Persons


@dataclass
class LiveUserAttributes:
    """What the rules ask of profiles, as of the latest features."""

    job: Job
    rules: LiveRules
    kept: Keeper = field(default_factory=Keeper)
    """Of the frame; whoever follows the stream closes it."""
    _frame: DataFrame | None = None
    _version: int | None = None

    @property
    def frame(self) -> DataFrame:
        """Returns (user_id, a column per attribute)."""
        if self._frame is None:
            raise AssertionError("refresh comes first")
        return self._frame

    def are_old(self) -> bool:
        """Says whether gold/user_features has changed since they were read."""
        return self._frame is None or self.job.lake.ref(FEATURES).version() != self._version

    def refresh(self, now: int) -> None:
        """Reads them if they are old."""
        lake = self.job.lake
        version = lake.ref(FEATURES).version()
        if self._frame is not None and version == self._version:
            return
        # As they are now, not as the stream first read them.
        declared = lake.ref(USERS).read() if lake.ref(USERS).exists() else None
        aliases = self.job.settings.ingest.country_aliases
        people = People(
            features_at(self.job, now),
            Persons(lake.ref(EVENTS).read(), declared, aliases),
            aware(moment(now)),
        )
        self.kept.close()
        self._frame = self.kept.pinned(known_attributes(people, self.rules.rules))
        self._version = version


def features_at(job: Job, now: int) -> DataFrame:
    """Returns the latest rows of gold/user_features that look no further than `now`; maybe none."""
    features = job.lake.ref(FEATURES).read()
    in_time = features.where(F.col(AS_OF) <= instant(moment(now)))
    latest = in_time.agg(F.max(AS_OF).alias(AS_OF))
    return in_time.join(F.broadcast(latest), on=AS_OF, how="left_semi")
