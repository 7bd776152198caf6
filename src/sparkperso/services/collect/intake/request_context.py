"""What a request says beside its events: when it came, from where, what its sender rejects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sparkperso.core.times import iso, now

COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
PART = re.compile(r"[A-Z0-9]{1,3}", re.ASCII)
REGION = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}", re.ASCII)
MAX_CODE = 8
ALIASES = {"UK": "GB", "EL": "GR"}
UNKNOWN = frozenset({"XX", "ZZ", "AP", "EU"})
"""What proxies say of an address whose country they do not know."""


class RequestContext(NamedTuple):
    """Facts of one request that hold for all its events.

    `received_at` is ISO 8601; `region` is ISO 3166-1 alpha-2, or a part of such a country (ISO
    3166-2), where a trusted proxy says so, and `has_region_header` that one should;
    `opted_out` is true when the browser sent Global Privacy Control or Do Not Track;
    `anonymous_id` is the cookie's; `sender` stands for the address that limits are counted by, is
    None where no address is known, and is never kept.
    """

    received_at: str
    region: str | None = None
    opted_out: bool = False
    anonymous_id: str | None = None
    sender: str | None = None
    has_region_header: bool = False


def context_of(
    headers: Mapping[bytes, bytes],
    region_header: bytes | None,
    anonymous_id: str | None,
    sender: str | None = None,
) -> RequestContext:
    """Returns the facts of a request's headers (names in lower case), and its time of arrival.

    `region_header` is the one in which a trusted proxy names the country of the sender's address.
    Global Privacy Control (Sec-GPC) and Do Not Track both count as a signal.
    """
    region = None
    if region_header:
        code = _code(headers.get(region_header, b"").decode("latin-1"))
        is_known = COUNTRY.fullmatch(code) or REGION.fullmatch(code)
        region = code if is_known and code not in UNKNOWN else None
    opted_out = _is_on(headers.get(b"sec-gpc")) or _is_on(headers.get(b"dnt"))
    return RequestContext(
        iso(now()),
        region,
        opted_out,
        anonymous_id,
        sender,
        region_header is not None,
    )


def later(facts: RequestContext, steps: int) -> RequestContext:
    """Returns the facts `steps` microseconds later.

    A decision, and what follows it in its request, arrives after what stands before it, so that
    ingest judges each event by the decisions before it.
    """
    # Not `read_time`: this is our own text, read once per decision of a batch.
    arrived = datetime.fromisoformat(f"{facts.received_at[:-1]}+00:00")
    return facts._replace(received_at=iso(arrived + timedelta(microseconds=steps)))


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
