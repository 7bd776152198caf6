"""Which process of which machine wrote something, and whether it is surely gone."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def this_process() -> str:
    """Returns `machine:namespace:pid:start` of this process; empty parts where they are not known.

    The namespace is that of process ids (Linux): containers may share the machine's name. The
    start, in the clock ticks of the kernel, tells it from a later process of the same number.
    """
    return f"{_here()}:{os.getpid()}:{_start(os.getpid())}"


def is_gone(process: str | None) -> bool:
    """Returns whether a process of this machine does not run any more.

    False where that cannot be known: of another machine or container, of an unknown form.

    >>> is_gone(this_process()), is_gone(None), is_gone("another machine::1:")
    (False, False, False)
    """
    place, _, rest = (process or "").rpartition(":")
    place, _, pid = place.rpartition(":")
    if place != _here() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        # It is somebody else's, hence there.
        pass
    return rest != _start(int(pid))


def _here() -> str:
    namespace = ""
    with suppress(OSError):
        namespace = os.readlink(PROC / "self" / "ns" / "pid").strip("pid:[]")
    return f"{platform.node()}:{namespace}"


def _start(pid: int) -> str:
    try:
        # The name of the program, in brackets, may hold anything; the start is field 22.
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
