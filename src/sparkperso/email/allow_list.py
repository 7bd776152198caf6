"""Where a link may lead: an allow-list of hosts, and nothing that browsers read otherwise."""

from __future__ import annotations

from collections.abc import Iterable

from sparkperso.core.urls import is_on, read_url

LOOPBACK = frozenset({"localhost", "127.0.0.1"})


class TargetError(Exception):
    """A target that no link may have; the text says why."""


def check_target(url: str, hosts: Iterable[str], loopback: bool = False) -> str:
    """Returns `url` when a link may lead there; raises TargetError with the reason.

    It should be https, without a login, on one of `hosts`; http is taken for this machine's own
    name when `loopback` is true. What passes is read alike by RFC 3986 and by browsers.

    >>> check_target("https://shop.example/sale", ["*.shop.example", "shop.example"])
    'https://shop.example/sale'
    """
    try:
        parts = read_url(url)
    except ValueError as error:
        raise TargetError(f"a link's target {error}") from None
    plain_http = loopback and parts.scheme == "http" and parts.host in LOOPBACK
    if parts.scheme != "https" and not plain_http:
        raise TargetError("a link's target should begin with https://")
    if not is_on(parts, hosts):
        place = parts.host if parts.is_default_port else f"{parts.host}:{parts.port}"
        raise TargetError(f"links may not lead to '{place}': links.hosts does not have it")
    return url
