"""Which code computes: the version of the package and a digest of its modules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import sparkperso

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


@cache
def code_version() -> str:
    """Returns the package's version and a SHA-256 of all its modules, of 16 digits.

    A checkout that is worked on keeps its version while its code changes, so both count. Read
    once per process: some 300 files, in a folder or in a zip.
    """
    digest = hashlib.sha256()
    for name, module in sorted(modules(files(sparkperso.__name__))):
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(module.read_bytes()).digest())
    return f"{sparkperso.__version__} {digest.hexdigest()[:16]}"


def modules(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yields the Python files below a folder, each with its path from there."""
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_file() and name.endswith(".py"):
            yield name, entry
        elif entry.is_dir() and entry.name != "__pycache__":
            yield from modules(entry, f"{name}/")
