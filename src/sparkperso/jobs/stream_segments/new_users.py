"""People without features yet: the k-means segments that they are nearest to."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segments import KMeansSegmentation
from sparkperso.core.columns import USER_ID
from sparkperso.features.scaler_parameters import FeatureScaler
from sparkperso.features.scaling import scale_features
from sparkperso.features.users import build_user_features
from sparkperso.jobs.build_features import SCALERS
from sparkperso.jobs.build_segments.tables import EVENTS, PROFILES, SEGMENTS
from sparkperso.jobs.stream_segments.tables import membership_of, record, stamp_at
from sparkperso.pipeline.job import Job
from sparkperso.platform.frames import Keeper, pinned
from sparkperso.platform.literals import EPOCH, instant, moment
from sparkperso.segments.live.counters import HOUR
from sparkperso.segments.live.hours import PAST
from sparkperso.segments.live.new_users import Centres, nearest
from sparkperso.segments.rules.behaviour import VISIT

PARTITIONS = 2


def assign_new_users(
    job: Job, plans: Sequence[KMeansSegmentation], hours: DataFrame, known: DataFrame, now: int
) -> int:
    """Writes the segments of those in `hours` who are not in `known`; returns how many changed.

    Their features are counted from their events, as of `now`, and scaled as everybody's were.
    """
    centres = {plan.name: own for plan in plans if (own := read_centres(job, plan))}
    if not centres:
        return 0
    new = hours.where(F.col(USER_ID).isNotNull()).join(known, on=USER_ID, how="left_anti")
    began = F.when(F.col(VISIT) == PAST, instant(EPOCH)).otherwise(F.col(HOUR))
    known_plans = [plan for plan in plans if plan.name in centres]
    with Keeper() as keeper:
        people = keeper.pinned(new.groupBy(USER_ID).agg(F.min(began).alias("began")))
        first = people.agg(F.unix_micros(F.min("began"))).first()
        if first is None or first[0] is None:
            return 0
        since = instant(moment(first[0]))
        events = job.lake.ref(EVENTS).read().where(F.col("timestamp") >= since)
        of_people = events.join(people, on=USER_ID, how="left_semi")
        features = keeper.pinned(
            build_user_features(of_people, job.settings.features, moment(now), PARTITIONS)
        )
        return sum(_assign(job, plan, centres[plan.name], features, now) for plan in known_plans)


def read_centres(job: Job, plan: KMeansSegmentation) -> Centres | None:
    """Returns the centres that were written last; None before the first clustering."""
    profiles = job.lake.ref(PROFILES).read().where(F.col("segmentation") == plan.name)
    columns = ("segment_id", "label", "centre_scaled", "scaler_version")
    rows = profiles.orderBy(F.desc("size"), "segment_id").select(*columns).collect()
    rows = [row for row in rows if set(plan.features) <= set(row["centre_scaled"])]
    if not rows:
        return None
    labels = {row["segment_id"]: row["label"] for row in rows}
    return Centres(labels, [row["centre_scaled"] for row in rows], rows[0]["scaler_version"])


def read_scalers(job: Job, version: str) -> list[FeatureScaler]:
    """Returns the parameters of a scaling, one per feature."""
    rows = job.lake.ref(SCALERS).read().where(F.col("scaler_version") == version)
    return [FeatureScaler(**row.asDict()) for row in rows.orderBy("feature").collect()]


def _assign(
    job: Job, plan: KMeansSegmentation, centres: Centres, features: DataFrame, now: int
) -> int:
    scaled = scale_features(features, read_scalers(job, centres.scaler_version))
    facts = {"segmentation": plan.name, "exclusive": plan.exclusive, "kind": plan.kind}
    assigned = nearest(scaled, plan, centres)
    assigned = assigned.withColumns({name: F.lit(value) for name, value in facts.items()})
    members = job.lake.ref(SEGMENTS).read().where(F.col("segmentation") == plan.name)
    others = members.join(features, on=USER_ID, how="left_anti")
    before = membership_of(job, [plan.name]).join(features, on=USER_ID, how="left_semi")
    with pinned(assigned) as rows:
        return record(job, before, rows, others, stamp_at(job, now)) or 0
