"""The gRPC server of one worker: calls, health and reflection on a port that workers share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from sparkperso.core.errors import UsageError
from sparkperso.services.http.problems import Problem
from sparkperso.services.serve.rpc import personalization_pb2 as pb
from sparkperso.services.serve.rpc.personalization_pb2_grpc import (
    add_PersonalizationServicer_to_server,
)
from sparkperso.services.serve.rpc.servicer import Personalization
from sparkperso.services.serve.service import Service

LOOK_SECONDS = 0.25
"""How often it is looked whether this process is ready."""
MOST_CALLS = 1_024
"""At a time in one process; further ones are refused at once."""
MOST_CALLS_PER_CONNECTION = 100
MOST_METADATA_BYTES = 16_384
SHORTEST_PING_MS = 10_000
NAME = pb.DESCRIPTOR.services_by_name["Personalization"].full_name
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Address(NamedTuple):
    """Where gRPC listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """Returns it as gRPC takes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@asynccontextmanager
async def serving(service: Service, address: Address) -> AsyncIterator[None]:
    """Answers calls while the block runs; calls under way are then answered still.

    Raises UsageError where the port cannot be listened on.
    """
    server = grpc.aio.server(options=_options(service), maximum_concurrent_rpcs=MOST_CALLS)
    add_PersonalizationServicer_to_server(Personalization(service), server)  # type: ignore[no-untyped-call]
    states = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    reflection.enable_server_reflection(
        (NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    try:
        server.add_insecure_port(str(address))
    except RuntimeError as error:
        raise UsageError(
            f"gRPC should listen on {address}",
            f"That is not possible: {error}",
            "Name another port with --grpc-port",
        ) from None
    await _tell(service, states)
    await server.start()
    watch = asyncio.create_task(_watch(service, states))
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await states.enter_graceful_shutdown()
        await server.stop(service.settings.api.limits.shutdown_seconds)


def _options(service: Service) -> list[tuple[str, int]]:
    limits = service.settings.api.limits
    return [
        # Workers share the port; the system deals connections out.
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", limits.max_body_bytes),
        ("grpc.max_metadata_size", MOST_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MOST_METADATA_BYTES),
        ("grpc.max_concurrent_streams", MOST_CALLS_PER_CONNECTION),
        ("grpc.max_connection_idle_ms", round(limits.stream_idle_seconds * 1000)),
        ("grpc.http2.min_ping_interval_without_data_ms", SHORTEST_PING_MS),
        ("grpc.http2.max_ping_strikes", 2),
    ]


async def _watch(service: Service, states: health.aio.HealthServicer) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await _tell(service, states)


async def _tell(service: Service, states: health.aio.HealthServicer) -> None:
    """Says by grpc.health.v1 what /readyz says."""
    try:
        await service.require_ready()
        state = SERVING
    except Problem:
        state = NOT_SERVING
    for name in ("", NAME):
        await states.set(name, state)
