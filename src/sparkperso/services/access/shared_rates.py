"""Limits that the processes of a service share, by counters in Redis (the library `limits`).

A request is counted in this process alone, in a microsecond. Once a second the process adds what
it was asked for to the sender's counter in Redis, and reads what all were asked for together. Where
that is more than the rate, each process gives the sender that part of the rate which it has of the
demand: together they let through one rate, evenly, wherever requests arrive. Until that is known,
for a second or two, each lets through all of it.

While Redis does not answer, each process holds its own limit: one that is several times too wide is
better than a service that is down.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from sparkperso.core.hashing import short_hash
from sparkperso.services.http.limits import Buckets

if TYPE_CHECKING:
    from sparkperso.services.stores.redis_place import RedisPlace

log = logging.getLogger("sparkperso.access")

COUNTER_SECONDS = 60
"""How long a counter lives; what matters is what it grew by since it was last seen."""
LATEST_ROUNDS = 5
"""A counter that was not looked at for longer says nothing of what is asked for just now."""
SHARE = 8
"""Who asked for less than an eighth of the rate here is not told of: with up to so many processes
nobody passes the limit so, and most people never need Redis."""
MOST_SENDERS = 500
"""Senders of one kind that are told of at a time, those that asked for most."""
AT_A_TIME = 20
"""Calls of Redis that wait for an answer side by side."""


class Counters(Protocol):
    """What processes count in together."""

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Adds to a counter, which lives for `expiry` seconds; returns what it counts then."""

    async def close(self) -> None:
        """Ends the connections."""


class SharedBuckets:
    """Buckets of one kind of sender, of which other processes have a part, too."""

    def __init__(self, kind: str, buckets: Buckets) -> None:
        self._kind, self._buckets = kind, buckets
        self._asked: dict[str, int] = {}
        self._seen: dict[str, tuple[int, int]] = {}

    def take(self, sender: str, count: int) -> None:
        """Takes out of a sender's bucket; raises a 429 Problem when it is empty.

        It counts as demand either way.
        """
        self._asked[sender] = self._asked.get(sender, 0) + count
        self._buckets.take(sender, count)

    def due(self, seconds: float) -> Mapping[str, int]:
        """Returns who asked for enough within `seconds` for others to know, and for how much.

        It counts anew then; whoever asked for less is forgotten.
        """
        least = self._buckets.rate * seconds / SHARE
        asked = {sender: count for sender, count in self._asked.items() if count > least}
        self._asked = {}
        if len(asked) <= MOST_SENDERS:
            return asked
        most = sorted(asked, key=asked.__getitem__, reverse=True)[:MOST_SENDERS]
        return {sender: asked[sender] for sender in most}

    def key(self, sender: str) -> str:
        """Returns the name of a sender's counter, which tells nobody's id or address."""
        return f"{self._kind}:{short_hash(f'{self._kind}:{sender}', 32)}"

    def divide(
        self, asked: Mapping[str, int], counts: Mapping[str, int], number: int, seconds: float
    ) -> None:
        """Gives each sender its part of the rate here, by what all processes were asked for.

        `asked` is what was added from here in the round of this number, `counts` what the counters
        say after it. One that is new to this process, or that began anew, tells nothing yet.
        """
        parts = {}
        for sender, count in counts.items():
            seen, when = self._seen.get(sender, (count, number - 1))
            together = (count - seen) / (number - when)
            if together > max(asked[sender], self._buckets.rate * seconds):
                parts[sender] = asked[sender] / together
            self._seen[sender] = count, number
        self._buckets.parts = parts
        oldest = number - LATEST_ROUNDS
        self._seen = {name: seen for name, seen in self._seen.items() if seen[1] >= oldest}

    def undivided(self) -> None:
        """Gives all senders the whole rate, as if there were no other process."""
        self._seen, self._buckets.parts = {}, {}


class SharedRates:
    """Settles buckets of all kinds, every few seconds, beside the requests."""

    def __init__(self, counters: Counters, seconds: float) -> None:
        self._counters, self._seconds = counters, seconds
        self._kinds: list[SharedBuckets] = []
        self._number = 0
        self._task: asyncio.Task[None] | None = None
        self.failure: str | None = None

    def share(self, kind: str, buckets: Buckets) -> SharedBuckets:
        """Returns the buckets, settled from now on."""
        shared = SharedBuckets(kind, buckets)
        self._kinds.append(shared)
        return shared

    async def start(self) -> None:
        """Begins to settle."""
        self._task = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Ends it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._counters.close()

    async def settle(self) -> None:
        """Settles once; where Redis does not answer, each process goes on by itself.

        `failure` says so, and the log does when it begins and when it ends.
        """
        self._number += 1
        asked = [(shared, shared.due(self._seconds)) for shared in self._kinds]
        try:
            for shared, demand in asked:
                await self._settle_kind(shared, demand)
        except Exception as error:
            # Whatever it is: a limit is no reason to answer nobody.
            if self.failure is None:
                log.warning("limits are counted by each process alone: %r", error)
            self.failure = type(error).__name__
            for shared in self._kinds:
                shared.undivided()
            return
        if self.failure is not None:
            log.warning("limits are counted by all processes together again")
        self.failure = None

    async def _settle_kind(self, shared: SharedBuckets, asked: Mapping[str, int]) -> None:
        senders, counts = list(asked), dict[str, int]()
        for start in range(0, len(senders), AT_A_TIME):
            part = senders[start : start + AT_A_TIME]
            calls = [
                self._counters.incr(shared.key(sender), COUNTER_SECONDS, asked[sender])
                for sender in part
            ]
            counts |= zip(part, await asyncio.gather(*calls), strict=True)
        shared.divide(asked, counts, self._number, self._seconds)

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self.settle()


class RedisCounters:
    """Counters in Redis, which connect when they are used."""

    def __init__(self, place: RedisPlace) -> None:
        # Here: a service on LMDB imports neither.
        from limits.aio.storage import RedisStorage

        self._pool = place.async_pool()
        self._storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=place.key("limits"),
            connection_pool=self._pool,
        )

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Adds to a counter, which lives for `expiry` seconds; returns what it counts then."""
        return await self._storage.incr(key, expiry, amount)

    async def close(self) -> None:
        """Ends the connections."""
        await self._pool.aclose()
