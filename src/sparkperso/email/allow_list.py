"""Where a link may lead: an allow-list of hosts, and nothing that browsers read otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

MAX_LENGTH = 2048
LOOPBACK = frozenset({"localhost", "127.0.0.1"})
PLAIN = re.compile(r"[!#-;=?-\[\]_a-z~]+")
"""The characters of a URL: no spaces, controls, quotes, backslashes, braces; ASCII only."""
AUTHORITY = re.compile(r"[a-z0-9.-]+(:[1-9]\d{0,4})?", re.I)


class TargetError(Exception):
    """A target that no link may have; the text says why."""


def check_target(url: str, hosts: Iterable[str], loopback: bool = False) -> str:
    """Returns `url` when a link may lead there; raises TargetError with the reason.

    It should be https, without a login, on one of `hosts`; http is taken for this machine's own
    name when `loopback` is true. What passes is read alike by RFC 3986 and by browsers.

    >>> check_target("https://shop.example/sale", ["*.shop.example", "shop.example"])
    'https://shop.example/sale'
    """
    # Before it is taken apart: browsers drop tabs and line breaks, and turn backslashes.
    if not PLAIN.fullmatch(url) or len(url) > MAX_LENGTH:
        raise TargetError(f"a link's target should be an ASCII URL of {MAX_LENGTH} characters")
    try:
        parts = urlsplit(url)
        port = parts.port  # raises for one that is no number of a port
    except ValueError:
        raise TargetError("a link's target should be a URL with a host") from None
    name = (parts.hostname or "").lower()
    plain_http = loopback and parts.scheme == "http" and name in LOOPBACK
    if parts.scheme != "https" and not plain_http:
        raise TargetError("a link's target should begin with https://")
    if not url[len(parts.scheme) :].startswith("://") or not AUTHORITY.fullmatch(parts.netloc):
        raise TargetError("a link's target should have a host, and no login before it")
    if not any(_matches(name, port, host) for host in hosts):
        raise TargetError(f"links may not lead to '{parts.netloc}': links.hosts does not have it")
    return url


def _matches(name: str, port: int | None, allowed: str) -> bool:
    host, _, allowed_port = allowed.partition(":")
    # No port and 443 are the same for https.
    if allowed_port != "*" and str(port or 443) != (allowed_port or "443"):
        return False
    # With its dot: `*.shop.example` is no ending of `evilshop.example`.
    return name.endswith(host[1:]) if host.startswith("*.") else name == host
