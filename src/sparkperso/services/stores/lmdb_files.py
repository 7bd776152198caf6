"""Files of LMDB, each opened once per process: LMDB's locks would not bear a second time."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import lmdb

_open: dict[str, tuple[lmdb.Environment, int]] = {}
"""Path → the file, and how many use it."""
_guard = threading.Lock()


def open_file(path: Path, **options: Any) -> lmdb.Environment:
    """Returns a file of LMDB that others of this process may have open, with the same options.

    To be closed with `close_file`. Raises lmdb.Error for what is no such file.
    """
    name = os.path.abspath(path)
    with _guard:
        environment, users = _open.get(name) or (lmdb.open(name, subdir=False, **options), 0)
        _open[name] = environment, users + 1
    return environment


def close_file(environment: lmdb.Environment) -> None:
    """Closes a file of `open_file`, once nobody of this process uses it."""
    name = environment.path()
    with _guard:
        _, users = _open.pop(name)
        if users > 1:
            _open[name] = environment, users - 1
        else:
            environment.close()
