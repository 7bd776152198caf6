"""What fits a typed field of an event. What does not is no fault of the event: it goes to metadata.

A shop that names a price "on request" still sold something. Only what says who did what, and when,
can make an event invalid (docs/collector.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from sparkperso.core.event import CHANNELS, Channel

MAX_TEXT = 512
MAX_WHOLE = 2**53
"""Whole floats beyond this are not exact, so that they name nothing."""
NUMBER = re.compile(r"[+-]?(?:\d{1,32}(?:\.\d{0,32})?|\.\d{1,32})(?:[eE][+-]?\d{1,3})?", re.ASCII)
CHANNEL_OF: Mapping[str, Channel] = {channel: channel for channel in CHANNELS}
CODE = re.compile(r"[A-Za-z]{3}", re.ASCII)


def number_of(value: Any) -> int | float | None:
    """Returns a finite number, which may be sent as text with a decimal point; else None.

    "1,299" is none: it is a thousand in one country and one in another.

    >>> number_of("12.50"), number_of("1,299"), number_of(float("nan"))
    (12.5, None, None)
    """
    if isinstance(value, str):
        # Cut before it is searched: a text may have a megabyte.
        text = value[: MAX_TEXT + 1].strip()
        value = float(text) if NUMBER.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def identifier_of(value: Any) -> str | None:
    """Returns an identifier as text: printable text of 1 to MAX_TEXT characters, or a whole number.

    Many shops count, and some write their numbers as 12.0. Else None.

    >>> identifier_of("A-1"), identifier_of(12.0), identifier_of(12.5), identifier_of("")
    ('A-1', '12', None, None)
    """
    if isinstance(value, str):
        return value if 0 < len(value) <= MAX_TEXT and value.isprintable() else None
    # A truth value is an int to Python, and no identifier.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < MAX_WHOLE else None
    return str(value)


def currency_of(value: Any) -> str | None:
    """Returns a code of ISO 4217 in capitals, else None.

    Whether there is such a currency is not asked.

    >>> currency_of(" eur "), currency_of("€")
    ('EUR', None)
    """
    text = value.strip() if isinstance(value, str) and len(value) <= MAX_TEXT else ""
    return text.upper() if CODE.fullmatch(text) else None


def channel_of(value: Any) -> Channel | None:
    """Returns a known channel, whose case does not matter, else None."""
    return CHANNEL_OF.get(value.lower()) if isinstance(value, str) else None


def version_of(value: Any) -> int | None:
    """Returns the version of a schema, a whole number that may be sent as text, else None."""
    number = number_of(value)
    is_whole = number is not None and number == int(number) and abs(number) < MAX_WHOLE
    return int(number) if number is not None and is_whole else None


READERS: Mapping[str, Callable[[Any], Any]] = {
    "session_id": identifier_of,
    "item_id": identifier_of,
    "channel": channel_of,
    "currency": currency_of,
    "value": number_of,
    "schema_version": version_of,
}
"""Field that decorates an event → what of a value fits it."""


def with_rest(metadata: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """Returns metadata with what does not fit a field, as `<name>`, or `raw_<name>` if taken.

    An empty text says nothing, and what JSON has no form for cannot be kept.
    """
    is_number = isinstance(value, float) and not math.isfinite(value)
    if value == "" or is_number:
        return dict(metadata)
    return {name if name not in metadata else f"raw_{name}": value, **metadata}
