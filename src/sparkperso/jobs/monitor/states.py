"""Checks of how things stand: coverage, ages, fallbacks, streams, models."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from sparkperso.config.monitoring.checks import Limits
from sparkperso.core.errors import ConfigError
from sparkperso.core.places import local_path
from sparkperso.jobs.monitor.kpis import DECISIONS, EVENTS, KPIS
from sparkperso.jobs.train_recommender.job import MODEL
from sparkperso.monitoring.checks.finding import Finding, above, below
from sparkperso.monitoring.checks.overfit import ModelFigures, judge_models
from sparkperso.pipeline.job import Job
from sparkperso.platform.literals import instant
from sparkperso.schemas import TABLES
from sparkperso.services.stores.factory import open_store, store_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from sparkperso.platform.tracking import ModelVersion

LISTS, ITEMS, PROGRESS = "gold/recommendations", "silver/items", "ops/stream_progress"
HOUR = 3600.0


def champion_of(job: Job) -> ModelVersion | None:
    """Returns the champion; None without one, or without a registry: looking makes none."""
    try:
        uri = job.settings.tracking_uri
    except ConfigError:
        return None
    file = local_path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
    if file is not None and not Path(file).is_file():
        return None
    return job.tracking.by_alias(MODEL, "champion")


def check_coverage(job: Job) -> list[Finding]:
    """Judges which share of active users has a list, and of the catalogue is in one."""
    config = job.settings.monitoring.checks.coverage
    if not all(job.lake.ref(name).exists() for name in (EVENTS, LISTS)):
        text = f"{EVENTS} or {LISTS} is not written yet"
        return [Finding("user_coverage", "lists", "unknown", text)]
    since = instant(job.as_of - timedelta(days=config.active_days))
    at = F.col("timestamp")
    active = job.read(EVENTS).where((at > since) & (at <= instant(job.as_of)))
    active = active.where(F.col("user_id").isNotNull()).select("user_id").distinct()
    lists = job.read(LISTS)
    listed = lists.where("rank = 1").select("user_id", F.lit(1).alias("has")).distinct()
    n, has = active.join(listed, "user_id", "left").agg(F.count("*"), F.count("has")).collect()[0]
    findings = [_share("user_coverage", "active users with a list", (has, n), config.users)]
    items = job.lake.ref(ITEMS)
    n_items = job.read(ITEMS).count() if items.exists() else 0
    n_listed = lists.select("item_id").distinct().count()
    findings.append(_share("item_coverage", "items in a list", (n_listed, n_items), config.items))
    return findings


def _share(check: str, subject: str, counts: tuple[int, int], limits: Limits) -> Finding:
    part, n = counts
    if not n:
        return Finding(check, subject, "unknown", f"{subject}: there is nothing to take it by")
    status, limit = below(part / n, limits)
    text = f"{subject}: {part:,} of {n:,} ({part / n:.1%})"
    return Finding(check, subject, status, text, round(part / n, 6), limit)


def check_ages(job: Job, champion: ModelVersion | None, now: datetime) -> list[Finding]:
    """Judges when tables, the champion and the serving store were last written."""
    config = job.settings.monitoring.checks.staleness
    findings = []
    for table in TABLES:
        written = job.lake.ref(table).written_at()
        if written is not None:
            limits = config.tables.get(table, Limits())
            findings.append(_age("staleness", table, written, now, limits))
        elif table in config.tables:
            text = f"{table} is not written yet"
            findings.append(Finding("staleness", table, "unknown", text))
    if champion is None or champion.created_at is None:
        findings.append(Finding("champion", "champion", "unknown", "There is no champion"))
    else:
        age = _age("champion", "champion", champion.created_at, now, config.champion)
        findings.append(replace(age, message=f"{age.message} (version {champion.version})"))
    return [*findings, _store_age(job, now)]


def _store_age(job: Job, now: datetime) -> Finding:
    settings = job.settings
    subject = f"serving store ({settings.store.kind})"
    nothing = Finding("store", subject, "unknown", "Nothing is published")
    try:
        if settings.store.kind == "lmdb" and not store_folder(settings).is_dir():
            return nothing
        store = open_store(settings)
    except ConfigError as error:
        return Finding("store", subject, "unknown", str(error))
    try:
        current = store.current()
        if current is None:
            return nothing
        with store.open(current) as version:
            created = version.manifest.created
    finally:
        store.close()
    return _age("store", subject, created, now, settings.monitoring.checks.staleness.store)


def _age(check: str, subject: str, at: datetime, now: datetime, limits: Limits) -> Finding:
    hours = max((now - at).total_seconds() / HOUR, 0.0)
    status, limit = above(hours, limits)
    text = f"{subject} was written {hours:,.1f} hours ago"
    return Finding(check, subject, status, text, round(hours, 3), limit)


def check_fallbacks(job: Job) -> list[Finding]:
    """Judges which share of the latest decisions was not what it should be."""
    config = job.settings.monitoring.checks.fallback
    if not job.lake.ref(DECISIONS).exists():
        text = f"{DECISIONS} is not written yet"
        return [Finding("fallback", "decisions", "unknown", text)]
    decisions = job.read(DECISIONS)
    latest = decisions.agg(F.max("timestamp").alias("latest"))
    hours = F.make_dt_interval(F.lit(0), F.lit(0), F.lit(0), F.lit(config.hours * HOUR))
    recent = decisions.crossJoin(F.broadcast(latest)).where(
        F.col("timestamp") > F.col("latest") - hours
    )
    counts: dict[str | None, int] = dict(recent.groupBy("fallback").count().collect())
    n = sum(counts.values())
    if n < config.min_decisions:
        text = f"{n} decisions, of {config.min_decisions} that it takes"
        return [Finding("fallback", "decisions", "unknown", text)]
    faults = {k: v for k, v in counts.items() if k is not None and k not in config.expected}
    bad = sum(faults.values())
    status, limit = above(bad / n, config.share)
    reasons = ", ".join(f"{name} {count:,}" for name, count in sorted(faults.items()))
    text = f"{bad:,} of {n:,} decisions fell back ({bad / n:.1%}{': ' if reasons else ''}{reasons})"
    return [Finding("fallback", "decisions", status, text, round(bad / n, 6), limit)]


def check_lag(job: Job) -> list[Finding]:
    """Judges how far the last micro-batches of each streamed source lag behind."""
    config = job.settings.monitoring.checks.lag
    if not job.lake.ref(PROGRESS).exists():
        return [Finding("lag", "streams", "unknown", "No source is streamed")]
    rows = job.read(PROGRESS)
    finished = F.unix_micros("finished_at")
    last = rows.groupBy("source").agg(F.max(finished).alias("last"))
    recent = rows.join(F.broadcast(last), "source")
    recent = recent.where(finished > F.col("last") - int(config.minutes * 60_000_000))
    sums = recent.groupBy("source").agg(
        F.max("max_age_seconds").alias("age"), F.max("max_offset_lag").alias("offsets")
    )
    findings = []
    for source, age, offsets in sums.orderBy("source").collect():
        status, limit = above(age, config.age_seconds)
        text = f"{source}: the oldest record of the last micro-batches took {age:,.0f} seconds"
        findings.append(Finding("lag", source, status, text, round(age, 3), limit))
        if offsets is not None:
            status, limit = above(offsets, config.offsets)
            text = f"{source}: {offsets:,} records are left to read in the worst partition"
            findings.append(
                Finding("lag", f"{source} offsets", status, text, float(offsets), limit)
            )
    return findings or [Finding("lag", "streams", "unknown", f"{PROGRESS} has no micro-batch")]


def check_models(job: Job) -> list[Finding]:
    """Holds the live metric of each model version against its validation."""
    config = job.settings.monitoring.checks.overfit
    if not job.lake.ref(KPIS).exists():
        return judge_models([], config)
    rows = job.lake.ref(KPIS).read().where(F.col("kpi") == config.kpi)
    # Lists by popularity have no number in the registry.
    of_models = _sums(rows.where(F.col("model_version").rlike("^[0-9]+$")), "day", "model_version")
    popular = _sums(rows.where(F.col("strategy") == "popularity"), "day")
    by_day = of_models.join(
        popular.toDF("day", "popular_clicks", "popular_exposures"), "day", "left"
    )
    sums = by_day.groupBy("model_version").agg(
        *(F.sum(name) for name in ("numerator", "denominator")),
        *(F.coalesce(F.sum(name), F.lit(0.0)) for name in ("popular_clicks", "popular_exposures")),
    )
    shown = [row for row in sums.collect() if row[2] >= config.min_denominator]
    if len(shown) < 2:
        return judge_models([], config)
    models = []
    for version, *figures in sorted(shown, key=lambda row: int(row[0])):
        known = job.tracking.by_version(MODEL, version)
        validation = None if known is None else _validation(known, config.metric)
        models.append(ModelFigures(version, validation, *figures))
    champion = champion_of(job)
    return judge_models(models, config, champion.version if champion else None)


def _sums(rows: DataFrame, *names: str) -> DataFrame:
    return rows.groupBy(*names).agg(
        F.sum("numerator").alias("numerator"), F.sum("denominator").alias("denominator")
    )


def _validation(version: ModelVersion, metric: str) -> float | None:
    folds = [fold[metric] for fold in version.document.get("folds", ()) if metric in fold]
    return sum(folds) / len(folds) if folds else None
