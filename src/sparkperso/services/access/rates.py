"""How fast requests may come: of one caller, and from one address."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from sparkperso.config.security import SecurityConfig
from sparkperso.services.access.caller import FOR_ANYONE, Caller
from sparkperso.services.http.limits import Buckets


class Takers(Protocol):
    """Buckets of this process, or such as count what other processes take as well."""

    def take(self, sender: str, count: int) -> None:
        """Takes out of a sender's bucket; raises a 429 Problem when it is empty."""


Share = Callable[[str, Buckets], Takers]
"""Makes buckets that all processes count in; the text says what is counted."""


def own(_: str, buckets: Buckets) -> Takers:
    """Returns the buckets as they are: of this process alone."""
    return buckets


class RequestRates:
    """Buckets of all callers.

    Keys and services have a measure of their own, by name, and none by address: all of a shop's
    requests may come from one server. People have one each, and one for their address. Tokens that
    are not valid are counted by address alone, in this process: looking at them takes its time.
    """

    def __init__(
        self,
        config: SecurityConfig,
        share: Share = own,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = config.limits
        self._services = share("service", _buckets(limits.requests_per_second, "key", clock))
        self._keys = {
            f"key:{name}": share("key", _buckets(key.requests_per_second, "key", clock))
            for name, key in config.api_keys.items()
            if key.requests_per_second is not None
        }
        users, addresses = (
            limits.requests_per_second_and_user,
            limits.requests_per_second_and_address,
        )
        self._users = share("user", _buckets(users, "user", clock))
        self._addresses = share("address", _buckets(addresses, "address", clock))
        self._refusals = Buckets(
            limits.refusals_per_second_and_address,
            clock,
            who="This address",
            what="tokens that are not valid",
        )

    def take(self, caller: Caller, address: str | None, count: int = 1) -> None:
        """Counts requests; raises a 429 Problem with Retry-After when there were too many.

        `address` is None where it is not known. A user who is refused costs others there nothing.
        """
        if caller.kind in FOR_ANYONE:
            self._keys.get(caller.name, self._services).take(caller.name, count)
            return
        self._users.take(caller.name, count)
        if address is not None:
            self._addresses.take(address, count)

    def require_few_refusals(self, address: str | None) -> None:
        """Raises a 429 Problem for an address that sent too many tokens that are not valid."""
        if address is not None:
            self._refusals.check(address)

    def count_refusal(self, address: str | None) -> None:
        """Counts a token that is not valid; raises a 429 Problem in its place when too many."""
        if address is not None:
            self._refusals.take(address, 1)


def _buckets(rate: float, who: str, clock: Callable[[], float]) -> Buckets:
    return Buckets(rate, clock, who=f"This {who}", what="requests")
