"""The section `outbound`: whom services may call."""

from __future__ import annotations

import re
from ipaddress import ip_network

from pydantic import Field, field_validator

from sparkperso.core.section import Section
from sparkperso.core.urls import ALLOWED_HOST

PLAIN = "http://"
"""Before a host that may be called without TLS."""


class OutboundConfig(Section):
    """Calls that services make themselves: to content management systems, and of webhooks.

    What is not on the list of hosts is not called, whatever a configuration or an answer names.
    """

    allowed_hosts: tuple[str, ...] = ()
    """Hosts that may be called, by https: `cdn.contentful.com`, `*.shop.example` (below it), with
    `:8443` or `:*`. `http://` before one allows it without TLS as well: `http://127.0.0.1:8000`."""
    allow_private: tuple[str, ...] = ()
    """Networks (CIDR) beside the public ones in which those hosts may be, such as `10.20.0.0/16`:
    without it no private, loopback or link-local address is connected to."""
    ca_file: str | None = None
    """File of certificates (PEM) that are trusted; None: the public authorities (certifi)."""
    max_bytes: int = Field(default=20_000_000, ge=1_000, le=1_000_000_000)
    """Bytes of an answer, at most."""
    seconds: float = Field(default=10.0, gt=0, le=600)
    """Time for a call, from looking up the name to the last byte."""

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [one for one in hosts if not re.fullmatch(ALLOWED_HOST, one.removeprefix(PLAIN))]
        if wrong:
            raise ValueError(f"should be hosts in lower case, such as cms.shop.example: {wrong}")
        return hosts

    @field_validator("allow_private")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ip_network(network)  # its message names what it found
        return networks
