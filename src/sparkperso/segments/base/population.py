"""The users that a segmentation divides: their features, in original units and scaled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segments import FeatureSegmentation, SegmentsConfig
from sparkperso.core.columns import AS_OF, USER_ID
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.core.suggest import did_you_mean
from sparkperso.platform.literals import instant, moment
from sparkperso.segments.base.arrays import UserPoints, Users, collect_users, number_columns
from sparkperso.segments.base.outliers import clipped, clipped_of
from sparkperso.segments.base.points import cached_points
from sparkperso.segments.base.previous_run import PreviousRun
from sparkperso.users.persons import Persons

SCALER_VERSION = "scaler_version"


@dataclass(frozen=True)
class Population:
    """All users as of one time, one row per user in both frames."""

    raw: DataFrame
    """user_id and features in their own units."""
    scaled: DataFrame
    """user_id and the same features, scaled."""
    as_of: datetime
    size: int
    """Number of users."""
    scaler_version: str
    persons: Persons | None = None
    """silver/events and what is declared, which rules look at."""
    previous: PreviousRun | None = None
    """What the segmentation was before; None at its first run."""
    users: Users | None = None
    """All users in the driver's memory, where they are few enough; None: Spark adds them up."""

    def collected(self, most: int) -> Population:
        """Returns the population with its users in memory when they are at most `most`."""
        if self.size > most:
            return self
        return replace(self, users=collect_users(self.raw, self.scaled))

    @contextmanager
    def points(
        self, plan: FeatureSegmentation, settings: SegmentsConfig
    ) -> Iterator[DataFrame | UserPoints]:
        """Gives all users as points of the plan's features, outliers at their bound if it says so.

        They are (users, features) in memory or, for Spark, cached rows of (user_id, point) that the
        end of the block lets go.
        """
        if self.users:
            yield UserPoints(self.users, clipped_of(self.users.points(plan.features), plan))
            return
        partitions = ceil(self.size / settings.users_per_partition)
        with cached_points(clipped(self.scaled, plan), plan.features, partitions) as points:
            yield points

    def require(self, features: Sequence[str]) -> None:
        """Raises ConfigError when a feature is not a number column of both frames."""
        known = set(number_columns(self.raw)) & set(number_columns(self.scaled))
        unknown = [name for name in features if name not in known]
        if unknown:
            raise ConfigError(
                "A segmentation's features should be number columns of gold/user_features and "
                f"gold/user_features_scaled: {', '.join(sorted(known))}",
                f"Found {', '.join(unknown)}",
                did_you_mean(unknown[0], known, "Choose from the list"),
            )


def latest_population(raw: DataFrame, scaled: DataFrame, as_of: datetime) -> Population:
    """Returns the users of the latest features that look no further than `as_of`.

    One row per user: `raw` of gold/user_features, `scaled` of gold/user_features_scaled. Raises
    JobError when there are none, when a user is there twice, or when they were scaled in more than
    one way.
    """
    latest_scaled = (
        scaled.where(F.col(AS_OF) <= instant(as_of))
        .groupBy(AS_OF)
        .agg(
            F.count(F.lit(1)).alias("size"),
            F.count_distinct(USER_ID).alias("different"),
            F.collect_set(SCALER_VERSION).alias("versions"),
        )
        .orderBy(F.desc(AS_OF))
        .withColumn("micros", F.unix_micros(AS_OF))
        .first()
    )
    if latest_scaled is None:
        raise JobError(
            "Segments need scaled features in gold/user_features_scaled",
            f"There are none as of {as_of}",
            "Run 'sparkperso build-features' first, with the same --as-of",
        )
    versions = sorted(latest_scaled["versions"])
    if len(versions) != 1:
        raise JobError(
            "All users of one as_of should be scaled by one scaler_version",
            f"Found {' and '.join(versions)}",
            "Run 'sparkperso build-features' again",
        )
    latest = moment(latest_scaled["micros"])
    size, different = int(latest_scaled["size"]), int(latest_scaled["different"])
    if size != different:
        raise JobError(
            "gold/user_features_scaled should hold each user once for one as_of",
            f"As of {latest} it has {size:,} rows of {different:,} users",
            "Run 'sparkperso build-features' again, which replaces them",
        )
    at_latest = F.col(AS_OF) == instant(latest)
    return Population(
        raw=raw.where(at_latest),
        scaled=scaled.where(at_latest),
        as_of=latest,
        size=size,
        scaler_version=versions[0],
    )
