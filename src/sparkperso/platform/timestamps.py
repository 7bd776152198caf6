"""Reads times of whatever form as UTC timestamps, in Columns: the grammar of `core.times`.

No result depends on the session's time zone.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.core.times import (
    DATE,
    ISO,
    MICROS_BELOW,
    MILLIS_BELOW,
    NUMBER,
    SECONDS_BELOW,
    SMALLEST,
)

FULL = rf"^{DATE}[T ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]+)?"
INSTANT = rf"{FULL}(?:Z|[+-](?:0[0-9]|1[0-7]):[0-5][0-9])$"
WALL = rf"{FULL}$"
DIGITS = r"^[0-9]{9,19}$"
DECIMAL = "decimal(38,18)"
UTC = "UTC"
MICROS = {
    "seconds": "1000000",
    "milliseconds": "1000",
    "microseconds": "1",
    "nanoseconds": "0.001",
}
"""Unit → microseconds in one of it."""
Scaled = Callable[[int], Column]


def timestamp_of(
    sent: Column,
    kind: T.DataType,
    time_zone: str = UTC,
    smallest: int = SMALLEST,
    unit: str | None = None,
) -> Column:
    """Returns a UTC timestamp of a column of type `kind`, null where it cannot be read.

    A timestamp is an instant. A date, a timestamp without zone and a text without offset are wall
    time in `time_zone`. Numbers, and texts of numbers, count since 1970, in seconds to nanoseconds
    by their size, where those below `smallest` are no times, or in `unit`, whatever their size.
    """
    if isinstance(kind, T.TimestampType):
        return sent
    if isinstance(kind, (T.TimestampNTZType, T.DateType)):
        return _of_iso(sent.cast("string"), time_zone)
    if unit and isinstance(kind, T.NumericType):
        return _in_unit(sent, unit)
    if isinstance(kind, T.IntegralType):
        return _of_whole(sent.cast("bigint"), smallest)
    if isinstance(kind, T.NumericType):
        return _of_decimal(sent.try_cast(DECIMAL), smallest)
    text = F.trim(sent.cast("string"))
    number = F.when(text.rlike(DIGITS), _of_whole(text.try_cast("bigint"), smallest)).when(
        text.rlike(f"^{NUMBER}$"), _of_decimal(text.try_cast(DECIMAL), smallest)
    )
    if unit:
        number = F.when(text.rlike(f"^{NUMBER}$"), _in_unit(text, unit))
    suffix = _suffix(time_zone)
    # Almost all are of the first two forms: the others may cost more.
    return (
        F.when(text.rlike(INSTANT), text.try_cast("timestamp"))
        .when(text.rlike(WALL), F.concat(text, F.lit(suffix)).try_cast("timestamp"))
        .when(text.rlike(f"^{ISO}$"), _of_iso(text, time_zone))
        .otherwise(number)
    )


def _suffix(time_zone: str) -> str:
    return "Z" if time_zone == UTC else f" {time_zone}"


def _of_iso(text: Column, time_zone: str) -> Column:
    """Any text of the grammar, written as Spark reads it: all parts, six digits, one zone."""
    part = [F.regexp_extract(text, f"^{ISO}$", place) for place in range(1, 6)]
    day, minute, second, digits, zone = part
    written = F.concat(
        day,
        F.lit("T"),
        _or_else(minute, "00:00"),
        F.lit(":"),
        _or_else(second, "00"),
        F.lit("."),
        F.left(_or_else(digits, "0"), F.lit(6)),
        F.when(zone == "", _suffix(time_zone))
        .when(F.lower(zone) == "z", "Z")
        .otherwise(F.concat(F.lit(" "), zone)),
    )
    return written.try_cast("timestamp")


def _or_else(part: Column, otherwise: str) -> Column:
    return F.when(part != "", part).otherwise(otherwise)


def _of_whole(number: Column, smallest: int) -> Column:
    nanos = F.call_function("div", number, F.lit(1000))
    return _by_size(number, smallest, lambda factor: number * factor, nanos)


def _of_decimal(number: Column, smallest: int) -> Column:
    nanos = F.floor(number / 1000).try_cast("bigint")
    scaled: Scaled = lambda factor: F.floor(number * factor).try_cast("bigint")  # noqa: E731
    return _by_size(number, smallest, scaled, nanos)


def _in_unit(number: Column, unit: str) -> Column:
    """A number of a unit; null where it is too large for any time."""
    micros = number.try_cast(DECIMAL) * F.lit(MICROS[unit]).cast("decimal(10,3)")
    is_time = F.abs(micros) < MICROS_BELOW
    return F.when(is_time, F.timestamp_micros(F.floor(micros).try_cast("bigint")))


def _by_size(number: Column, smallest: int, scaled: Scaled, nanos: Column) -> Column:
    """No absolute value: the smallest bigint has none."""

    def below(bound: int) -> Column:
        return (number > -bound) & (number < bound)

    micros = (
        F.when(below(smallest), None)
        .when(below(SECONDS_BELOW), scaled(10**6))
        .when(below(MILLIS_BELOW), scaled(10**3))
        .when(below(MICROS_BELOW), scaled(1))
        .otherwise(nanos)
    )
    return F.when(number.isNotNull(), F.timestamp_micros(micros))
