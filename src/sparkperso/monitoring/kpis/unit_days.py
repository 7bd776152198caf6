"""What users did on a day: one row per user, day and session, apart by what tells views apart.

A user is a user_id, or an anonymous_id where an event has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.metrics import Metric, Quantity
from sparkperso.metrics.quantities import amount
from sparkperso.metrics.sessions import STARTED, mark_sessions
from sparkperso.monitoring.kpis.days import Span, spans
from sparkperso.platform.literals import instant

DAY, UNIT, AT, SESSION = "day", "unit", "at", "session_id"
CHANNEL, STRATEGY, MODEL, SHOWN = "channel", "strategy", "model_version", "shown"
PAIR = "array<struct<experiment:string, variant:string>>"
EXPOSURE = "exposure"
MOST_SHOWN = 100
"""Experiments of one user's day that are told, by name: every row counts once in each of them, and
their names come with events, so that one who makes them up would make as many rows as they like."""


def quantities_of(metrics: Iterable[Metric]) -> dict[Quantity, str]:
    """Returns each quantity of the metrics once, with the name of its column."""
    distinct: dict[Quantity, None] = {}
    for metric in metrics:
        if metric.kind != "retention":
            distinct[own_quantity(metric)] = None
            if metric.denominator is not None:
                distinct[metric.denominator] = None
    return {quantity: f"q{place}" for place, quantity in enumerate(distinct)}


def own_quantity(metric: Metric) -> Quantity:
    """Returns what a metric adds up, without its name and kind."""
    return Quantity(of=metric.of, value=metric.value, less=metric.less)


def events_of_days(events: DataFrame, days: Iterable[date], as_of: datetime) -> DataFrame:
    """Returns the events of some days, up to as-of, with their day and their user."""
    inside = in_spans(F.col("event_date"), spans(days)) & (F.col("timestamp") <= instant(as_of))
    return events.where(inside).select(
        "*",
        F.col("event_date").alias(DAY),
        F.coalesce("user_id", "anonymous_id").alias(UNIT),
        F.unix_micros("timestamp").alias(AT),
    )


def in_spans(day: Column, parts: Iterable[Span]) -> Column:
    """Returns whether a day is in one of the spans."""
    tests = (day.between(F.lit(first), F.lit(last)) for first, last in parts)
    return reduce(Column.__or__, tests, F.lit(False))


def start_of(day: Column) -> Column:
    """Returns when a day begins (UTC), whatever the session's time zone is."""
    return F.timestamp_seconds(F.unix_date(day).cast("bigint") * F.lit(86_400))


def activity(
    events: DataFrame,
    decisions: DataFrame | None,
    quantities: Mapping[Quantity, str],
    session_gap_minutes: int,
) -> DataFrame:
    """Returns (unit, day, session, channel, strategy, model_version, shown), and its sums.

    `events` are those of `events_of_days`, all of each user's day. `shown` are the experiments and
    variants that the user had been shown on that day before: of one experiment only where the day
    knows one variant. A plain quantity is a sum; one of sessions has `_n`, how many events count,
    and `_first` and `_last`, their times.
    """
    of_sessions = {q: name for q, name in quantities.items() if q.is_of_sessions}
    counted = _with_models(_with_variants(events), decisions).select(
        *(UNIT, DAY, AT, SESSION, CHANNEL, STRATEGY, MODEL, SHOWN),
        *(amount(quantity).alias(name) for quantity, name in quantities.items()),
    )
    # Once: all that follows is grouped by user, and more.
    counted = counted.repartition(UNIT)
    keys = [UNIT, DAY, CHANNEL, STRATEGY, MODEL, SHOWN]
    if of_sessions:
        counted = mark_sessions(counted, (UNIT, DAY), AT, session_gap_minutes)
        keys += [SESSION, STARTED]
    sums = [F.sum(name).alias(name) for q, name in quantities.items() if q not in of_sessions]
    for name in of_sessions.values():
        at = F.when(F.col(name).isNotNull(), F.col(AT))
        sums += [F.count(name).alias(f"{name}_n")]
        sums += [F.min(at).alias(f"{name}_first"), F.max(at).alias(f"{name}_last")]
    return counted.groupBy(*keys).agg(F.count(F.lit(1)).alias("n_events"), *sums)


def _with_variants(events: DataFrame) -> DataFrame:
    """Adds what experiments had shown a user on the day of an event, at or before it."""
    metadata = F.col("metadata")
    named = metadata["experiment"].isNotNull() & metadata["variant"].isNotNull()
    exposures = events.where((F.col("event_type") == EXPOSURE) & named)
    if exposures.isEmpty():
        return events.withColumn(SHOWN, F.array().cast(PAIR))
    first = (
        exposures.groupBy(UNIT, DAY, metadata["experiment"].alias("experiment"))
        .agg(
            F.min(AT).alias("since"),
            F.min(metadata["variant"]).alias("variant"),
            F.max(metadata["variant"]).alias("other"),
        )
        .where(F.col("variant") == F.col("other"))
        .groupBy(UNIT, DAY)
        .agg(F.array_sort(F.collect_list(F.struct("experiment", "variant", "since"))).alias("all"))
        .withColumn("all", F.slice("all", 1, MOST_SHOWN))
    )
    before = F.filter("all", lambda one: one["since"] <= F.col(AT))
    pairs = F.transform(before, lambda one: F.struct(one["experiment"], one["variant"]))
    shown = F.coalesce(pairs.cast(PAIR), F.array().cast(PAIR))
    return events.join(first, [UNIT, DAY], "left").withColumn(SHOWN, shown).drop("all")


def _with_models(events: DataFrame, decisions: DataFrame | None) -> DataFrame:
    """Adds strategy and model of the decision that an event names.

    By its slot, or without one where all slots of the decision have the same.
    """
    nothing = F.lit(None).cast("string")
    if decisions is None:
        return events.withColumns({STRATEGY: nothing, MODEL: nothing})
    made = F.struct(F.col("slot"), F.col(STRATEGY).alias("s"), F.col(MODEL).alias("m"))
    by_id = decisions.groupBy("decision_id").agg(F.array_sort(F.collect_set(made)).alias("made"))
    named = F.col("metadata")["decision_id"]
    # What names no decision has a key of its own: one for all of them would be one task's work.
    key = F.coalesce(named, F.concat(F.lit("\0"), F.col("event_id")))
    of_slot = F.filter("made", lambda one: one["slot"].eqNullSafe(F.col("metadata")["slot"]))
    alike = F.size(F.array_distinct(F.transform("made", lambda one: F.struct(one.s, one.m)))) == 1
    either = F.coalesce(F.get(of_slot, 0), F.when(alike, F.get("made", 0)))
    joined = events.withColumn("_key", key).join(
        by_id.withColumnRenamed("decision_id", "_key"), "_key", "left"
    )
    return joined.withColumns({STRATEGY: either["s"], MODEL: either["m"]}).drop("_key", "made")
