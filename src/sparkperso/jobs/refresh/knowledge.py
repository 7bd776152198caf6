"""What `refresh` looks for causes in: ops/runs, ops/alerts, the events, the champion."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from sparkperso.config.metrics.metric import load_metrics
from sparkperso.core.columns import TIMESTAMP
from sparkperso.core.times import now
from sparkperso.jobs.refresh.triggers import Known, OpenAlert
from sparkperso.jobs.train_recommender.job import EVENTS, MODEL
from sparkperso.jobs.train_recommender.model_aliases import CHAMPION
from sparkperso.pipeline.job import Job
from sparkperso.platform.literals import instant, moment, naive_utc

if TYPE_CHECKING:
    from sparkperso.platform.tracking import ModelVersion

RUNS, ALERTS = "ops/runs", "ops/alerts"


def look(job: Job) -> Known:
    """Returns what is known now; reads the events once, and writes nothing.

    Raises JobError without events, TrackingError where the registry does not say who is champion.
    """
    champion = job.tracking.by_alias(MODEL, CHAMPION)
    known_to = as_of_of(champion)
    before, since = count_events(job, known_to)
    return Known(
        now=naive_utc(now()),
        as_of=job.as_of,
        trained_at=last_training(job),
        champion=None if champion is None else champion.version,
        champion_as_of=known_to,
        events_before=before,
        events_since=since,
        alerts=open_alerts(job),
    )


def as_of_of(champion: ModelVersion | None) -> datetime | None:
    """Returns the time that a model's training looked back from (UTC, naive)."""
    if champion is None:
        return None
    at = datetime.fromisoformat(champion.document["as_of"])
    return naive_utc(at) if at.tzinfo else at


def count_events(job: Job, known_to: datetime | None) -> tuple[int, int]:
    """Returns how many events there are up to a time, and later up to as-of.

    Without a time all of them are of before.
    """
    events = job.read(EVENTS).where(F.col(TIMESTAMP) <= instant(job.as_of))
    is_later = F.lit(False) if known_to is None else F.col(TIMESTAMP) > instant(known_to)
    row = events.agg(F.count_if(~is_later), F.count_if(is_later)).collect()[0]
    return row[0], row[1]


def last_training(job: Job) -> datetime | None:
    """Returns when the last training that was done ended (UTC, naive)."""
    ref = job.lake.ref(RUNS)
    if not ref.exists():
        return None
    done = ref.read().where("job = 'train-recommender' AND status = 'done'")
    row = done.agg(F.unix_micros(F.max("finished_at"))).collect()[0]
    return None if row[0] is None else moment(row[0])


def open_alerts(job: Job) -> tuple[OpenAlert, ...]:
    """Returns the alerts of ops/alerts that are open, by check and subject."""
    ref = job.lake.ref(ALERTS)
    if not ref.exists():
        return ()
    names = ("check", "subject", "severity", "message", "value")
    rows = ref.read().where("status = 'open'").select(*names)
    return tuple(OpenAlert(*row) for row in rows.orderBy("check", "subject").collect())


def falling_kpis(job: Job) -> set[str]:
    """Returns the KPIs that are better the lower they are."""
    metrics = load_metrics(job.conf_dir, job.settings.monitoring.kpis.metrics)
    return {name for name, metric in metrics.items() if metric.better == "down"}
