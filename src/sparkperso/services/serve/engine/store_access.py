"""Reads of the store within a time, and what is left when it does not answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Literal

from sparkperso.config.api import ApiConfig
from sparkperso.core.errors import JobError
from sparkperso.services.http.deadlines import Deadlines
from sparkperso.services.stores.base import Address
from sparkperso.services.stores.manifest import Manifest
from sparkperso.services.stores.readers import StoreReader
from sparkperso.services.stores.records import GLOBAL, POPULAR

Fallback = Literal[
    "store_slow",
    "store_down",
    "no_version",
    "older_version",
    "stale_model",
    "unknown_user",
    "unknown_item",
]
"""Why an answer is not what it should be: the store took too long, does not answer, or has nothing
yet; the current version is not whole; its model is too old; it knows no such user, or item."""

log = logging.getLogger("sparkperso.serve")


class StoreUnavailable(Exception):
    """The store could not be read within the time of a request."""

    def __init__(self, why: Fallback) -> None:
        super().__init__(why)
        self.why: Fallback = why


class CircuitBreaker:
    """Leaves what failed `failures` times in a row alone for `seconds`, then lets one try."""

    def __init__(
        self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._seconds, self._clock = failures, seconds, clock
        self._failed, self._closed_until = 0, 0.0

    @property
    def is_open(self) -> bool:
        """Says whether a call should not be tried now."""
        if self._failed < self._most:
            return False
        if self._clock() < self._closed_until:
            return True
        # One tries; the others wait for what becomes of it.
        self._closed_until = self._clock() + self._seconds
        return False

    def succeed(self) -> None:
        """Notes that a call went well."""
        self._failed = 0

    def fail(self) -> None:
        """Notes that a call failed."""
        self._failed += 1
        self._closed_until = self._clock() + self._seconds


class StoreAccess:
    """The store of one process: read within a budget, followed in the background."""

    def __init__(self, reader: StoreReader, config: ApiConfig) -> None:
        self.reader = reader
        self.last_popular: bytes | None = None
        """What was popular when the store last answered: a list, as it is stored."""
        self._deadlines: Deadlines[list[bytes | None]] = Deadlines(config.budget_ms / 1000)
        self._refresh_seconds = config.refresh_seconds
        self._stale_seconds = config.stale_hours * 3600
        self._breaker = CircuitBreaker(config.failures, config.pause_seconds)
        self._watchers: list[Callable[[Manifest], None]] = []
        self._said: str | None = None
        self.fallback: Fallback | None = None
        """What every answer falls back to now: an older version, or lists that are too old."""

    @property
    def manifest(self) -> Manifest | None:
        """Returns the manifest of the version that is read."""
        return self.reader.manifest

    def on_version(self, watcher: Callable[[Manifest], None]) -> None:
        """Has a function called with the manifest of each version that is read from then on."""
        self._watchers.append(watcher)

    async def get_many(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Returns the records at the addresses, None where there is none.

        Raises StoreUnavailable: after the budget, at once while the store is left alone.
        """
        if self.reader.manifest is None:
            raise StoreUnavailable("no_version")
        if self._breaker.is_open:
            raise StoreUnavailable("store_down")
        try:
            # A timer costs as much as the reads of LMDB, which wait for nothing.
            read = self.reader.get_many(addresses)
            found = await (self._deadlines.within(read) if self.reader.waits else read)
        except TimeoutError:
            self._breaker.fail()
            raise StoreUnavailable("store_slow") from None
        except JobError as error:
            self._breaker.fail()
            log.warning("the store could not be read: %s", error)
            raise StoreUnavailable("store_down") from None
        self._breaker.succeed()
        return found

    async def follow(self) -> None:
        """Looks for new versions until it is cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._refresh_seconds)

    async def refresh(self) -> None:
        """Looks for a new version once, and for how old the one that is read has become."""
        before = self.manifest
        try:
            await self.reader.refresh()
        except Exception:
            # Whatever is wrong with the new version, the one that is read goes on being read.
            log.exception("the store was not looked at")
        manifest = self.manifest
        self._say(manifest)
        self.fallback = self._fallback_of(manifest)
        if manifest is None:
            return
        if before is None or before.name != manifest.name or self.last_popular is None:
            await self._keep_popular()
        for watcher in self._watchers:
            watcher(manifest)

    def _say(self, manifest: Manifest | None) -> None:
        """Writes into the log why a version is not read, and when that is over: once each."""
        problem, read = self.reader.problem, manifest.name if manifest else "nothing"
        if problem and problem != self._said:
            log.error("the current version is not read, but %s: %s", read, problem)
        elif self._said and not problem:
            log.info("the current version is read again: %s", read)
        self._said = problem

    def _fallback_of(self, manifest: Manifest | None) -> Fallback | None:
        if manifest and self.reader.problem:
            # The chain could not be read, or names a newer version that is not whole.
            return "older_version"
        made = manifest.lists_at if manifest else None
        if made and self._stale_seconds and time.time() - made.timestamp() > self._stale_seconds:
            return "stale_model"
        return None

    async def _keep_popular(self) -> None:
        try:
            (found,) = await self.get_many([(POPULAR, GLOBAL)])
        except StoreUnavailable:
            return
        self.last_popular = found or self.last_popular
