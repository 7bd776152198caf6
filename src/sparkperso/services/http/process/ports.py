"""Whether a port can be listened on."""

from __future__ import annotations

import errno
import socket

from sparkperso.core.errors import UsageError


def require_free(host: str, port: int, option: str = "--port") -> None:
    """Raises UsageError when the port of this host, which `option` names, cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: a port whose last connections linger (TIME_WAIT) can be listened on.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            is_of_host = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
            raise UsageError(
                f"It should be possible to listen on {host}:{port}",
                f"It is not: {error.strerror}",
                "Name an address of this machine"
                if is_of_host
                else f"Name another port with {option}",
            ) from None
