"""Traces by OpenTelemetry: what a request took its time for. Imported by nobody who has none.

A span names routes, strategies and counts; no path, id or address of anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sparkperso import __version__
from sparkperso.config.traces import TracesConfig
from sparkperso.core.errors import ConfigError
from sparkperso.services.http.request_log import REQUEST_ID, TRACE_ID, template_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider

PARENTS = (b"traceparent", b"tracestate")
"""Headers of W3C's Trace Context, which name the span that a request is part of."""


class Traces:
    """Makes the spans of one service, and hands them on in a thread of their own."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace import SpanKind, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("sparkperso", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._server, self._error = SpanKind.SERVER, StatusCode.ERROR

    @contextmanager
    def span(self, name: str, **attributes: Any) -> Iterator[Any]:
        """Times the block as a span within the one that is open; an error that leaves it shows."""
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False
        ) as span:
            yield span

    @contextmanager
    def request(self, headers: Mapping[str, str], method: str) -> Iterator[Span]:
        """Times the block as the span of a request, within the sender's, if it names one."""
        parent = self._propagator.extract(headers)
        with self._tracer.start_as_current_span(
            method, parent, self._server, record_exception=False
        ) as span:
            yield span  # type: ignore[misc]

    def end_request(self, span: Span, scope: Scope, status: int) -> None:
        """Says what the request was, which is known once it was answered."""
        route = template_of(scope)
        span.update_name(f"{scope['method']} {route}")
        told = {
            "http.request.method": scope["method"],
            "http.route": route,
            "http.response.status_code": status,
            "sparkperso.caller": scope.get("caller"),
            "sparkperso.request_id": REQUEST_ID.get(),
        }
        span.set_attributes({name: value for name, value in told.items() if value is not None})
        if status >= 500:
            span.set_status(self._error)

    def close(self) -> None:
        """Hands on what waits; takes as long as the receiver does, a few seconds at most."""
        self._provider.shutdown()


class TracedRequests:
    """Opens the span of each request, around an application."""

    def __init__(self, app: ASGIApp, traces: Traces) -> None:
        self._app, self._traces = app, traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        parents = {n.decode(): v.decode("latin-1") for n, v in scope["headers"] if n in PARENTS}
        with self._traces.request(parents, scope["method"]) as span:
            TRACE_ID.set(f"{span.get_span_context().trace_id:032x}")
            try:
                await self._app(scope, receive, send_on)
            finally:
                self._traces.end_request(span, scope, status)


def make_traces(
    config: TracesConfig, service: str, processor: SpanProcessor | None = None
) -> Traces | None:
    """Returns the traces of a service; None where they go nowhere.

    `processor` takes the spans in place of the exporter that is configured. Raises ConfigError
    where the extra `otel` is not installed.
    """
    if config.endpoint is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ModuleNotFoundError as missing:
        raise ConfigError(
            "Traces need the extra 'otel' (OpenTelemetry)",
            str(missing),
            "Install it: pip install 'sparkperso[otel]', or leave the endpoint out",
        ) from None
    resource = Resource.create({"service.name": service, "service.version": __version__})
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(config.share)),
        resource=resource,
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(config.endpoint, timeout=config.timeout_seconds)
    provider.add_span_processor(processor or BatchSpanProcessor(exporter))
    return Traces(provider)
