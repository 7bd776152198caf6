"""Whose request it is: the address that limits are counted by, also behind trusted proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IPV6_PREFIX = 64
"""One household or server has so much of IPv6: each of its addresses would be a new sender."""


class Addresses:
    """Names the sender of a request; addresses are compared, and never kept or written."""

    def __init__(self, proxies: Iterable[str]) -> None:
        self._proxies = [ipaddress.ip_network(proxy, strict=False) for proxy in proxies]
        # One cache for each object: the proxies are its own.
        self._network_of = lru_cache(4096)(self._network)

    def of_peer(self, peer: str | None) -> str | None:
        """Returns the sender at the other end of a connection; None where it is a trusted proxy.

        Nothing is known either of a peer without an address (a Unix socket).
        """
        return self._network_of(peer.partition("%")[0]) if peer else None

    def of_request(self, peer: str | None, headers: Mapping[bytes, bytes]) -> str | None:
        """Returns a request's sender: the last of X-Forwarded-For that is no trusted proxy.

        Every proxy appends the address that it is connected to, so that what stands before the
        first that is not trusted may be made up. None where all are trusted, or the header names no
        address. IPv6 counts by its network of IPV6_PREFIX bits.
        """
        if sender := self.of_peer(peer):
            return sender
        forwarded = headers.get(b"x-forwarded-for")
        for part in reversed(forwarded.split(b",")) if forwarded else ():
            text = _without_port(part.strip().decode("latin-1"))
            if text and not _is_address(text):
                return None
            if text and (sender := self._network_of(text)):
                return sender
        return None

    def _network(self, text: str) -> str | None:
        """Returns what stands for an address, None for that of a proxy."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return None
        if isinstance(address, ipaddress.IPv6Address):
            # A server on :: sees IPv4 as ::ffff:1.2.3.4.
            address = address.ipv4_mapped or address
        if any(address in proxy for proxy in self._proxies):
            return None
        if isinstance(address, ipaddress.IPv4Address):
            return str(address)
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _without_port(text: str) -> str:
    """Returns the address of `1.2.3.4:80`, `[::1]:80`, `[::1]` or `fe80::1%eth0`."""
    text = text.partition("%")[0]
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
