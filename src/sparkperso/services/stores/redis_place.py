"""Where a Redis server is, and what becomes of its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import redis
import redis.asyncio

from sparkperso.services.stores.base import StoreError


@dataclass(frozen=True)
class RedisPlace:
    """Where the server is, and which of its keys are ours. It travels to tasks."""

    url: str
    prefix: str
    timeout_seconds: float
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def connect(self) -> Any:
        """Returns a client, which connects when it is first used."""
        return redis.Redis.from_url(self.url, **self._options)

    def async_pool(self, most: int = 64) -> Any:
        """Returns connections for an event loop, `most` at a time, made when they are needed."""
        return redis.asyncio.BlockingConnectionPool.from_url(
            self.url, max_connections=most, timeout=self.timeout_seconds, **self._options
        )

    @property
    def _options(self) -> dict[str, Any]:
        login = {"username": self.username, "password": self.password}
        return {
            "socket_timeout": self.timeout_seconds,
            "socket_connect_timeout": self.timeout_seconds,
            **{name: value for name, value in login.items() if value},
        }

    def key(self, *parts: object) -> str:
        """Returns the name of a key of ours."""
        return ":".join((self.prefix, *map(str, parts)))


@contextmanager
def answering(place: RedisPlace) -> Iterator[None]:
    """Turns what the client raises into a StoreError that names the server, without a login."""
    try:
        yield
    except redis.RedisError as error:
        host = place.url.rpartition("@")[2].rpartition("//")[2]
        raise StoreError(
            f"Redis at {host} should answer",
            f"{type(error).__name__}: {error}",
            "Start it, or set store.redis.url (and its password by store.redis.password_env)",
        ) from None
