"""Calls that services make: to hosts of a list, at addresses that were checked, within bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from socket import IPPROTO_TCP, SOCK_STREAM, gaierror
from ssl import SSLContext, SSLError, create_default_context
from typing import Any

import anyio
import certifi
import httpcore

from sparkperso import __version__
from sparkperso.config.outbound import PLAIN, OutboundConfig
from sparkperso.core.errors import JobError
from sparkperso.core.urls import Url, is_on, read_url

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Host and port → its addresses, in the order in which they are tried."""
Address = IPv4Address | IPv6Address
MOST_ADDRESSES = 4
"""Addresses of a host that are tried."""
NAT64 = ip_network("64:ff9b::/96")
METADATA = frozenset(
    map(ip_address, ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254"))
)
"""Where clouds tell a machine its secrets: never called, whatever is allowed."""


class OutboundError(JobError):
    """A call that was not made, or brought no answer; the text is one sentence (exit status 1)."""

    def __init__(self, text: str, *, is_refused: bool = False) -> None:
        super().__init__(text)
        self.is_refused = is_refused
        """Whether it may not be made as it is configured: trying again does not help."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, whole."""

    status: int
    headers: Mapping[bytes, bytes]
    """Name in lower case → the last value."""
    body: bytes


class Outbound:
    """A client of HTTP for addresses that somebody wrote into a configuration or a CMS.

    1. The URL is plain (`core.urls`), and its host and port stand in `outbound.allowed_hosts`; TLS,
       unless the host is allowed without.
    2. The name is looked up here. All of its addresses should be public, or in
       `outbound.allow_private`; the connection goes to one that was checked, so that a second look
       at the name cannot lead elsewhere. TLS and the header Host still name the host.
    3. No redirect is followed, no proxy of the environment is used, no cookie is kept, nothing
       packed is taken. Size and time of an answer are bounded.
    """

    def __init__(self, config: OutboundConfig, resolve: Resolve | None = None) -> None:
        self._config = config
        # The pool is httpx's own: below it, since only here a connection can be given its address.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_tls(config),
            max_connections=20,
            keepalive_expiry=5.0,
            network_backend=_CheckedNetwork(config.allow_private, resolve or _look_up),
        )

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        seconds: float | None = None,
        *,
        cut_at: int | None = None,
    ) -> Answer:
        """Returns the answer to a request, whatever its status is.

        `seconds` bound the whole call; `outbound.seconds` without. With `cut_at` so many bytes of
        the answer are read as they come, and the rest is left: for callers that ask its status.
        Raises OutboundError for a URL that may not be called, for no answer in time, and for one
        that is too large.
        """
        where = check_url(url, self._config)
        limit = self._config.seconds if seconds is None else seconds
        try:
            with anyio.fail_after(limit):
                return await self._exchange(method, url, headers or {}, content, cut_at)
        except OutboundError:
            raise
        except TimeoutError:
            raise OutboundError(f"{where.host} did not answer within {limit:g} seconds") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, SSLError) as error:
            words = str(error) or type(error).__name__
            raise OutboundError(f"{where.host} could not be called: {words}") from error

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        cut_at: int | None,
    ) -> Answer:
        fixed = {"User-Agent": f"sparkperso/{__version__}", "Accept-Encoding": "identity"}
        pairs = list({**fixed, **headers}.items())
        async with self._pool.stream(method, url, headers=pairs, content=content) as response:
            found = {name.lower(): value for name, value in response.headers}
            if cut_at is not None:
                return Answer(response.status, found, await _beginning(response, cut_at))
            if found.get(b"content-encoding", b"identity").lower() != b"identity":
                raise OutboundError("The answer is packed, though it was asked for as it is")
            chunks = [chunk async for chunk in self._bounded(response, found)]
            return Answer(response.status, found, b"".join(chunks))

    async def _bounded(
        self, response: httpcore.Response, headers: Mapping[bytes, bytes]
    ) -> AsyncIterator[bytes]:
        size, limit = int(headers.get(b"content-length", b"0")), self._config.max_bytes
        too_large = OutboundError(f"The answer has more than {limit:,} bytes (outbound.max_bytes)")
        if size > limit:
            raise too_large
        size = 0
        async for chunk in response.aiter_stream():
            size += len(chunk)
            if size > limit:
                raise too_large
            yield chunk

    async def close(self) -> None:
        """Closes all connections."""
        await self._pool.aclose()


