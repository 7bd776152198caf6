"""What a request says beside its events: when it came, from where, what its sender rejects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sparkperso.core.times import iso, now
from sparkperso.services.http.signals import has_opted_out, region_in


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
    return RequestContext(
        iso(now()),
        region_in(headers, region_header),
        has_opted_out(headers),
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
