"""Reads event times of whatever form as UTC timestamps: the grammar of docs/times.md."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.config.sources.source import TimeUnit
from sparkperso.platform.timestamps import timestamp_of

QUOTED = re.compile(r"'[^']*'")
ZONE_LETTERS = frozenset("VzOXxZ")
"""Letters of Spark's patterns that stand for an offset or a zone."""


def event_time(
    sent: Column,
    kind: T.DataType,
    time_zone: str,
    formats: Sequence[str] = (),
    unit: TimeUnit | None = None,
) -> Column:
    """Returns a UTC timestamp, null where `sent` cannot be read; see `timestamp_of`.

    `unit` is that of numbers. `formats` are Spark patterns for texts that are not ISO 8601; what
    they read without an offset is wall time in `time_zone`.
    """
    read = timestamp_of(sent, kind, time_zone, unit=unit)
    if not formats or not isinstance(kind, T.StringType):
        return read
    text = F.trim(sent)
    return F.coalesce(read, *(_by_pattern(text, one, time_zone) for one in formats))


def choose_formats(sent: DataFrame, formats: Sequence[str]) -> tuple[str, ...]:
    """Returns the one pattern that reads most of the texts in the single column of `sent`.

    Day and month can be told apart only over a whole input, so the choice is made once per run;
    the first of equals wins. Empty when all texts of the first thousand are read without, and for
    typed times.
    """
    if not formats or not isinstance(sent.schema[0].dataType, T.StringType):
        return ()
    text = F.trim(sent[0])
    odd = text.isNotNull() & timestamp_of(text, T.StringType()).isNull()
    if sent.limit(1000).where(odd).isEmpty():
        return ()
    reads = [F.count(F.try_to_timestamp(text, F.lit(pattern))) for pattern in formats]
    counts = sent.where(odd).agg(*reads).first()
    if counts is None or not max(counts):
        return ()
    return (formats[list(counts).index(max(counts))],)


def _by_pattern(text: Column, pattern: str, time_zone: str) -> Column:
    """A pattern with a zone gives an instant; else the session, in UTC, reads wall time."""
    read = F.try_to_timestamp(text, F.lit(pattern))
    has_zone = not ZONE_LETTERS.isdisjoint(QUOTED.sub("", pattern))
    return read if has_zone or time_zone == "UTC" else F.to_utc_timestamp(read, time_zone)
