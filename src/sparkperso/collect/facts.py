"""What a request says beside its events: when it came, from where, what its sender rejects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import NamedTuple


class Facts(NamedTuple):
    """Facts of one request that hold for all its events.

    `received_at` is ISO 8601; `region` is ISO 3166-1 alpha-2 where a trusted proxy says so;
    `opted_out` is true when the browser sent Global Privacy Control or Do Not Track;
    `anonymous_id` is the cookie's; `sender` stands for the address that limits are counted by, is
    None where no address is known, and is never kept.
    """

    received_at: str
    region: str | None = None
    opted_out: bool = False
    anonymous_id: str | None = None
    sender: str | None = None


def now() -> datetime:
    """Returns the time in UTC."""
    return datetime.now(timezone.utc)


def iso(moment: datetime) -> str:
    """Returns a time as ISO 8601 in UTC with microseconds and Z, of one length, so that it sorts.

    Raises OverflowError when its UTC time is outside the years 1 to 9999.
    """
    utc = moment.astimezone(timezone.utc)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"


def facts_of(
    headers: Mapping[bytes, bytes],
    region_header: bytes | None,
    anonymous_id: str | None,
    sender: str | None = None,
) -> Facts:
    """Returns the facts of a request's headers (names in lower case)."""
    region = _country(headers.get(region_header)) if region_header else None
    opted_out = _is_on(headers.get(b"sec-gpc")) or _is_on(headers.get(b"dnt"))
    return Facts(
        now().isoformat(timespec="microseconds")[:-6] + "Z",
        region,
        opted_out,
        anonymous_id,
        sender,
    )


def _is_on(value: bytes | None) -> bool:
    """Says whether a signal is on; of one that came several times, any 1 counts."""
    return value is not None and b"1" in map(bytes.strip, value.split(b","))


def _country(value: bytes | None) -> str | None:
    code = (value or b"").decode("latin-1").upper()
    return code if len(code) == 2 and code.isascii() and code.isalpha() else None
