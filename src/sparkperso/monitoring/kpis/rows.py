"""Rows of gold/kpis_daily: each user's day counts in several views, and each view has its KPIs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.metrics import Metric, Quantity
from sparkperso.metrics.filters import fits
from sparkperso.metrics.sessions import STARTED
from sparkperso.monitoring.kpis.days import return_days
from sparkperso.monitoring.kpis.unit_days import (
    CHANNEL,
    DAY,
    MODEL,
    SESSION,
    SHOWN,
    STRATEGY,
    UNIT,
    activity,
    events_of_days,
    own_quantity,
    quantities_of,
    start_of,
)
from sparkperso.platform.literals import empty_array, instant
from sparkperso.rules.evaluate import DECIMALS

VIEW = ("segmentation", "segment", "experiment", "variant", CHANNEL, STRATEGY, MODEL)
VIEWS = f"array<struct<{', '.join(f'{name}:string' for name in VIEW)}>>"
STAYS, USERS = "stays", "users"


@dataclass(frozen=True)
class KpiPlan:
    """What is told, and up to when."""

    metrics: Sequence[Metric]
    as_of: datetime
    session_gap_minutes: int


def kpi_rows(
    events: DataFrame,
    decisions: DataFrame | None,
    members: DataFrame | None,
    plan: KpiPlan,
    days: Iterable[date],
) -> DataFrame:
    """Returns the rows of gold/kpis_daily of some days, from silver/events up to as-of.

    `decisions` are silver/decisions, `members` stays of users in segments (user_id, segmentation,
    segment_id, valid_from, valid_until).

    1. Events of the days, by user, day, session and what views tell apart, in one pass.
    2. Each row counts in the view of all, in that of its channel, of its strategy and model, of
       each variant that its user had been shown, of each segment that they began the day in.
    3. Sums by view and user, then KPIs by view and day.

    A day does not depend on which other days are told with it.
    """
    told, metrics = sorted(set(days)), plan.metrics
    quantities = quantities_of(metrics)
    inside = events_of_days(events, told, plan.as_of)
    rows = activity(inside, decisions, quantities, plan.session_gap_minutes)
    rows = _with_stays(rows, members)
    retentions = [metric for metric in metrics if metric.kind == "retention"]
    rows = _with_returns(rows, events, retentions, told, plan.as_of)
    users = _users_by_view(rows, quantities)
    by_view = users.groupBy(DAY, *VIEW)
    entries = [_entry(metric, plan.as_of) for metric in metrics]
    numbers = by_view.agg(*_sums(metrics, quantities))
    told_rows = numbers.select(
        DAY, *VIEW, F.explode(F.array_compact(F.array(*entries))).alias("entry")
    )
    return told_rows.select(DAY, *VIEW, "entry.*").where(
        (F.col("denominator") > 0) & F.col("value").isNotNull()
    )


def _with_stays(rows: DataFrame, members: DataFrame | None) -> DataFrame:
    """Adds all stays of the row's user in segments."""
    if members is None:
        kind = "struct<segmentation:string, segment:string>"
        return rows.withColumn(STAYS, empty_array(kind))
    stay = F.struct(
        "segmentation", F.col("segment_id").alias("segment"), "valid_from", "valid_until"
    )
    by_user = members.groupBy(F.col("user_id").alias(UNIT)).agg(F.collect_set(stay).alias("all"))
    began = start_of(F.col(DAY))
    then = F.filter(
        "all",
        lambda one: (
            (one["valid_from"] <= began)
            & (one["valid_until"].isNull() | (one["valid_until"] > began))
        ),
    )
    segments = F.array_distinct(
        F.transform(then, lambda one: F.struct(one["segmentation"], one["segment"]))
    )
    return rows.join(by_user, UNIT, "left").withColumn(STAYS, segments).drop("all")


def _with_returns(
    rows: DataFrame,
    events: DataFrame,
    metrics: Sequence[Metric],
    days: Sequence[date],
    as_of: datetime,
) -> DataFrame:
    """Adds, per metric of kind retention, whether the row's user came back."""
    if not metrics or not days:
        return rows
    later = {
        day + timedelta(days=n) for metric in metrics for n in return_days(metric) for day in days
    }
    found = events_of_days(events, later, as_of)
    by_user = found.groupBy(UNIT).agg(
        *(
            F.collect_set(F.when(fits(metric.of), F.col(DAY))).alias(metric.name)
            for metric in metrics
        )
    )
    flags = {
        _flag(metric): F.coalesce(
            F.arrays_overlap(F.col(metric.name), _returns(metric)), F.lit(False)
        )
        for metric in metrics
    }
    joined = rows.join(by_user, UNIT, "left").withColumns(flags)
    return joined.drop(*(metric.name for metric in metrics))


def _returns(metric: Metric) -> Column:
    return F.array(*(F.date_add(DAY, n) for n in return_days(metric)))


def _flag(metric: Metric) -> str:
    return f"back_{metric.name}"


