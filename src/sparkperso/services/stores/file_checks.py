"""Whether a file is what was published: by its size, and by its checksum once per machine."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from sparkperso.services.stores.manifest import BrokenVersionError, FileCheck


def require_whole(path: Path, check: FileCheck | None) -> None:
    """Raises BrokenVersionError unless the file has its size and checksum.

    The checksum of a large file takes seconds. It is worked out once per machine: whoever did notes
    which file (number, size, time of change) it was, and only another one is read again.
    """
    found = fault_of(path, check) if check else "The manifest has no size and checksum of it"
    if found:
        raise BrokenVersionError(
            f"{path} should be the file that was published",
            found,
            "Publish anew, or go back with 'sparkperso publish --rollback'",
        )


def fault_of(path: Path, check: FileCheck) -> str | None:
    """Returns why a file is not what it must be; None where it is."""
    if not path.is_file():
        return "It is missing"
    if (n_bytes := path.stat().st_size) != check.n_bytes:
        return f"It has {n_bytes:,} bytes, and had {check.n_bytes:,}"
    if _noted(path) == _identity(path):
        return None
    if sha256_of(path) != check.sha256:
        return "Its checksum is another"
    note_checked(path)
    return None


def _identity(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _note_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.checked")


def _noted(path: Path) -> object:
    with suppress(OSError, ValueError):
        return json.loads(_note_of(path).read_bytes())
    return None


def note_checked(path: Path) -> None:
    """Notes beside a file that its checksum was found to be right."""
    # A reader that may not write here looks at the whole file each time.
    with suppress(OSError):
        note = _note_of(path)
        draft = note.with_name(f"{note.name}.{os.getpid()}")
        draft.write_text(json.dumps(_identity(path)))
        draft.replace(note)


def remove_file(path: Path) -> None:
    """Removes a file, and what was noted of it."""
    path.unlink(missing_ok=True)
    _note_of(path).unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
