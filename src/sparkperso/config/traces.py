"""Where traces of a service go: `api.traces`."""

from __future__ import annotations

from pydantic import Field, field_validator

from sparkperso.core.section import Section


class TracesConfig(Section):
    """Traces by OpenTelemetry; none without an endpoint."""

    endpoint: str | None = None
    """Address that takes OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`. Headers that it
    asks for come from OTEL_EXPORTER_OTLP_HEADERS."""
    share: float = Field(default=0.01, ge=0, le=1)
    """Share of the requests that are traced. Of a request that is part of a trace already (header
    `traceparent`) its sender decides."""
    timeout_seconds: float = Field(default=5.0, gt=0)
    """How long the receiver may take for one batch; no request waits for it."""

    @field_validator("endpoint")
    @classmethod
    def _is_http(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and not endpoint.startswith(("http://", "https://")):
            raise ValueError("should be an address of HTTP: http://HOST:4318/v1/traces")
        return endpoint
