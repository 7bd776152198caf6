"""How many files a service may have open: each connection is one."""

from __future__ import annotations

import resource

from sparkperso.services.http.header_timeout import HEADROOM

OTHER_FILES = 256
"""Files that are open beside connections: those that are written, libraries, brokers' sockets."""


def allow_connections(count: int) -> None:
    """Lets the process have as many files open, where its shell allows fewer than it could."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + HEADROOM + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if most == resource.RLIM_INFINITY else min(needed, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
