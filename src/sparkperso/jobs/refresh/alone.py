"""One refresh of a lake at a time: a second would put back what the first one changed."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparkperso.core.errors import JobError
from sparkperso.core.places import local_path
from sparkperso.pipeline.job import Job

LOCK = "_refresh.lock"
"""In the lake's folder; held for as long as the process is at work, and by no dead one."""


@contextmanager
def alone(job: Job) -> Iterator[bool]:
    """Says whether no other process of this machine refreshes the lake, and keeps others away.

    Of a lake in a catalog or an object store it knows nothing: there its scheduler has to see to
    it. Raises JobError where the lake's folder cannot be written into.
    """
    config = job.settings.lake
    root = None if config.catalog else local_path(config.root)
    if root is None:
        yield True
        return
    try:
        Path(root).mkdir(parents=True, exist_ok=True)
        file = (Path(root) / LOCK).open("w")
    except OSError as error:
        raise JobError(
            "refresh locks its lake, so that no second one changes what is served",
            f"{root}/{LOCK} cannot be written: {error.strerror}",
            "Let whoever refreshes write into the lake's folder",
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
