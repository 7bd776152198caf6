"""Files that lock what two processes must not do at once; the system ends a dead one's locks."""

from __future__ import annotations

import fcntl
from typing import IO, Any


def try_lock(file: int | IO[Any]) -> bool:
    """Locks an open file for this process alone, without waiting, until it is closed.

    Returns False where another one has it; raises OSError where it cannot be locked at all.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
