"""Whether a file is what was published: by its size, and by its checksum once per machine."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from sparkperso.services.stores.manifest import BrokenVersionError, FileCheck

CHECKED = ".checked"


def require_whole(place: Path, path: Path, check: FileCheck | None) -> None:
    """Raises BrokenVersionError unless the file has its size and checksum.

    The checksum of a large file takes seconds. It is worked out once per machine: whoever did notes
    which file (number, size, time of change) it was, and only another one is read again.
    """
    if check is None:
        found = "The manifest has no size and checksum of it"
    elif not path.is_file():
        found = "It is missing"
    elif (n_bytes := path.stat().st_size) != check.n_bytes:
        found = f"It has {n_bytes:,} bytes, and had {check.n_bytes:,}"
    elif _noted(place) == _identity(path):
        return
    elif sha256_of(path) == check.sha256:
        note_checked(place, path)
        return
    else:
        found = "Its checksum is another"
    raise BrokenVersionError(
        f"{path} should be the file that was published",
        found,
        "Publish anew, or go back with 'sparkperso publish --rollback'",
    )


def _identity(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _noted(place: Path) -> object:
    with suppress(OSError, ValueError):
        return json.loads((place / CHECKED).read_bytes())
    return None


def note_checked(place: Path, path: Path) -> None:
    """Notes beside a file that its checksum was found to be right."""
    # A reader that may not write here looks at the whole file each time.
    with suppress(OSError):
        draft = place / f"{CHECKED}.{os.getpid()}"
        draft.write_text(json.dumps(_identity(path)))
        draft.replace(place / CHECKED)


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