def _users_by_view(rows: DataFrame, quantities: Mapping[Quantity, str]) -> DataFrame:
    """Returns one row per (view, day, user): its quantities, and whether it came back."""
    nothing = F.lit(None).cast("string")

    def view(**parts: Column) -> Column:
        return F.struct(*(parts.get(name, nothing).alias(name) for name in VIEW))

    single = F.array(
        view(),
        view(channel=F.col(CHANNEL)),
        F.when(
            F.col(STRATEGY).isNotNull() | F.col(MODEL).isNotNull(),
            view(strategy=F.col(STRATEGY), model_version=F.col(MODEL)),
        ),
    )
    shown = F.transform(
        SHOWN, lambda one: view(experiment=one["experiment"], variant=one["variant"])
    )
    stays = F.transform(
        STAYS, lambda one: view(segmentation=one["segmentation"], segment=one["segment"])
    )
    several = [F.coalesce(part.cast(VIEWS), empty_array(VIEWS[6:-1])) for part in (shown, stays)]
    views = F.explode(F.concat(F.array_compact(single).cast(VIEWS), *several))
    flags = [name for name in rows.columns if name.startswith("back_")]
    seen = rows.withColumn("view", views).select(
        "*",
        "view.segmentation",
        "view.segment",
        "view.experiment",
        "view.variant",
        *(F.col(f"view.{n}").alias(f"v_{n}") for n in (CHANNEL, STRATEGY, MODEL)),
    )
    seen = seen.drop(CHANNEL, STRATEGY, MODEL, SHOWN, STAYS, "view")
    seen = seen.withColumnsRenamed({f"v_{n}": n for n in (CHANNEL, STRATEGY, MODEL)})
    plain = [name for quantity, name in quantities.items() if not quantity.is_of_sessions]
    of_sessions = {q: name for q, name in quantities.items() if q.is_of_sessions}
    came = [F.max(name).alias(name) for name in flags]
    sums = [F.sum(name).alias(name) for name in plain]
    if of_sessions:
        parts = []
        for name in of_sessions.values():
            parts += [F.sum(f"{name}_n").alias(f"{name}_n")]
            parts += [F.min(f"{name}_first").alias(f"{name}_first")]
            parts += [F.max(f"{name}_last").alias(f"{name}_last")]
        seen = seen.groupBy(UNIT, DAY, *VIEW, SESSION, STARTED).agg(*came, *sums, *parts)
    sums += [_of_all_sessions(quantity, name).alias(name) for quantity, name in of_sessions.items()]
    return seen.groupBy(UNIT, DAY, *VIEW).agg(*came, *sums)


def _of_all_sessions(quantity: Quantity, name: str) -> Column:
    if quantity.value == "session_seconds":
        return F.sum((F.col(f"{name}_last") - F.col(f"{name}_first")) / F.lit(1e6))
    number = F.col(f"{name}_n")
    held = number == 1 if quantity.value == "bounces" else number > 0
    return F.count_if(held).cast("double")


def _sums(metrics: Sequence[Metric], quantities: Mapping[Quantity, str]) -> list[Column]:
    """What a view's KPIs are made of: `users`, and `n_…`, `d_…` of each metric."""
    sums = [F.count(F.lit(1)).cast("double").alias(USERS)]
    for metric in metrics:
        if metric.kind == "retention":
            sums.append(F.count_if(F.col(_flag(metric))).cast("double").alias(f"n_{metric.name}"))
            continue
        y = _number(quantities[own_quantity(metric)])
        if metric.kind == "proportion":
            y = (y >= metric.at_least).cast("double")
        elif metric.cap is not None:
            y = F.least(y, F.lit(float(metric.cap)))
        total = F.percentile(y, metric.quantile) if metric.quantile is not None else F.sum(y)
        sums.append(F.round(total, DECIMALS).alias(f"n_{metric.name}"))
        if metric.denominator is not None:
            below = F.sum(_number(quantities[metric.denominator]))
            sums.append(F.round(below, DECIMALS).alias(f"d_{metric.name}"))
    return sums


def _number(column: str) -> Column:
    # Rounded, so that the order in which events are added up shows in no digit.
    return F.round(F.coalesce(F.col(column), F.lit(0.0)), DECIMALS)


def _entry(metric: Metric, as_of: datetime) -> Column:
    """A metric's columns of the table; null where its day is not over."""
    number = F.col(f"n_{metric.name}")
    below = F.col(f"d_{metric.name}") if metric.kind == "ratio" else F.col(USERS)
    is_quantile = metric.kind == "quantile"
    entry = F.struct(
        F.lit(metric.name).alias("kpi"),
        (F.lit(None).cast("double") if is_quantile else number).alias("numerator"),
        below.alias("denominator"),
        (number if is_quantile else number / F.nullif(below, F.lit(0.0))).alias("value"),
        F.col(USERS).cast("bigint").alias("n_users"),
    )
    if metric.kind != "retention":
        return entry
    over = start_of(F.date_add(DAY, return_days(metric).stop))
    return F.when(over <= instant(as_of), entry)
