"""Buckets of events: who sends faster than agreed is answered with 429 and a time to wait."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sparkperso.config.collect import LimitsConfig
from sparkperso.services.http.problems import Problem
from sparkperso.services.http.write_keys import SiteKey

BURST_SECONDS = 2.0
"""What a full bucket holds, in seconds of its rate."""
MOST_SENDERS = 100_000
"""Senders that are remembered at a time."""


class Buckets:
    """A token bucket per sender, which fills at `rate` events per second, to BURST_SECONDS of it.

    `size` senders are remembered; who was silent for longest is forgotten first, and has a full
    bucket when it comes again. `rate` can be read, and `parts` set: sender → the part of rate and
    bucket that is its own here, where other processes have the rest.
    """

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        who: str = "This site",
        what: str = "events",
        size: int = MOST_SENDERS,
    ) -> None:
        self.rate, self._clock = rate, clock
        self._who, self._what, self._size = who, what, size
        self._full = max(rate * BURST_SECONDS, 1.0)
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.parts: Mapping[str, float] = {}

    def check(self, sender: str) -> float:
        """Returns what is in the sender's bucket now, in events.

        Raises a 429 Problem when it is empty, with the seconds until it is not (`Retry-After`).
        """
        return self._level(sender, self._clock())

    def take(self, sender: str, count: int) -> None:
        """Takes `count` events out of the sender's bucket; raises a 429 Problem when it is empty.

        A request larger than what is left is served while there is something left: the next waits
        longer.
        """
        now, levels = self._clock(), self._levels
        levels[sender] = (self._level(sender, now) - count, now)
        levels.move_to_end(sender)
        if len(levels) > self._size:
            levels.popitem(last=False)

    def leave(self, sender: str, level: float) -> None:
        """Notes what is left in the sender's bucket."""
        self._levels[sender] = (level, self._clock())
        self._levels.move_to_end(sender)
        if len(self._levels) > self._size:
            self._levels.popitem(last=False)

    def _level(self, sender: str, now: float) -> float:
        """Returns what is in a bucket; raises a 429 Problem when it is empty."""
        rate, full = self.rate, self._full
        if self.parts:
            part = self.parts.get(sender, 1.0)
            rate, full = rate * part, full * part
        noted = self._levels.get(sender)
        if noted is None:
            return full
        # Filled when it is looked at, by the time that has passed: no timer runs.
        level = noted[0] + (now - noted[1]) * rate
        if level <= 0:
            seconds = int(-level / rate) + 1
            detail = f"{self._who} sends more than {self.rate:g} {self._what} per second."
            raise Problem(429, "too_many", detail, {"Retry-After": str(seconds)})
        return full if level > full else level


class Rates:
    """How fast events and decisions may come: of one site, and of one sender within it.

    A sender's share is a part of its site's, so that nobody takes all of it. Decisions have a
    measure of their own, by sender alone: nobody's events delay another's withdrawal. A server's
    key is a secret, so that its events count for its site alone.
    """

    def __init__(self, limits: LimitsConfig, clock: Callable[[], float] = time.monotonic) -> None:
        rate = limits.events_per_second
        own = min(rate, limits.events_per_second_and_address)
        self._sites = Buckets(rate, clock)
        self._senders = Buckets(own, clock, who="This address")
        few = limits.decisions_per_second_and_address
        self._decisions = Buckets(few, clock, who="This address", what="decisions")

    def take_decisions(self, key: SiteKey, sender: str | None, count: int) -> None:
        """Counts decisions; raises a 429 Problem when its sender made too many."""
        if count and sender is not None and not key.is_server:
            self._decisions.take(sender, count)

    def take_events(self, key: SiteKey, sender: str | None, count: int) -> None:
        """Counts other events; raises a 429 Problem, and then nothing is counted.

        Both buckets are asked before either is lowered: a request that is refused costs its site
        nothing.
        """
        if not count:
            return
        of_site = self._sites.check(key.site)
        if sender is not None and not key.is_server:
            self._senders.take(sender, count)
        self._sites.leave(key.site, of_site - count)


class ConcurrencyLimits:
    """Counts what each sender holds at a time, up to `most`."""

    def __init__(self, most: int) -> None:
        self._most, self._held = most, Counter[str]()

    def take(self, sender: str | None) -> bool:
        """Takes a place and says True, unless the sender has all of its own.

        A sender of None, whose address is not known, is not counted.
        """
        if sender is None:
            return True
        if self._held[sender] >= self._most:
            return False
        self._held[sender] += 1
        return True

    def give_back(self, sender: str | None) -> None:
        """Gives a place back that was taken."""
        if sender is None:
            return
        self._held[sender] -= 1
        if self._held[sender] <= 0:
            del self._held[sender]

    @contextmanager
    def held(self, sender: str | None) -> Iterator[bool]:
        """Holds a place while the block runs; gives whether there was one."""
        is_held = self.take(sender)
        try:
            yield is_held
        finally:
            if is_held:
                self.give_back(sender)
