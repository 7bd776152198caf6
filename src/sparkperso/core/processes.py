"""Processes: how one is told to end, which one wrote something, and whether it is surely gone."""

from __future__ import annotations

import os
import platform
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

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


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Lets SIGTERM end the block as Ctrl-C does, by KeyboardInterrupt, so that it can say so.

    Schedulers, containers and `timeout` stop a process by it, of which nothing would be recorded.
    Outside of the main thread, which alone may have handlers, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        # None: a handler that Python did not set, and cannot set again.
        signal.signal(signal.SIGTERM, former if former is not None else signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    on_interrupt = signal.getsignal(signal.SIGINT)
    if callable(on_interrupt):  # Spark's own cancels its jobs first
        on_interrupt(number, frame)
    # In the background of a shell Ctrl-C is ignored; to be ended is not.
    raise KeyboardInterrupt
