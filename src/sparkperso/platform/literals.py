"""Literals of Spark: times that no time zone of a session or a process changes, empty arrays.

`F.lit(datetime)` reads a naive time in the zone of the Python process, a text that is cast, or
`TIMESTAMP '…'` in SQL, in that of the session: here a naive time is UTC, and becomes a number.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from pyspark.sql import Column
from pyspark.sql import functions as F

EPOCH = datetime(1970, 1, 1)


def instant(when: datetime) -> Column:
    """Returns a time as a timestamp; a naive one is UTC."""
    return F.timestamp_micros(F.lit(micros(when)).cast("bigint"))


def empty_array(kind: str) -> Column:
    """Returns an array without entries of a type, as DDL names it: `string`, `struct<…>`.

    `F.array()` alone holds nulls of no type, which unions and coalesce read each in its own way.
    """
    return F.array().cast(f"array<{kind}>")


def instant_sql(when: datetime) -> str:
    """Returns `instant` as text of SQL, for conditions that are no Columns."""
    return f"timestamp_micros({micros(when)}L)"


def micros(when: datetime) -> int:
    """Returns a time as microseconds since 1970; a naive one is UTC."""
    return (naive_utc(when) - EPOCH) // timedelta(microseconds=1)


def moment(number: int) -> datetime:
    """Returns the time (UTC, naive) of a number of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=number)


def aware(when: datetime) -> datetime:
    """Returns a time with its zone, for rows that Python hands to Spark; a naive one is UTC."""
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)


def naive_utc(when: datetime) -> datetime:
    """Returns a time as UTC without a zone; a naive one is taken for UTC."""
    return when.astimezone(timezone.utc).replace(tzinfo=None) if when.tzinfo else when
