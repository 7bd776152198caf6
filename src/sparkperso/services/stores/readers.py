"""The store as an event loop reads it: LMDB at once, Redis without standing still."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import redis.asyncio as aioredis

from sparkperso.core.times import now
from sparkperso.services.stores.base import Address, VersionReader
from sparkperso.services.stores.live import LiveStore, merged
from sparkperso.services.stores.manifest import BrokenVersionError, Manifest
from sparkperso.services.stores.overlay import FeedPage, ask_feed, feed_page, unpacked
from sparkperso.services.stores.records import record_key
from sparkperso.services.stores.redis_place import RedisPlace, answering
from sparkperso.services.stores.redis_store import BUCKETS

MOST_CONNECTIONS = 64
"""Connections of one process to Redis; requests beyond them wait for one."""


class StoreReader(ABC):
    """What one event loop reads of a store; `refresh` is the only thing that looks for versions."""

    waits: bool
    """Whether a read waits for somebody else, so that it needs a time limit."""

    def __init__(self, live: LiveStore) -> None:
        self._live = live

    @property
    def version(self) -> VersionReader | None:
        """Returns the version that is read; None where there is none that is whole."""
        return self._live.version

    @property
    def manifest(self) -> Manifest | None:
        """Returns the manifest of the version that is read."""
        version = self._live.version
        return version.manifest if version else None

    @property
    def problem(self) -> str | None:
        """Returns why the version that is read is not the current one; None where it is."""
        return self._live.problem

    @abstractmethod
    async def get_many(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Returns the records at the addresses as of now, None where there is none.

        Raises StoreError where the store does not answer, and BrokenVersionError where the version
        is gone.
        """

    @abstractmethod
    async def changes_since(self, cursor: str | None) -> FeedPage:
        """Returns what changed in the overlay since then (`Overlay.changes_since`)."""

    async def refresh(self) -> bool:
        """Opens the current version, unless it is open; returns whether another one is read now.

        The look and the checks run in a thread.
        """
        return self._live.adopt(await asyncio.to_thread(self._live.look))

    async def close(self) -> None:
        """Closes files and connections."""
        await asyncio.to_thread(self._live.close)


class DirectReader(StoreReader):
    """Files that are mapped into memory: a read takes microseconds, and waits for nothing."""

    waits = False

    async def get_many(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Returns the records at the addresses as of now."""
        return self._live.get_many(addresses)

    async def changes_since(self, cursor: str | None) -> FeedPage:
        """Returns what changed in the overlay since then."""
        return self._live.changes_since(cursor)


class RedisReader(StoreReader):
    """A Redis server, asked in one round trip for version and overlay."""

    waits = True

    def __init__(self, live: LiveStore, place: RedisPlace) -> None:
        super().__init__(live)
        self._place = place
        self._client: Any = aioredis.Redis(connection_pool=place.async_pool(MOST_CONNECTIONS))

    async def get_many(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Returns the records at the addresses as of now."""
        place, manifest = self._place, self.manifest
        keys = [(namespace, record_key(record_id)) for namespace, record_id in addresses]
        with answering(place):
            pipe = self._client.pipeline(transaction=False)
            pipe.mget([place.key("live", namespace, "").encode() + key for namespace, key in keys])
            if manifest:
                name = manifest.name
                pipe.execute_command("EXISTS", place.key(name, "manifest"))
                for namespace, key in keys:
                    bucket = place.key(name, namespace, crc32(key) % BUCKETS)
                    pipe.execute_command("HGET", bucket, key)
            found: list[Any] = await pipe.execute()
        moment = now()
        live = [unpacked(data, moment) if data else None for data in found[0]]
        if manifest is None:
            return [record.value if record else None for record in live]
        if not found[1]:
            raise BrokenVersionError(
                f"Version {manifest.name} should be in Redis while it is read",
                "It is gone",
                "Publish anew",
            )
        return merged(addresses, live, found[2:], manifest)

    async def changes_since(self, cursor: str | None) -> FeedPage:
        """Returns what changed in the overlay since then."""
        with answering(self._place):
            pipe = self._client.pipeline(transaction=False)
            ask_feed(pipe, self._place, cursor)
            return feed_page(await pipe.execute(), cursor)

    async def close(self) -> None:
        """Closes files and connections."""
        await self._client.aclose()
        await super().close()
