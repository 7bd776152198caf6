"""The one grammar of time: texts of ISO 8601 and numbers since 1970. docs/times.md explains it.

`read_time` is for plain Python (the collector, command lines); `timestamps` reads the same with
Spark. A table of vectors in the tests holds them together.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import ROUND_FLOOR, Decimal
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
TIME: Final = r"([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
OFFSET: Final = r"[+-](?:(?:0[0-9]|1[0-7])(?::?[0-5][0-9])?|18(?::?00)?)"
NAME: Final = r"[A-Z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)+"
ZONE: Final = rf"[Zz]|UTC|GMT|{OFFSET}|{NAME}"
ISO: Final = rf"({DATE})(?:[Tt ]{TIME}(?: ?({ZONE})(?:\[{NAME}\])?)?)?"
"""Groups: date; hours and minutes; seconds; digits of a second; zone. A text in `[]` after an
offset, as Java writes it, only names the zone that the offset comes from."""
NUMBER: Final = r"[+-]?[0-9]{1,38}(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?"
SMALLEST: Final = 10**8
"""Smaller numbers are no times: counters, years and dates of eight digits are among them."""
SECONDS_BELOW, MILLIS_BELOW, MICROS_BELOW = 10**11, 10**14, 10**17
EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)

_ISO = re.compile(ISO, re.ASCII)
_NUMBER = re.compile(NUMBER, re.ASCII)
_FIELDS = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})?")
_zones = cache(available_timezones)


def known_zone(name: str) -> str:
    """Returns the name of a time zone; raises ValueError where the IANA list has none of it."""
    if name not in _zones():
        raise ValueError(f"'{name}' is not a time zone of the IANA list, such as Europe/London")
    return name


def now() -> datetime:
    """Returns the time in UTC."""
    return datetime.now(timezone.utc)


def iso(moment: datetime) -> str:
    """Returns a time as ISO 8601 in UTC with microseconds and Z, of one length, so that it sorts.

    Raises OverflowError when its UTC time is outside the years 1 to 9999.

    >>> iso(datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=1))))
    '2026-03-01T11:00:00.000000Z'
    """
    utc = moment.astimezone(timezone.utc)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"


def read_time(value: Any, zone: tzinfo | None = None) -> datetime:
    """Returns a time as sent, a text or a number, in UTC; fractions of microseconds are cut off.

    A text is ISO 8601, or digits; a number counts seconds, milliseconds, microseconds or
    nanoseconds since 1970, as its size says. A text without offset is wall time in `zone`. Raises
    ValueError for what is no time, and for a text without offset where there is no `zone`.

    >>> read_time("2026-03-01T12:00:00+01:00") == read_time(1772362800) == read_time(1772362800e3)
    True
    """
    try:
        if not isinstance(value, str):
            return _of_number(value)
        text = value.strip()
        if _NUMBER.fullmatch(text):
            return _of_number(Decimal(text))
        return _of_text(text, zone)
    except (OverflowError, ArithmeticError) as error:
        raise ValueError("not a date of the calendar") from error


def _of_text(text: str, zone: tzinfo | None) -> datetime:
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError("not ISO 8601")
    day, minute, second, digits, named = match.groups()
    moment = datetime.fromisoformat(f"{day}T{minute or '00:00'}:{second or '00'}")
    # Cut to six digits or filled up to them: microseconds.
    moment = moment.replace(microsecond=int(f"{digits or '':0<6.6}"))
    zone = _zone(named) if named else zone
    if zone is None:
        raise ValueError("no offset")
    return moment.replace(tzinfo=zone).astimezone(timezone.utc)


def _zone(name: str) -> tzinfo:
    if name in ("Z", "z", "UTC", "GMT"):
        return timezone.utc
    offset_parts = _FIELDS.fullmatch(name)
    if offset_parts:
        offset = timedelta(hours=int(offset_parts[2]), minutes=int(offset_parts[3] or 0))
        return timezone(-offset if offset_parts[1] == "-" else offset)
    if name not in _zones():
        raise ValueError("no zone of the IANA database")
    return ZoneInfo(name)


def _of_number(value: Any) -> datetime:
    """Of a number since 1970; its size tells whether it counts s, ms, µs or ns."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("not a time")
    # By its shortest text: as a float 1.1e9 + 0.1 would have digits that nobody sent.
    number: int | Decimal = Decimal(repr(value)) if isinstance(value, float) else value
    if isinstance(number, Decimal) and not number.is_finite():
        raise ValueError("not a number")
    size: int | Decimal = number if number >= 0 else -number
    micros: int | Decimal
    if size < SMALLEST:
        raise ValueError("too small to be a time")
    if size < SECONDS_BELOW:
        micros = number * 10**6
    elif size < MILLIS_BELOW:
        micros = number * 10**3
    else:
        micros = number if size < MICROS_BELOW else number // 1000
    if isinstance(micros, Decimal):
        micros = micros.to_integral_value(ROUND_FLOOR)
    return EPOCH + timedelta(microseconds=int(micros))
