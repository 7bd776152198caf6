"""Where a request comes from, and what its sender rejects: what decides which consent is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
PART = re.compile(r"[A-Z0-9]{1,3}", re.ASCII)
REGION = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}", re.ASCII)
MAX_CODE = 8
ALIASES = {"UK": "GB", "EL": "GR"}
UNKNOWN = frozenset({"XX", "ZZ", "AP", "EU"})
"""What proxies say of an address whose country they do not know."""


def region_in(headers: Mapping[bytes, bytes], region_header: bytes | None) -> str | None:
    """Returns the country that a trusted proxy names in its header, or a part of one (ISO 3166).

    None where no header is configured, and for what is no code or stands for an unknown country.
    """
    if not region_header:
        return None
    code = _code(headers.get(region_header, b"").decode("latin-1"))
    is_known = COUNTRY.fullmatch(code) or REGION.fullmatch(code)
    return code if is_known and code not in UNKNOWN else None


def has_opted_out(headers: Mapping[bytes, bytes]) -> bool:
    """Says whether the browser sent Global Privacy Control or Do Not Track."""
    return _is_on(headers.get(b"sec-gpc")) or _is_on(headers.get(b"dnt"))


def place_of(country: Any, region: Any) -> str | None:
    """Returns where an event says that it happened: `DE`, or the part of a country, `US-CA`.

    The part may be sent with its country or without: `US-CA` or `CA`. None for what is no code.

    >>> place_of("us", "CA"), place_of(None, "US-CA"), place_of("UK", None), place_of("Mars", None)
    ('US-CA', 'US-CA', 'GB', None)
    """
    if country is None and region is None:
        return None
    whole, part = _code(country), _code(region)
    if REGION.fullmatch(part) and whole in ("", part[:2]):
        return part
    if not COUNTRY.fullmatch(whole):
        return None
    return f"{whole}-{part}" if PART.fullmatch(part) else whole


def _code(text: Any) -> str:
    code = text.strip().upper() if isinstance(text, str) and len(text) <= MAX_CODE else ""
    return ALIASES.get(code, code)


def _is_on(value: bytes | None) -> bool:
    """Says whether a signal is on; of one that came several times, any 1 counts."""
    return value is not None and b"1" in map(bytes.strip, value.split(b","))
