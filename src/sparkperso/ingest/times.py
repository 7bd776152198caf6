"""Reads event times of whatever form as UTC timestamps."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

ISO_DATE = r"^\d{4}-\d{2}-\d{2}"
OFFSET = r":\d{2}(\.\d+)?\s*(Z|z|UTC|GMT|[+-]\d{2}(:?\d{2})?)$"
DIGITS = r"^-?\d{9,19}$"
EPOCH_LIMIT = 100_000_000_000_000


def event_time(
    sent: Column, kind: T.DataType, time_zone: str, formats: Sequence[str] = ()
) -> Column:
    """Returns a UTC timestamp, null where `sent` cannot be read.

    A timestamp is an instant. A timestamp without zone, a text without offset, and nanoseconds
    (which pandas writes for times without zone) are wall time in `time_zone`. Other numbers, and
    texts of digits, are epoch milliseconds. `formats` are Spark patterns for texts that are not
    ISO 8601.
    """
    if isinstance(kind, T.TimestampType):
        return sent
    if isinstance(kind, (T.TimestampNTZType, T.DateType)):
        return _from_wall(sent.cast("timestamp"), time_zone)
    if isinstance(kind, T.NumericType):
        return _from_epoch(sent.try_cast("bigint"), time_zone)
    return _from_text(F.trim(sent.cast("string")), time_zone, formats)


def choose_formats(sent: DataFrame, formats: Sequence[str]) -> tuple[str, ...]:
    """Returns the one pattern that reads most of the texts in the single column of `sent`.

    Day and month can be told apart only over a whole input, so the choice is made once per run;
    the first of equals wins. Empty when all texts of the first thousand are ISO 8601 or digits.
    """
    text = F.trim(sent[0].cast("string"))
    odd = text.isNotNull() & _from_text(text, "UTC", ()).isNull()
    if not formats or sent.limit(1000).where(odd).isEmpty():
        return ()
    reads = [F.count(F.try_to_timestamp(text, F.lit(pattern))) for pattern in formats]
    counts = sent.where(odd).agg(*reads).first()
    if counts is None or not max(counts):
        return ()
    return (formats[list(counts).index(max(counts))],)


def _from_text(text: Column, time_zone: str, formats: Sequence[str]) -> Column:
    read = text.try_cast("timestamp")
    iso = read
    if time_zone != "UTC":
        iso = F.when(text.rlike(OFFSET), read).otherwise(_from_wall(read, time_zone))
    others = [_from_wall(F.try_to_timestamp(text, F.lit(p)), time_zone) for p in formats]
    otherwise = F.coalesce(*others) if others else F.lit(None).cast("timestamp")
    return (
        F.when(text.rlike(ISO_DATE), iso)
        .when(text.rlike(DIGITS), _from_epoch(text.try_cast("bigint"), time_zone))
        .otherwise(otherwise)
    )


def _from_epoch(number: Column, time_zone: str) -> Column:
    """Milliseconds; beyond what they can mean (the year 5138), nanoseconds of wall time."""
    nanoseconds = F.timestamp_micros(F.call_function("div", number, F.lit(1000)))
    is_milliseconds = number.between(-EPOCH_LIMIT, EPOCH_LIMIT)
    return F.when(is_milliseconds, F.timestamp_millis(number)).otherwise(
        _from_wall(nanoseconds, time_zone)
    )


def _from_wall(wall: Column, time_zone: str) -> Column:
    """The session's zone is UTC, so wall time arrives as if it were UTC."""
    return wall if time_zone == "UTC" else F.to_utc_timestamp(wall, time_zone)
