"""The section `links`: open pixels and click links of e-mails."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from sparkperso.core.section import Section
from sparkperso.core.urls import ALLOWED_HOST


class LinksConfig(Section):
    """Who signs links, where they may lead, and whose opens are no person's."""

    base_url: str = Field(default="http://127.0.0.1:8080", pattern=r"^https?://[^\s?#]*[^\s?#/]$")
    """Public address of the collector, without a slash at its end; links begin with it."""
    site: str | None = None
    """Site (of collect.sites) under whose consent rules opens and clicks are taken."""
    key_env: str = "SPARKPERSO_LINKS_KEY"
    """Environment variable that holds the key; with `_FILE` after it, one that names a file."""
    previous_key_env: str = "SPARKPERSO_LINKS_KEY_PREVIOUS"
    """Variable of the key before, while links signed by it are still about; may be unset."""
    key: str | None = None
    """The key while its variable is not set; only for `--env local`, where it is no secret."""
    hosts: tuple[str, ...] = ()
    """Where links may lead: `shop.example`, `*.shop.example` (below it), with `:8443` or `:*`."""
    days: float = Field(default=90.0, gt=0)
    """Lifetime of a link whose maker says nothing."""
    machine_seconds: float = Field(default=3.0, ge=0)
    """An open or click this soon after sending is a machine's."""
    machine_agents: dict[str, str] = Field(default_factory=dict)
    """Reason → regular expression, found anywhere in the User-Agent of machines, in any case."""

    @field_validator("hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [host for host in hosts if not re.fullmatch(ALLOWED_HOST, host)]
        if wrong:
            raise ValueError(f"should be hosts in lower case, such as *.shop.example: {wrong}")
        return hosts

    @field_validator("machine_agents")
    @classmethod
    def _are_patterns(cls, agents: dict[str, str]) -> dict[str, str]:
        for reason, pattern in agents.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{reason} is no regular expression: {error}") from None
        return agents
