"""Counters per person, hour and visit: all that the windows of rules are added up from.

A window begins at a full hour, so an hour lies in it or does not; a visit is counted once however
many hours it lasts. The same Columns count as in a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.metrics.filters import any_of, fits
from sparkperso.rules.conditions import Condition, Sequence
from sparkperso.segments.rules.behaviour import AT, VISIT, visit_key
from sparkperso.segments.rules.measures import Measure, all_measures, flags_of, of_events
from sparkperso.segments.rules.sequences import all_sequences, marks_of

HOUR, SEQUENCE_EVENTS, LAST_AT = "hour", "told", "last_at"
"""Columns of the counters; `told` lists the events of sequences."""
SHARED = ("item_id", "session_id")
"""Fields that the events of a sequence may have in common."""
KEYS = ("user_id", HOUR, VISIT)


@dataclass(frozen=True)
class Counters:
    """What is counted of events, for a set of rules.

    Windows of many lengths are added up from one counter of hours.
    """

    measures: Mapping[Measure, str]
    """Number that a rule asks for → its column."""
    counters: Mapping[Measure, str]
    """The same numbers of an hour, without a window → their columns."""
    sequences: Mapping[str, Sequence]

    def counter_of(self, measure: Measure) -> str:
        """Returns the counter that a number is added up from."""
        return self.counters[replace(measure, days=None)]


def counters_of(rules: Iterable[Condition]) -> Counters:
    """Returns what a set of rules counts: each number once, without its window."""
    conditions = list(rules)
    measures = all_measures(conditions)
    plain = dict.fromkeys(replace(measure, days=None) for measure in measures)
    counters = {measure: f"c{number}" for number, measure in enumerate(plain)}
    return Counters(measures, counters, all_sequences(conditions))


def hourly(events: DataFrame, counted: Counters) -> DataFrame:
    """Returns (user_id, hour, visit, counters…, told, last_at) of events, endless ones too.

    One row per user, hour and visit. Nobody's events have a row for each hour, without a visit:
    they say how late it is.

    `told` lists the events of sequences: their time, what may be shared, and a flag for each
    sequence's first and then; `last_at` is the latest event's time, microseconds since 1970.
    """
    flag_of = flags_of(counted.counters)
    is_known = F.col("user_id").isNotNull()
    kinds = {flag_of[measure.event_key]: measure.events for measure in counted.counters}
    marks = {**kinds, **marks_of(counted.sequences)}
    narrow = events.select(
        "user_id",
        "timestamp",
        F.when(is_known, visit_key()).alias(VISIT),
        F.unix_micros("timestamp").alias(AT),
        "value",
        *SHARED,
        *(fits(kind).alias(flag) for flag, kind in marks.items()),
    )
    # What no rule looks at makes no hour: state and table stay small.
    matching = narrow.where(any_of(marks))
    # A window, so that Structured Streaming knows when an hour is over and lets go of it.
    keys = ("user_id", F.window("timestamp", "1 hour").alias("span"), VISIT)
    hours = matching.groupBy(*keys).agg(*_counters(counted), F.max(AT).alias(LAST_AT))
    return hours.withColumn("span", F.col("span.start")).withColumnRenamed("span", HOUR)


def _counters(counted: Counters) -> list[Column]:
    flag_of = flags_of(counted.counters)
    columns = [
        of_events(measure, F.col(flag_of[measure.event_key])).alias(name)
        for measure, name in counted.counters.items()
    ]
    if counted.sequences:
        marks = marks_of(counted.sequences)
        one = F.struct(AT, *SHARED, *marks)
        columns.append(F.collect_list(F.when(any_of(marks), one)).alias(SEQUENCE_EVENTS))
    return columns
