"""A bucket of events per site: what comes faster than the configured rate is told to wait."""

from __future__ import annotations

import time
from collections.abc import Callable

from sparkperso.collect.problems import Problem

BURST_SECONDS = 2.0


class Buckets:
    """A token bucket per site, which fills at `rate` events per second."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._full = max(rate * BURST_SECONDS, 1.0)
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, site: str, count: int) -> None:
        """Takes `count` events out of the site's bucket; raises a 429 Problem when it is empty.

        A request larger than what is left is served while there is something left: the next waits
        longer.
        """
        now = self._clock()
        level, then = self._levels.get(site, (self._full, now))
        level = min(self._full, level + (now - then) * self._rate)
        if level <= 0:
            seconds = int(-level / self._rate) + 1
            detail = f"This site sends more than {self._rate:g} events per second."
            raise Problem(429, "too_many", detail, {"Retry-After": str(seconds)})
        self._levels[site] = (level - count, now)
