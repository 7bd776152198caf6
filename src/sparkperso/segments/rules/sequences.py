"""Sequences: an event that another of the same person followed within some days, or did not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from sparkperso.metrics.filters import any_of, fits
from sparkperso.rules.conditions import Condition, EventFilter, Sequence, SequenceCondition
from sparkperso.rules.evaluate import window_start
from sparkperso.rules.traverse import parts_of
from sparkperso.segments.rules.behaviour import AT, earliest, micros, span, start_of, until


def all_sequences(conditions: Iterable[Condition]) -> dict[str, Sequence]:
    """Returns the sequences of the conditions, each once, by its column (`s0`, `s1`, …)."""
    parts = [part for condition in conditions for part in parts_of(condition)]
    distinct = {
        part.sequence.model_dump_json(): part.sequence
        for part in parts
        if isinstance(part, SequenceCondition)
    }
    return {f"s{number}": sequence for number, sequence in enumerate(distinct.values())}


def followed(events: DataFrame, sequences: Mapping[str, Sequence], as_of: datetime) -> DataFrame:
    """Returns (user_id, one boolean per sequence), one row per user with an event of one."""
    in_reach = until(events, as_of, earliest(_start(s, as_of) for s in sequences.values()))
    narrow = in_reach.select(
        "user_id",
        F.unix_micros("timestamp").alias(AT),
        *sorted({sequence.same for sequence in sequences.values() if sequence.same}),
        *(fits(kind).alias(flag) for flag, kind in marks_of(sequences).items()),
    )
    return evaluate_sequences(narrow, sequences, micros(as_of))


def marks_of(sequences: Mapping[str, Sequence]) -> dict[str, EventFilter]:
    """Returns the kinds of events that sequences consist of, and the flag that marks each."""
    firsts = {f"first_{name}": sequence.first for name, sequence in sequences.items()}
    return firsts | {f"then_{name}": sequence.then for name, sequence in sequences.items()}


def evaluate_sequences(
    narrow: DataFrame, sequences: Mapping[str, Sequence], now: Column
) -> DataFrame:
    """Returns what `followed` does, of events that are marked already.

    `now` and the `at` of `narrow` are microseconds since 1970; `narrow` has user_id, what sequences
    share, and `first_<name>` and `then_<name>` of each. Sequences that share the same field are
    evaluated by one sort of their events.
    """
    by_field: dict[str, dict[str, Sequence]] = {}
    for name, sequence in sequences.items():
        by_field.setdefault(sequence.same or "", {})[name] = sequence
    frames = [_of_field(narrow, group, field, now) for field, group in sorted(by_field.items())]
    return reduce(lambda a, b: a.join(b, on="user_id", how="full_outer"), frames)


def _of_field(
    narrow: DataFrame, sequences: Mapping[str, Sequence], field: str, now: Column
) -> DataFrame:
    # Fewer rows to sort: an event that begins and ends no sequence changes none.
    marked = narrow.where(any_of(marks_of(sequences)))
    marked = marked.where(F.col(field).isNotNull()) if field else marked
    keys = ["user_id", field] if field else ["user_id"]
    # Rows of later moments only: what happens at the same moment does not follow.
    later = Window.partitionBy(*keys).orderBy(AT).rangeBetween(1, Window.unboundedFollowing)
    next_then = {
        f"next_{name}": F.min(F.when(F.col(f"then_{name}"), F.col(AT))).over(later)
        for name in sequences
    }
    return (
        marked.withColumns(next_then)
        .groupBy("user_id")
        .agg(*(F.max(_is_one(s, n, now)).alias(n) for n, s in sequences.items()))
    )


def _is_one(sequence: Sequence, name: str, now: Column) -> Column:
    """Whether an event is the first of a sequence that came about, or failed to in its time."""
    reach = span(sequence.within_days)
    happened = F.coalesce(F.col(f"next_{name}") <= F.col(AT) + reach, F.lit(False))
    is_one = F.col(f"first_{name}") & (happened if sequence.happens else ~happened)
    if not sequence.happens:
        # What has not followed yet may still follow until the time is up.
        is_one &= F.col(AT) <= now - reach
    back = sequence.in_last_days
    return is_one if back is None else is_one & (F.col(AT) >= start_of(now, back))


def _start(sequence: Sequence, as_of: datetime) -> datetime | None:
    days = sequence.in_last_days
    return None if days is None else window_start(as_of, days)
