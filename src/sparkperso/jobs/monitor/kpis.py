"""gold/kpis_daily, told anew for the days that something came of since the last run.

1. What came: events, decisions and changes of segments after the versions that ops/bookmarks has.
2. The days that they are about; all of them where nothing is known of the last run, where metrics
   or segmentations are others since, or where as-of is earlier than then.
3. Those days' rows are replaced in one commit, then the bookmarks move.

Whatever fails before the third step's end is done again by the next run, with the same result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config import config_hash
from sparkperso.config.metrics import load_metrics
from sparkperso.experiments.analysis.segments_at import memberships
from sparkperso.monitoring.kpis.days import days_to_tell, spans
from sparkperso.monitoring.kpis.rows import KpiPlan, kpi_rows
from sparkperso.pipeline.job import Job
from sparkperso.platform.literals import aware, instant, moment

EVENTS, DECISIONS, HISTORY = "silver/events", "silver/decisions", "gold/segment_history"
KPIS, BOOKMARKS = "gold/kpis_daily", "ops/bookmarks"
READER = "kpis"
SKEW = timedelta(days=7)
"""An event that names a decision may seem to be earlier than it, by so much at most."""


def tell_kpis(job: Job) -> int:
    """Brings gold/kpis_daily up to as-of; returns how many days were told anew."""
    config = job.settings.monitoring.kpis
    metrics = list(load_metrics(job.conf_dir, config.metrics).values())
    events, decisions, history = (_read(job, table) for table in (EVENTS, DECISIONS, HISTORY))
    if events is None or not metrics:
        return 0
    segmentations = config.segmentations
    if segmentations is None:
        segmentations = job.settings.segments.segmentations
    own = config.model_copy(update={"segmentations": segmentations})
    fingerprint = config_hash(own, *metrics)
    read = {name: job.lake.inputs.get(name) for name in (EVENTS, DECISIONS, HISTORY)}
    versions = {name: version for name, version in read.items() if version is not None}
    since = _since(job, fingerprint)
    touched = None if since is None else _touched(job, since, versions, events)
    if since is None or touched is None:
        days, where = (
            sorted(_all_days(events.where(F.col("timestamp") <= instant(job.as_of)))),
            None,
        )
    else:
        days = days_to_tell(touched, metrics, since.as_of, job.as_of)
        where = _condition(days)
    members = None if history is None else memberships(history, segmentations)
    plan = KpiPlan(metrics, job.as_of, config.session_gap_minutes)
    if days:
        rows = kpi_rows(events, decisions, members, plan, days)
        job.writer(KPIS).overwrite(rows, where)
    _move(job, versions, fingerprint)
    return len(days)


@dataclass(frozen=True)
class Since:
    """Where the last run ended."""

    versions: Mapping[str, int]
    as_of: datetime


def _since(job: Job, fingerprint: str) -> Since | None:
    """Returns where the last run ended; None where all is to be told anew."""
    ref = job.lake.ref(BOOKMARKS)
    if not ref.exists() or not job.lake.ref(KPIS).exists():
        return None
    rows = (
        ref.read()
        .where(F.col("reader") == READER)
        .select("table_name", "delta_version", F.unix_micros("as_of"), "fingerprint")
        .collect()
    )
    if not rows or any(row[3] != fingerprint for row in rows):
        return None
    as_of = max(moment(row[2]) for row in rows)
    return Since({row[0]: row[1] for row in rows}, as_of) if as_of <= job.as_of else None


def _touched(
    job: Job, since: Since, versions: Mapping[str, int], events: DataFrame
) -> set[date] | None:
    """Returns the days that came or changed since then; None where no feed tells them."""
    try:
        days = _days_of_events(job, since, versions)
        days |= _days_of_decisions(job, since, versions, events)
        return days | _days_of_segments(job, since, versions)
    except (Py4JJavaError, PySparkException):
        job.say("What came since the last run is not to be had: all days are told anew")
        return None


def _new_rows(job: Job, table: str, since: Since, versions: Mapping[str, int]) -> DataFrame | None:
    """Returns the rows of a table that came or changed; None where there are none."""
    until = versions.get(table)
    before = since.versions.get(table)
    if until is None or until == before:
        return None
    return job.read(table) if before is None else job.lake.ref(table).changes(before, until)


def _days_of_events(job: Job, since: Since, versions: Mapping[str, int]) -> set[date]:
    rows = _new_rows(job, EVENTS, since, versions)
    return set() if rows is None else _all_days(rows)


def _days_of_decisions(
    job: Job, since: Since, versions: Mapping[str, int], events: DataFrame
) -> set[date]:
    """The days of events that name a decision which came after them, or before."""
    rows = _new_rows(job, DECISIONS, since, versions)
    if rows is None:
        return set()
    first = rows.agg(F.min("event_date")).collect()[0][0]
    if first is None:
        return set()
    named = events.where(F.col("event_date") >= F.lit(first - SKEW)).select(
        "event_date", F.col("metadata")["decision_id"].alias("decision_id")
    )
    return _all_days(named.join(rows.select("decision_id"), "decision_id", "left_semi"))


def _days_of_segments(job: Job, since: Since, versions: Mapping[str, int]) -> set[date]:
    """The days that began when a change of segments, or one after it, was known."""
    rows = _new_rows(job, HISTORY, since, versions)
    first = None if rows is None else rows.agg(F.min(F.unix_micros("as_of"))).collect()[0][0]
    if first is None:
        return set()
    begin = moment(first).date()
    return {begin + timedelta(days=n) for n in range((job.as_of.date() - begin).days + 1)}


def _all_days(rows: DataFrame) -> set[date]:
    return {row[0] for row in rows.select("event_date").distinct().collect()}


def _condition(days: Sequence[date]) -> str:
    parts = (f"day BETWEEN DATE'{first}' AND DATE'{last}'" for first, last in spans(days))
    return " OR ".join(parts)


def _move(job: Job, versions: Mapping[str, int], fingerprint: str) -> None:
    writer = job.writer(BOOKMARKS)
    as_of = aware(job.as_of)
    rows = [
        (READER, table, version, as_of, fingerprint, job.run_id)
        for table, version in versions.items()
    ]
    writer.merge(writer.frame_of(rows))


def _read(job: Job, table: str) -> DataFrame | None:
    return job.read(table) if job.lake.ref(table).exists() else None
