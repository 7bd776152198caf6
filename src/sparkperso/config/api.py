"""The section `api`: the personalisation API of `sparkperso serve`."""

from __future__ import annotations

from ipaddress import ip_network

from pydantic import Field, field_validator

from sparkperso.config.connections import ConnectionLimits
from sparkperso.config.traces import TracesConfig
from sparkperso.core.section import Section

MOST_ITEMS = 200
"""Places that a list may have in an answer."""


class StreamsConfig(Section):
    """How open pages are told of changes (`GET /v1/stream`); `limits` says how many may be."""

    poll_seconds: float = Field(default=0.25, gt=0)
    """How often it is asked what has changed, once for all pages of a process."""
    heartbeat_seconds: float = Field(default=15.0, gt=0)
    """How often a stream without news says that it is there; proxies end what is silent."""


class ApiConfig(Section):
    """How lists and content are answered with, and what happens where they cannot be."""

    limits: ConnectionLimits = Field(
        default_factory=lambda: ConnectionLimits(max_body_bytes=262_144)
    )
    """Connections and bodies."""
    streams: StreamsConfig = Field(default_factory=StreamsConfig)
    """Pages that are told of changes."""
    items: int = Field(default=10, ge=1, le=MOST_ITEMS)
    """Places of a list that a request asks no number of."""
    budget_ms: float = Field(default=50.0, gt=0)
    """How long the store may take for one request; then the fallback is answered."""
    failures: int = Field(default=5, ge=1)
    """Reads that fail one after the other before the store is left alone for a while."""
    pause_seconds: float = Field(default=1.0, gt=0)
    """How long it then is; after that one request tries it."""
    refresh_seconds: float = Field(default=1.0, gt=0)
    """How often a new version of the store is looked for."""
    stale_hours: float = Field(default=0.0, ge=0)
    """Lists that are older are still answered with, and `fallback` says `stale_model`; 0: no list
    is too old."""
    default_items: tuple[str, ...] = ()
    """Items to answer with where the store never answered: their ids, the best first."""
    log_decisions: bool = True
    """Whether what was decided is kept, for silver/decisions; `decision_id` is answered in any
    case."""
    max_pending_decisions: int = Field(default=100_000, ge=1)
    """Decisions that may wait to be written; more are dropped, and counted."""
    drain_seconds: float = Field(default=2.0, ge=0, le=60)
    """How long requests are still taken after SIGTERM, while /readyz says no: the time in which
    who balances load looks again. Ctrl-C leaves it out."""
    log_requests: float = Field(default=0.0, ge=0, le=1)
    """Share of the requests that have a line in the log: method, route, status, milliseconds, kind
    of caller. Above 0 each one that failed has one."""
    traces: TracesConfig = Field(default_factory=TracesConfig)
    """Spans of requests, reads of the store and decisions, by OpenTelemetry."""
    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1")
    """Addresses or networks (CIDR) of proxies whose X-Forwarded-For says who sends."""
    region_header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$")
    """Header in which a trusted proxy gives the country (`CF-IPCountry`): it decides which rule of
    consent holds. Without it the request's own country does."""

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            ip_network(proxy, strict=False)  # its message names what it found
        return proxies
