"""What one connection and one request may take of a service, whichever it is."""

from __future__ import annotations

from pydantic import Field

from sparkperso.core.section import Section


class ConnectionLimits(Section):
    """Bounds of connections and bodies. Times are seconds, sizes bytes."""

    max_body_bytes: int = Field(default=1_048_576, ge=1024)
    """Bytes of a request's body, as sent and after unpacking."""
    body_seconds: float = Field(default=10.0, gt=0)
    """Time in which the headers of a request must have come, and then its body, answered or not;
    and in which a client must read on what it is sent."""
    idle_seconds: float = Field(default=5.0, gt=0)
    """How long a connection is kept between two requests."""
    stream_idle_seconds: float = Field(default=300.0, gt=0)
    """How long a WebSocket may be silent; one that does not answer pings ends after 40 seconds."""
    max_connections: int = Field(default=2_048, ge=1)
    """Connections at a time, WebSockets among them; requests on further ones are answered with
    503."""
    max_connections_per_address: int = Field(default=256, ge=1)
    """Connections at a time from one address that is no trusted proxy's."""
    max_streams: int = Field(default=1_024, ge=1)
    """WebSockets, or streams of events, at a time; never more than half of max_connections."""
    max_streams_per_address: int = Field(default=64, ge=1)
    """The same of one address, also behind a trusted proxy, and of one user."""
    shutdown_seconds: int = Field(default=10, ge=1)
    """How long requests that are under way may take once the service is told to end."""
