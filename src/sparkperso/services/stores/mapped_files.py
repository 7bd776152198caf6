"""Files as services read them: mapped into memory, so that processes share their pages."""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sparkperso.services.stores.file_checks import fault_of, note_checked, remove_file
from sparkperso.services.stores.manifest import BrokenVersionError, FileCheck

KEPT = 4
"""Files that stay in a folder of `cached_file`, those that were fetched last."""


def map_file(path: Path) -> memoryview:
    """Returns what is in a file, which must not be empty and not change; it may be removed."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    # It is read here and there: the system fetches it in one go, meanwhile.
    mapped.madvise(mmap.MADV_WILLNEED)
    return memoryview(mapped)


def write_file(path: Path, blocks: Iterable[bytes]) -> FileCheck:
    """Writes a file to disk, and returns what it must be."""
    digest, n_bytes = hashlib.sha256(), 0
    with path.open("wb") as file:
        for block in blocks:
            file.write(block)
            digest.update(block)
            n_bytes += len(block)
        file.flush()
        os.fsync(file.fileno())
    return FileCheck(n_bytes=n_bytes, sha256=digest.hexdigest())


def cached_file(
    folder: Path | None, check: FileCheck, fetch: Callable[[], Iterator[bytes]]
) -> memoryview:
    """Returns what is in a file that lies elsewhere, mapped from this machine's copy of it.

    `fetch` gets it where `folder` has none; meanwhile other processes wait for that one copy. Where
    nothing can be written the process holds it in its own memory, and without a `folder` too.
    Raises BrokenVersionError where what was fetched is not what it must be.
    """
    with suppress(OSError):
        if folder:
            with _locked(folder):
                return map_file(_copy_in(folder, check, fetch))
    return _in_memory(check, fetch())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _copy_in(folder: Path, check: FileCheck, fetch: Callable[[], Iterator[bytes]]) -> Path:
    # By its checksum: a file is fetched once, whatever version or store it is of.
    path, draft = folder / f"{check.sha256}.file", folder / "draft"
    if fault_of(path, check):
        try:
            _require_same(check, write_file(draft, fetch()))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        note_checked(path)
        for old in sorted(folder.glob("*.file"), key=lambda file: file.stat().st_mtime)[:-KEPT]:
            remove_file(old)
    return path


def _in_memory(check: FileCheck, blocks: Iterator[bytes]) -> memoryview:
    mapped, digest, n_bytes = mmap.mmap(-1, check.n_bytes), hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        n_bytes += len(block)
        if n_bytes <= check.n_bytes:
            mapped.write(block)
    _require_same(check, FileCheck(n_bytes=n_bytes, sha256=digest.hexdigest()))
    return memoryview(mapped).toreadonly()


def _require_same(expected: FileCheck, found: FileCheck) -> None:
    if found != expected:
        raise BrokenVersionError(
            f"A file of the serving store should have {expected.n_bytes:,} bytes with the checksum "
            f"{expected.sha256[:8]}…",
            f"It has {found.n_bytes:,} with {found.sha256[:8]}…",
            "Publish anew, or go back with 'sparkperso publish --rollback'",
        )
