"""build-features: events → interactions, user features, the same scaled, and the scaling."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from pyspark.sql import DataFrame

from sparkperso.config.features import FeaturesConfig
from sparkperso.config.own_features import load_own_features
from sparkperso.features.own_features import require_aggregates
from sparkperso.features.scaling import fit_scalers, scale_features
from sparkperso.features.users import build_user_features
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.platform.literals import aware, instant_sql
from sparkperso.recommend.data.interactions import build_interactions
from sparkperso.schemas.features import columns_of

EVENTS, INTERACTIONS = "silver/events", "gold/interactions"
FEATURES, SCALED, SCALERS = (
    "gold/user_features",
    "gold/user_features_scaled",
    "gold/feature_scalers",
)


def build_features(job: Job) -> Summary:
    """Writes the interactions and the features of all users as of `job.as_of`.

    Rows of the same as_of are replaced, those of others stay; interactions are replaced as a whole.
    Raises JobError when no event names a user by then, ConfigError for a feature of conf/features
    that gives no number per user.
    """
    events, settings, own = job.read(EVENTS), job.settings, load_own_features(job.conf_dir)
    require_aggregates(events, own, job.as_of)
    interactions = build_interactions(events, settings.recommend.interactions, job.as_of)
    job.writer(INTERACTIONS).overwrite(interactions)
    parts = partitions_for(events, settings.features)
    features = build_user_features(events, settings.features, job.as_of, parts, own)
    job.writer(FEATURES).extended(columns_of(FEATURES, own)).overwrite(
        features, where=_this_time(job)
    )
    users = job.lake.ref(FEATURES).read().where(_this_time(job))
    scalers = fit_scalers(users, settings.features.scaling, job.as_of, own)
    # A version is a hash of its rows: whoever has it already gets the same ones again.
    version = scalers[0].scaler_version
    rows = [(*astuple(scaler)[:-1], aware(job.as_of)) for scaler in scalers]
    writer = job.writer(SCALERS)
    writer.overwrite(writer.frame_of(rows), f"scaler_version = '{version}'")
    scaled_writer = job.writer(SCALED).extended(columns_of(SCALED, own))
    scaled_writer.overwrite(scale_features(users, scalers), where=_this_time(job))
    return {
        "as of": job.as_of.isoformat(sep=" "),
        "users": users.count(),
        "interactions": rows_written(job, INTERACTIONS),
        "features": len(scalers),
        "scaler": version,
    }


def rows_written(job: Job, table: str) -> int:
    """Returns how many rows a table was last replaced with: Delta noted it with the commit."""
    last = job.lake.ref(table).delta().history(1).select("operationMetrics").collect()[0]
    return int(last["operationMetrics"]["numOutputRows"])


def partitions_for(events: DataFrame, config: FeaturesConfig) -> int:
    """Returns how many parts keep a task's share of the events within its memory, at least 2.

    The count costs nothing: Delta knows it from its log.
    """
    return max(2, -(-events.count() // config.events_per_partition))


def _this_time(job: Job) -> str:
    return f"as_of = {instant_sql(job.as_of)}"


STEP = Step(
    name="build-features",
    action=build_features,
    inputs=(EVENTS,),
    conf=("features",),
    outputs=(INTERACTIONS, FEATURES, SCALED, SCALERS),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
