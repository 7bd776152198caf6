"""Opens and clicks that no person made: mail providers and scanners fetch what is in a mail."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sparkperso.config.links import LinksConfig

PREFETCH = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")
MAX_AGENT = 1024
"""Bytes of a User-Agent that are looked at: the patterns are configured, and their cost unknown."""


class BotDetector:
    """Knows machines by what they ask, by what they call themselves, and by how quick they are.

    An event is kept all the same, marked with the reason: who counts opens may leave them out.
    """

    def __init__(self, config: LinksConfig) -> None:
        self._seconds = config.machine_seconds
        self._agents = [
            (reason, re.compile(pattern, re.IGNORECASE))
            for reason, pattern in config.machine_agents.items()
        ]

    def reason(self, method: str, headers: Mapping[bytes, bytes], age: float) -> str | None:
        """Returns why a request is a machine's, None for a person's.

        `age` is seconds since the mail was sent; header names are in lower case.
        """
        if method == "HEAD":
            return "head"
        signs = b" ".join(headers.get(name, b"").lower() for name in PREFETCH)
        if any(word in signs for word in (b"prefetch", b"prerender", b"preview")):
            return "prefetch"
        agent = headers.get(b"user-agent", b"")[:MAX_AGENT].decode("latin-1").strip()
        if not agent:
            return "no_user_agent"
        named = next((reason for reason, name in self._agents if name.search(agent)), None)
        return named or ("at_once" if age < self._seconds else None)
