"""What rules measure of events: every number that any of them asks for, once.

A number is added up in two steps, over the events of a visit and over the visits of a person,
since different visits are to be counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.rules import conditions as c
from sparkperso.rules.evaluate import DECIMALS, window_start
from sparkperso.rules.traverse import parts_of

COUNT, SUM, VISITS, LAST, USED = "count", "sum_value", "visits", "days_since_last", "uses"


@dataclass(frozen=True)
class Measure:
    """One number: of which events, within how many days. Equal ones are the same number.

    So however many rules compare it, it is added up once.
    """

    kind: str
    event_key: str
    """The kind of events, as JSON."""
    days: float | None

    def start(self, as_of: datetime) -> datetime | None:
        """Returns where its window begins; None when everything counts."""
        return None if self.days is None else window_start(as_of, self.days)

    @property
    def events(self) -> c.EventFilter:
        """Returns the kind of events."""
        return c.EventFilter.model_validate_json(self.event_key)


def measures_of(condition: c.MeasureCondition) -> list[Measure]:
    """Returns what a condition measures: one number, or one for each product feature it names."""
    if isinstance(condition, c.Uses):
        kinds = [c.EventFilter(metadata={"feature": (name,)}) for name in condition.uses]
        return [Measure(USED, kind.model_dump_json(), condition.within_days) for kind in kinds]
    kind = next(name for name in (COUNT, SUM, VISITS, LAST) if name in type(condition).model_fields)
    events: c.EventFilter = getattr(condition, kind)
    return [Measure(kind, events.model_dump_json(), condition.within_days)]


def all_measures(conditions: Iterable[c.Condition]) -> dict[Measure, str]:
    """Returns every number of the conditions, each once, and the column (`m0`, `m1`, …) it gets."""
    parts = [part for condition in conditions for part in parts_of(condition)]
    measured = [part for part in parts if isinstance(part, c.MeasureCondition)]
    distinct = dict.fromkeys(measure for part in measured for measure in measures_of(part))
    return {measure: f"m{number}" for number, measure in enumerate(distinct)}


def flags_of(measures: Iterable[Measure]) -> dict[str, str]:
    """Returns the kinds of events (as JSON) that measures count, and the flag that marks each."""
    kinds = dict.fromkeys(measure.event_key for measure in measures)
    return {kind: f"f{number}" for number, kind in enumerate(kinds)}


def of_events(measure: Measure, matches: Column) -> Column:
    """Returns the aggregate over the events of a visit that match, of columns `at` and `value`.

    `at` is microseconds since 1970, `value` in currency. Null where there is nothing, 0 for a
    count.
    """
    if measure.kind == COUNT:
        return F.count_if(matches)
    if measure.kind == SUM:
        return F.sum(F.when(matches, F.col("value")))
    if measure.kind == LAST:
        return F.max(F.when(matches, F.col("at")))
    # Of visits and uses it only matters whether there was one.
    return F.max(F.when(matches, F.lit(1).cast("bigint")))


def of_visits(measure: Measure, column: str) -> Column:
    """Returns the aggregate over a person's visits of what `of_events` gave for each visit."""
    return F.max(column) if measure.kind in (LAST, USED) else F.sum(column)


def with_rounded_sums(numbers: DataFrame, measures: Mapping[Measure, str]) -> DataFrame:
    """Returns the numbers with their sums rounded, so that the order of adding does not show."""
    sums = [name for measure, name in measures.items() if measure.kind == SUM]
    if not sums:
        return numbers
    return numbers.withColumns({name: F.round(name, DECIMALS) for name in sums})
