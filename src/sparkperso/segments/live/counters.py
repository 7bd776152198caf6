"""Counters per person, hour and visit: all that the windows of rules are added up from.

A window begins at a full hour, so an hour lies in it or does not; a visit is counted once however
many hours it lasts. The same Columns count as in a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.rules.conditions import Condition, EventFilter, Sequence
from sparkperso.segments.rules.behaviour import AT, VISIT, visit_key
from sparkperso.segments.rules.filters import fits
from sparkperso.segments.rules.measures import Measure, all_measures, of_events
from sparkperso.segments.rules.sequences import all_sequences

HOUR, TOLD, LAST_AT = "hour", "told", "last_at"
SHARED = ("item_id", "session_id")
KEYS = ("user_id", HOUR, VISIT)


@dataclass(frozen=True)
class Counted:
    """What is counted of events, for a set of rules."""

    measures: Mapping[Measure, str]
    """Number that a rule asks for → its column."""
    counters: Mapping[Measure, str]
    """The same numbers of an hour, without a window → their columns."""
    sequences: Mapping[str, Sequence]

    def counter_of(self, measure: Measure) -> str:
        """Returns the counter that a number is added up from."""
        return self.counters[replace(measure, days=None)]

    @property
    def kinds(self) -> dict[str, EventFilter]:
        """Returns the kinds of events that are counted, by the flag that marks them."""
        keys = dict.fromkeys(measure.event_key for measure in self.counters)
        return {f"f{n}": EventFilter.model_validate_json(key) for n, key in enumerate(keys)}

    @property
    def told(self) -> dict[str, EventFilter]:
        """Returns the kinds of events that sequences tell, by the flag that marks them."""
        firsts = {f"first_{name}": sequence.first for name, sequence in self.sequences.items()}
        return firsts | {f"then_{name}": s.then for name, s in self.sequences.items()}


def counted_of(rules: Iterable[Condition]) -> Counted:
    """Returns what a set of rules counts."""
    known = list(rules)
    measures = all_measures(known)
    plain = dict.fromkeys(replace(measure, days=None) for measure in measures)
    counters = {measure: f"c{number}" for number, measure in enumerate(plain)}
    return Counted(measures, counters, all_sequences(known))


def hourly(events: DataFrame, counted: Counted) -> DataFrame:
    """Returns (user_id, hour, visit, counters…, told, last_at) of events, endless ones too.

    `told` lists the events of sequences: their time, what may be shared, and a flag for each
    sequence's first and then; `last_at` is the latest event's time, microseconds since 1970.
    """
    marks = {**counted.kinds, **counted.told}
    narrow = events.where(F.col("user_id").isNotNull()).select(
        "user_id",
        "timestamp",
        F.date_trunc("hour", "timestamp").alias(HOUR),
        visit_key().alias(VISIT),
        F.unix_micros("timestamp").alias(AT),
        "value",
        *SHARED,
        *(fits(wanted).alias(flag) for flag, wanted in marks.items()),
    )
    matching = narrow.where(_any(marks))
    return matching.groupBy(*KEYS).agg(*_counters(counted), F.max(AT).alias(LAST_AT))


def _counters(counted: Counted) -> list[Column]:
    flag_of = {wanted.model_dump_json(): flag for flag, wanted in counted.kinds.items()}
    found = [
        of_events(measure, F.col(flag_of[measure.event_key])).alias(name)
        for measure, name in counted.counters.items()
    ]
    if counted.sequences:
        one = F.struct(AT, *SHARED, *counted.told)
        found.append(F.collect_list(F.when(_any(counted.told), one)).alias(TOLD))
    return found


def _any(flags: Iterable[str]) -> Column:
    return reduce(Column.__or__, [F.col(flag) for flag in flags])
