"""The section `dashboard`: the pages of `sparkperso dashboard`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from sparkperso.config.collect import PROXIES, networks
from sparkperso.config.connections import ConnectionLimits
from sparkperso.core.section import Section

MOST_STEPS = 6
"""Steps that a funnel has."""
Step = Annotated[str, Field(min_length=1, max_length=128)]


class DashboardConfig(Section):
    """What the pages show, how much of it, and how much memory they take."""

    limits: ConnectionLimits = Field(
        default_factory=lambda: ConnectionLimits(
            max_body_bytes=16_384, max_connections=256, max_connections_per_address=64
        )
    )
    """Connections and bodies; the one body is the token of who signs in."""
    min_group_size: int = Field(default=10, ge=1)
    """A figure of fewer people than this is not shown: it would tell of persons. 1 shows all."""
    window_days: int = Field(default=28, ge=1, le=3660)
    """How far pages look back from the latest event, where a visitor chooses nothing."""
    max_events: int = Field(default=2_000_000, ge=1)
    """Events that one page counts people in; of a longer window the latest days that fit."""
    funnel_steps: tuple[Step, ...] = Field(
        default=("item_view", "add_to_cart", "purchase"), max_length=MOST_STEPS
    )
    """Event types of the funnel that is shown first; those that nobody did are left out of it."""
    max_rows: int = Field(default=500, ge=1, le=100_000)
    """Rows of a table on a page; an export has all, up to `max_export_rows`."""
    max_export_rows: int = Field(default=100_000, ge=1)
    """Rows of a table in a CSV or Parquet file."""
    cache_mb: float = Field(default=128.0, gt=0)
    """Results that are kept until a table of theirs has a new version."""
    refresh_seconds: float = Field(default=5.0, ge=0)
    """How often it is asked whether a table has a new version."""
    threads: int = Field(default=4, ge=1, le=64)
    """Pages that are made at a time; others wait."""
    session_hours: float = Field(default=12.0, gt=0, le=720)
    """How long a browser stays signed in; a token that ends before ends it."""
    mlflow_url: str | None = Field(default=None, pattern=r"^https?://[^\s\"'<>]+$")
    """Where MLflow's pages are, for the link to them; None: what `sparkperso ui` opens."""
    log_requests: float = Field(default=0.0, ge=0, le=1)
    """Share of the requests that have a line in the log. Above 0 each one that failed has one."""
    trusted_proxies: tuple[str, ...] = PROXIES
    """Addresses or networks (CIDR) of proxies whose X-Forwarded-For says who sends."""

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        return networks(proxies)
