"""One process at a time for what two of them would do twice, or undo for each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparkperso.config.platform import LakeConfig
from sparkperso.core.errors import JobError
from sparkperso.core.locks import try_lock
from sparkperso.core.places import local_path


@contextmanager
def lake_lock(config: LakeConfig, name: str) -> Iterator[bool]:
    """Says whether no other process of this machine does `name` on a lake, and keeps others away.

    The lock is the file `_<name>.lock` of the lake's folder, held for as long as the process is at
    work, and by no dead one. Of a lake in a catalog or an object store nothing is known: there
    schedulers have to see to it. Raises JobError where the folder cannot be written into.
    """
    root = None if config.catalog else local_path(config.root)
    if root is None:
        yield True
        return
    path = Path(root) / f"_{name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise JobError(
            f"{name} locks its lake, so that no second one does the same at once",
            f"{path} cannot be written: {error.strerror}",
            "Let it write into the lake's folder",
        ) from None
    with file:
        yield try_lock(file)
