"""Checks of a day against the weekdays before: events, KPIs; and what ingest rejected."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

from pyspark.sql import functions as F

from sparkperso.jobs.monitor.kpis import EVENTS, KPIS
from sparkperso.monitoring.checks.anomaly import judge_day
from sparkperso.monitoring.checks.finding import Finding, above
from sparkperso.monitoring.measures.volumes import EVERYTHING, daily_counts, volume_series
from sparkperso.pipeline.job import Job

QUALITY = "ops/data_quality"
DIMENSIONS = (
    *("segmentation", "segment", "experiment", "variant"),
    *("channel", "strategy", "model_version"),
)


def last_whole_day(job: Job) -> date:
    """Returns the day before that of as-of: the last one that is over."""
    return job.as_of.date() - timedelta(days=1)


def check_volumes(job: Job) -> list[Finding]:
    """Judges the events of the last whole day by type, source and channel."""
    config = job.settings.monitoring.checks.volume
    if not job.lake.ref(EVENTS).exists():
        return [Finding("volume", EVERYTHING, "unknown", f"{EVENTS} is not written yet")]
    day = last_whole_day(job)
    counts = daily_counts(job.read(EVENTS), day - timedelta(weeks=config.weeks), day)
    series = volume_series(counts, day)
    if not series:
        text = f"No events in the {config.weeks} weeks up to {day}"
        return [Finding("volume", EVERYTHING, "unknown", text)]
    return [judge_day("volume", subject, found, day, config) for subject, found in series.items()]


def check_kpis(job: Job) -> list[Finding]:
    """Judges the KPIs of everybody on the last whole day."""
    config = job.settings.monitoring.checks.kpi
    names = [name for name in config.metrics if name in job.settings.monitoring.kpis.metrics]
    if not job.lake.ref(KPIS).exists() or not names:
        return [Finding("kpi", "KPIs", "unknown", f"{KPIS} has none that are watched")]
    day = last_whole_day(job)
    rows = job.lake.ref(KPIS).read()
    for column in DIMENSIONS:
        rows = rows.where(F.col(column).isNull())
    rows = rows.where(F.col("kpi").isin(names) & (F.col("denominator") >= config.min_denominator))
    first = day - timedelta(weeks=config.weeks)
    rows = rows.where(F.col("day").between(F.lit(first), F.lit(day)))
    series: dict[str, dict[date, float]] = defaultdict(dict)
    for kpi, at, value in rows.select("kpi", "day", "value").collect():
        series[kpi][at] = value
    return [judge_day("kpi", name, series[name], day, config) for name in names]


def check_quarantine(job: Job) -> list[Finding]:
    """Judges what ingest rejected and refused on each source's last day with records."""
    config = job.settings.monitoring.checks.quarantine
    if not job.lake.ref(QUALITY).exists():
        return [Finding("quarantine", "sources", "unknown", f"{QUALITY} is not written yet")]
    kept = job.read(QUALITY).where(F.col("rule").isin("received", "quarantined", "refused"))
    daily = kept.groupBy("source", F.to_date("received_at").alias("day"))
    sums = daily.pivot("rule", ["received", "quarantined", "refused"]).sum("n_records")
    last = sums.groupBy("source").agg(
        F.max_by(F.struct("day", "received", "quarantined", "refused"), "day").alias("last")
    )
    findings = []
    for source, day, received, rejected, refused in (
        last.select("source", "last.*").orderBy("source").collect()
    ):
        n = received or 0
        if n < config.min_records:
            text = f"{source}: {n} records on {day}, of {config.min_records} that it takes"
            findings.append(Finding("quarantine", source, "unknown", text))
            continue
        for check, part, limits in (
            ("quarantine", rejected or 0, config.rejected),
            ("refused", refused or 0, config.refused),
        ):
            status, limit = above(part / n, limits)
            word = "rejected" if check == "quarantine" else "refused"
            text = f"{source}: {part:,} of {n:,} records of {day} were {word} ({part / n:.1%})"
            findings.append(Finding(check, source, status, text, round(part / n, 6), limit))
    return findings
