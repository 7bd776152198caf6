"""Outcomes of units: one row per unit of an experiment, with what it did after its exposure.

Events are read once for all experiments and metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.metrics import Metric, Quantity
from sparkperso.experiments.analysis.exposures import (
    EXPERIMENT,
    EXPOSED_AT,
    ID_COLUMNS,
    UNIT,
    is_ahead,
)
from sparkperso.experiments.analysis.plan import MetricPlan
from sparkperso.metrics.quantities import Term, amount
from sparkperso.metrics.sessions import STARTED, mark_sessions
from sparkperso.platform.literals import instant

AT, IS_AHEAD = "at", "is_ahead"
N_EVENTS, N_AHEAD = "n_events", "n_ahead"
DAY = 86_400_000_000
"""Microseconds."""


def outcome_events(
    exposures: DataFrame, events: DataFrame, plan: MetricPlan, lookback_days: float
) -> DataFrame:
    """Returns the events of exposed units that any quantity counts, one row per experiment of each.

    Columns: experiment, unit, at and exposed_at (microseconds since 1970), session_id, is_ahead
    (its time lies after its receipt), and one column per quantity of the plan: what the event adds,
    null where it does not count. Events from
    `lookback_days` before the first exposure on, up to the plan's as-of.
    """
    quantities = plan.quantities
    counted = events.where(F.col("timestamp") <= instant(plan.as_of)).select(
        *ID_COLUMNS.values(),
        F.unix_micros("timestamp").alias(AT),
        "session_id",
        F.coalesce(is_ahead(), F.lit(False)).alias(IS_AHEAD),
        *(amount(quantity).alias(name) for quantity, name in quantities.items()),
    )
    counted = counted.where(_any_of(quantities.values()))
    lookback = timedelta(days=lookback_days) // timedelta(microseconds=1)
    frames = []
    for kind in plan.unit_kinds:
        of_kind = exposures.where(F.col("unit_kind") == kind).select(
            EXPERIMENT, UNIT, F.unix_micros(EXPOSED_AT).alias(EXPOSED_AT)
        )
        joined = counted.join(of_kind, F.col(ID_COLUMNS[kind]) == F.col(UNIT), "inner")
        frames.append(joined.where(F.col(AT) >= F.col(EXPOSED_AT) - lookback))
    kept = [EXPERIMENT, UNIT, EXPOSED_AT, AT, "session_id", IS_AHEAD, *quantities.values()]
    return reduce(DataFrame.unionByName, [frame.select(*kept) for frame in frames])


def unit_terms(outcomes: DataFrame, plan: MetricPlan, session_gap_minutes: int) -> DataFrame:
    """Returns (experiment, unit, one column per term), a row per unit with any event.

    n_events and n_ahead count its events, and those whose time lies after their receipt.

    Quantities of sessions are put together by session first: as sent, else by a gap in time. A
    session that an exposure divides is two.
    """
    terms, quantities = plan.terms, plan.quantities
    of_sessions = {term: name for term, name in terms.items() if term.quantity.is_of_sessions}
    plain = {term: name for term, name in terms.items() if term not in of_sessions}
    sums = [_sum_of(term, quantities).alias(name) for term, name in plain.items()]
    sums += [F.count(F.lit(1)).alias(N_EVENTS), F.count_if(IS_AHEAD).alias(N_AHEAD)]
    if not of_sessions:
        return outcomes.groupBy(EXPERIMENT, UNIT).agg(*sums)
    sided = outcomes.withColumn("side", F.col(AT) >= F.col(EXPOSED_AT)).withColumn(
        "who", F.struct(EXPERIMENT, UNIT, "side")
    )
    marked = mark_sessions(sided, "who", AT, session_gap_minutes)
    numbers = [
        number
        for term, name in of_sessions.items()
        for number in _of_one_session(term, name, quantities)
    ]
    sessions = marked.groupBy(EXPERIMENT, UNIT, "session_id", STARTED).agg(*sums, *numbers)
    return sessions.groupBy(EXPERIMENT, UNIT).agg(
        *(F.sum(name).alias(name) for name in (*plain.values(), N_EVENTS, N_AHEAD)),
        *(_of_all_sessions(term.quantity, name).alias(name) for term, name in of_sessions.items()),
    )


def in_window(term: Term) -> Column:
    """Returns whether an event lies in a term's window: after the exposure, or before it.

    The moment of the exposure itself is after it: what is shown and clicked at once counts.
    """
    since = F.col(AT) - F.col(EXPOSED_AT)
    if term.is_before:
        return since < 0
    inside = since >= int(term.start_days * DAY)
    return inside if term.end_days is None else inside & (since < int(term.end_days * DAY))


def is_observed(metric: Metric, as_of: datetime) -> Column:
    """Returns whether a unit counts yet: of metrics that wait, once its window is over."""
    if not metric.waits or metric.end_days is None:
        return F.lit(True)
    window = F.lit(int(metric.end_days * DAY)).cast("bigint")
    return F.unix_micros(EXPOSED_AT) + window <= F.unix_micros(instant(as_of))


def _any_of(names: Iterable[str]) -> Column:
    return reduce(Column.__or__, [F.col(name).isNotNull() for name in names])


def _sum_of(term: Term, quantities: Mapping[Quantity, str]) -> Column:
    return F.sum(F.when(in_window(term), F.col(quantities[term.quantity])))


def _of_one_session(term: Term, name: str, quantities: Mapping[Quantity, str]) -> list[Column]:
    counts = F.when(in_window(term), F.col(quantities[term.quantity]))
    number = F.count(counts).alias(f"{name}_n")
    if term.quantity.value != "session_seconds":
        return [number]
    at = F.when(counts.isNotNull(), F.col(AT))
    return [number, ((F.max(at) - F.min(at)) / F.lit(1e6)).alias(f"{name}_s")]


def _of_all_sessions(quantity: Quantity, name: str) -> Column:
    if quantity.value == "session_seconds":
        return F.sum(f"{name}_s")
    number = F.col(f"{name}_n")
    held = number == 1 if quantity.value == "bounces" else number > 0
    return F.count_if(held).cast("double")
