"""Where something lies: in a folder of this machine, or on a file system that Spark reaches."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

# One letter before the colon is a drive, no scheme.
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def local_path(place: str) -> str | None:
    """Returns the path of a folder or file of this machine; None where it lies elsewhere.

    A place without a scheme is local, and so is `file:/x`, `file:///x` or `file://localhost/x`,
    whose path is unquoted as in any URI. `s3a://…`, `abfss://…`, `dbfs:/…` are not.

    >>> local_path("lake"), local_path("file:///data/a%20lake"), local_path("dbfs:/lake")
    ('lake', '/data/a lake', None)
    """
    scheme = SCHEME.match(place)
    if scheme is None:
        return place
    if scheme.group(0).lower() != "file:":
        return None
    rest = place[scheme.end() :]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in ("", "localhost"):
            return None
        rest = slash + path
    return unquote(rest)


def uri_of(place: str) -> str:
    """Returns a place as a URI: a path of this machine as `file:///…`, absolute and quoted."""
    return place if SCHEME.match(place) else Path(place).resolve().as_uri()


def is_local(place: str) -> bool:
    """Says whether a place is a folder or file of this machine."""
    return local_path(place) is not None


def user_cache() -> Path | None:
    """Returns the folder for this user's caches; None for one without a home, as in a container."""
    named = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(named) if named else Path.home() / ".cache"
    except RuntimeError:
        return None


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable: on Linux a file's own fsync does not."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