async def _beginning(response: httpcore.Response, most: int) -> bytes:
    """The first bytes of an answer; its connection is closed where more would come."""
    body = b""
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) >= most:
            break
    return body[:most]


def check_url(url: str, config: OutboundConfig) -> Url:
    """Returns where a URL leads; raises OutboundError for one that may not be called.

    Its name is not looked up: whether its addresses may be connected to shows when it is called.
    """
    try:
        where = read_url(url)
    except ValueError as error:
        raise _refusal(f"An address that is called {error}, found {url[:100]!r}") from None
    if where.scheme not in ("https", "http"):
        raise _refusal(f"Only https is called, found {where.scheme!r}")
    if not is_on(where, [host.removeprefix(PLAIN) for host in config.allowed_hosts]):
        place = where.host if where.is_default_port else f"{where.host}:{where.port}"
        raise _refusal(f"'{place}' may not be called: outbound.allowed_hosts does not have it")
    plain = [host.removeprefix(PLAIN) for host in config.allowed_hosts if host.startswith(PLAIN)]
    if where.scheme == "http" and not is_on(where, plain):
        raise _refusal(
            f"'{where.host}' may not be called without TLS: use https, or write '{PLAIN}"
            f"{where.host}' into outbound.allowed_hosts"
        )
    return where


@asynccontextmanager
async def open_outbound(config: OutboundConfig) -> AsyncIterator[Outbound]:
    """Opens a client for as long as the block lasts."""
    client = Outbound(config)
    try:
        yield client
    finally:
        await client.close()


class _CheckedNetwork(httpcore.AnyIOBackend):
    """Connects to addresses that may be connected to, and to nothing by its name."""

    def __init__(self, allow_private: Iterable[str], resolve: Resolve) -> None:
        self._allowed = [ip_network(one) for one in allow_private]
        self._resolve = resolve

    async def connect_tcp(self, host: str, port: int, *rest: Any, **more: Any) -> Any:
        """Connects to the first address of a host that answers, all of them being allowed."""
        addresses = await self._addresses(host, port)
        for address in addresses[:-1]:
            try:
                return await super().connect_tcp(str(address), port, *rest, **more)
            except httpcore.NetworkError:
                continue
        return await super().connect_tcp(str(addresses[-1]), port, *rest, **more)

    async def connect_unix_socket(self, *_: Any, **__: Any) -> Any:
        """Refuses: a URL leads to a host."""
        raise _refusal("Sockets of this machine are not called")

    async def _addresses(self, host: str, port: int) -> list[Address]:
        try:
            texts = await self._resolve(host, port)
        except (gaierror, UnicodeError) as error:
            raise OutboundError(f"{host} is not known: {error}") from None
        found = [ip_address(text.partition("%")[0]) for text in dict.fromkeys(texts)]
        for address in found:
            # One of several is enough: a name that leads inside, too, is meant to.
            if not self._may_call(address):
                raise _refusal(
                    f"{host} leads to {address}, which is no public address: outbound.allow_private"
                    " does not have it"
                )
        if not found:
            raise OutboundError(f"{host} has no address")
        return found[:MOST_ADDRESSES]

    def _may_call(self, address: Address) -> bool:
        meant = _embedded(address)
        if not METADATA.isdisjoint(meant):
            return False
        return all(
            _is_public(one) or any(one in network for network in self._allowed) for one in meant
        )


def _is_public(address: Address) -> bool:
    # is_global alone calls some groups (multicast) public.
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or (isinstance(address, IPv6Address) and address.is_site_local)
    )


def _embedded(address: Address) -> list[Address]:
    """The addresses that a packet to this one may reach: IPv6 has several ways to write IPv4."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address in NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    inner = (address.sixtofour, address.teredo[1] if address.teredo else None)
    return [address, *(one for one in inner if one)]


async def _look_up(host: str, port: int) -> list[str]:
    found = await anyio.getaddrinfo(host, port, type=SOCK_STREAM, proto=IPPROTO_TCP)
    return [str(place[0]) for *_, place in found]


def _tls(config: OutboundConfig) -> SSLContext:
    try:
        return create_default_context(cafile=config.ca_file or certifi.where())
    except OSError as error:
        raise OutboundError(
            f"outbound.ca_file should be a file of certificates (PEM), '{config.ca_file}': {error}",
            is_refused=True,
        ) from None


def _refusal(text: str) -> OutboundError:
    return OutboundError(text, is_refused=True)
