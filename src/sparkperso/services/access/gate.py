"""The gate of a service: who sends, and whether they may send so much. Routes ask it first."""

from __future__ import annotations

from collections.abc import Mapping

from sparkperso.config import Settings
from sparkperso.services.access.access import Access, make_access
from sparkperso.services.access.browser_tokens import BrowserTokens, make_browser_tokens
from sparkperso.services.access.caller import Caller
from sparkperso.services.access.rates import RequestRates, own
from sparkperso.services.access.refusals import invalid_token
from sparkperso.services.access.shared_rates import RedisCounters, SharedRates
from sparkperso.services.access.tokens import MOST_BYTES
from sparkperso.services.http.addresses import Addresses
from sparkperso.services.http.problems import Problem
from sparkperso.services.stores.factory import redis_place

Headers = Mapping[bytes, bytes]


class Gate:
    """Lets requests in, or raises the Problem that is their answer.

    A route begins with

        caller = gate.admit(headers_of(scope), peer)
        caller.require_user("profile:read", user_id)
        audit.user(caller, user_id, "/v1/users/{id}/profile")

    and what it streams ends at `caller.until`, when the caller's token does.
    """

    def __init__(
        self,
        access: Access,
        rates: RequestRates,
        addresses: Addresses,
        browser: BrowserTokens | None = None,
        shared: SharedRates | None = None,
    ) -> None:
        self._access, self._rates, self._addresses = access, rates, addresses
        self._shared = shared
        self.browser = browser

    @property
    def tokens_found(self) -> tuple[int, int]:
        """Returns how many tokens and keys were remembered, and how many had to be looked at."""
        return self._access.hits, self._access.misses

    def admit(self, headers: Headers, peer: str | None, count: int = 1) -> Caller:
        """Returns who sent a request, which counts as `count`.

        `headers` are those of `headers_of`, `peer` is the address at the connection's other end.
        Raises a Problem: 401 for who is not known, 429 with Retry-After for who sends too much.
        """
        address = self._addresses.of_request(peer, headers)
        caller = self._caller(headers.get(b"authorization"), address)
        self._rates.take(caller, address, count)
        return caller

    def admit_page(self, token: str, headers: Headers, peer: str | None) -> Caller:
        """Returns whose browser token stands in a request's address.

        For server-sent events alone, whose client in browsers can send no header. Addresses end up
        in logs and histories: no token but a browser's, of minutes, is taken there.
        """
        address = self._addresses.of_request(peer, headers)
        caller = self._caller(b"Bearer " + token[:MOST_BYTES].encode("utf-8", "replace"), address)
        if caller.kind != "browser":
            raise invalid_token()
        self._rates.take(caller, address)
        return caller

    def address_of(self, headers: Headers, peer: str | None) -> str | None:
        """Returns the address that a request counts for; None where it is not known."""
        return self._addresses.of_request(peer, headers)

    async def start(self) -> None:
        """Begins to count with other processes, where the store is Redis."""
        if self._shared is not None:
            await self._shared.start()

    async def close(self) -> None:
        """Ends it."""
        if self._shared is not None:
            await self._shared.close()

    def _caller(self, sent: bytes | None, address: str | None) -> Caller:
        caller = self._access.known(sent)
        if caller is not None:
            return caller
        # Before a signature is looked at: that takes more than a whole answer.
        self._rates.require_few_refusals(address)
        try:
            return self._access.check(sent)
        except Problem:
            self._rates.count_refusal(address)
            raise


def make_gate(settings: Settings, environ: Mapping[str, str]) -> Gate:
    """Returns the gate of an environment; raises ConfigError where nobody could pass it."""
    config = settings.security
    browser = make_browser_tokens(config.browser, settings.env, environ)
    shared = None
    if settings.store.kind == "redis":
        shared = SharedRates(RedisCounters(redis_place(settings)), config.limits.settle_seconds)
    rates = RequestRates(config, shared.share if shared else own)
    addresses = Addresses(config.trusted_proxies)
    return Gate(make_access(settings, browser), rates, addresses, browser, shared)
