"""URLs that everybody reads alike, and lists of the hosts that they may name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

MAX_LENGTH = 2048
PLAIN = re.compile(r"[!#-;=?-\[\]_a-z~]+")
"""The characters of a URL: no spaces, controls, quotes, backslashes, braces; ASCII only."""
AUTHORITY = re.compile(r"[a-z0-9.-]+(:[1-9]\d{0,4})?", re.I)
ALLOWED_HOST = r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:(\d{1,5}|\*))?"
"""Of an entry of a list of hosts: `shop.example`, `*.shop.example` (below it), each with a port
(`:8443`) or any (`:*`)."""
PORTS = {"https": 443, "http": 80}


class Url(NamedTuple):
    """What decides where a URL leads."""

    scheme: str
    host: str
    """In lower case."""
    port: int
    """The scheme's own, where none is written."""

    @property
    def is_default_port(self) -> bool:
        """Says whether the port is the scheme's own."""
        return PORTS.get(self.scheme) == self.port


def read_url(text: str) -> Url:
    """Returns where a URL leads; raises ValueError, whose text goes on after "a URL", otherwise.

    It should be ASCII, with a scheme, a host and no login before it. What passes is read alike by
    RFC 3986, by browsers and by clients of HTTP. A host may still be a number that some take for an
    address: who connects looks at the address.

    >>> read_url("https://Shop.example/sale")
    Url(scheme='https', host='shop.example', port=443)
    """
    # Before it is taken apart: browsers drop tabs and line breaks, and turn backslashes.
    if not PLAIN.fullmatch(text) or len(text) > MAX_LENGTH:
        raise ValueError(f"should be an ASCII URL of {MAX_LENGTH} characters")
    try:
        parts = urlsplit(text)
        port = parts.port  # raises for one that is no number of a port
    except ValueError:
        raise ValueError("should be a URL with a host") from None
    if not text[len(parts.scheme) :].startswith("://") or not AUTHORITY.fullmatch(parts.netloc):
        raise ValueError("should have a host, and no login before it")
    name = (parts.hostname or "").lower()
    return Url(parts.scheme, name, port or PORTS.get(parts.scheme, 0))


def is_on(url: Url, hosts: Iterable[str]) -> bool:
    """Says whether a URL's host and port are on a list of hosts (ALLOWED_HOST).

    An entry without a port stands for the scheme's own.

    >>> is_on(read_url("https://evilshop.example/"), ["*.shop.example"])
    False
    """
    return any(_matches(url, entry) for entry in hosts)


def _matches(url: Url, allowed: str) -> bool:
    host, _, port = allowed.partition(":")
    if port != "*" and (str(url.port) != port if port else not url.is_default_port):
        return False
    # With its dot: `*.shop.example` is no ending of `evilshop.example`.
    return url.host.endswith(host[1:]) if host.startswith("*.") else url.host == host
