"""Where a link may lead: an allow-list of hosts, and nothing that browsers read otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

MAX_LENGTH = 2048
LOOPBACK = frozenset({"localhost", "127.0.0.1"})
PLAIN = re.compile(r"[!#-;=?-\[\]_a-z~]+")
"""The characters of a URL: no spaces, controls, quotes, backslashes, braces; ASCII only."""
AUTHORITY = re.compile(r"[a-z0-9.-]+(:[1-9]\d{0,4})?", re.I)


class TargetError(Exception):
    """A target that no link may have; the text says why."""


def check_target(url: str, hosts: Iterable[str], loopback: bool = False) -> str:
    """Returns `url` when a link may lead there; raises TargetError.

    It should be https, without a login, on one of `hosts`; http is taken for this machine's own
    name when `loopback` is true. What passes is read alike by RFC 3986 and by browsers.
    """
    if not PLAIN.fullmatch(url) or len(url) > MAX_LENGTH:
        raise TargetError(f"a link's target should be an ASCII URL of {MAX_LENGTH} characters")
    parts = _split(url)
    name = (parts.hostname or "").lower()
    plain_http = loopback and parts.scheme == "http" and name in LOOPBACK
    if parts.scheme != "https" and not plain_http:
        raise TargetError("a link's target should begin with https://")
    if not url[len(parts.scheme) :].startswith("://") or not AUTHORITY.fullmatch(parts.netloc):
        raise TargetError("a link's target should have a host, and no login before it")
    if not any(_matches(name, parts.port, host) for host in hosts):
        raise TargetError(f"links may not lead to '{parts.netloc}': links.hosts does not have it")
    return url


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise TargetError("a link's target should be a URL with a host") from None
    return parts


def _matches(name: str, port: int | None, allowed: str) -> bool:
    host, _, allowed_port = allowed.partition(":")
    if allowed_port != "*" and str(port or "") not in (allowed_port, *_default(allowed_port)):
        return False
    return name.endswith(host[1:]) if host.startswith("*.") else name == host


def _default(allowed_port: str) -> tuple[str, ...]:
    return ("443",) if not allowed_port else ("",) if allowed_port == "443" else ()
