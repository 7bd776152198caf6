"""Files of a version in Redis: each a hash, whose fields are its blocks by number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from sparkperso.services.stores.manifest import BrokenVersionError, FileCheck
from sparkperso.services.stores.redis_place import RedisPlace, answering

BLOCK = 1 << 20
"""Bytes in one field, the last one has the rest; a part of the format."""


def file_key(place: RedisPlace, version: str, file: str) -> str:
    """Returns the key of the hash that holds a file."""
    return place.key(version, "file", file)


def write_blocks(
    place: RedisPlace, client: Any, version: str, file: str, data: Iterable[bytes]
) -> FileCheck:
    """Writes a file, and returns what it must be."""
    digest, n_bytes = hashlib.sha256(), 0
    with answering(place):
        for number, block in enumerate(blocks_of(data, BLOCK)):
            client.hset(file_key(place, version, file), str(number), block)
            digest.update(block)
            n_bytes += len(block)
    return FileCheck(n_bytes=n_bytes, sha256=digest.hexdigest())


def read_blocks(
    place: RedisPlace, client: Any, version: str, file: str, check: FileCheck
) -> Iterator[bytes]:
    """Yields a file block by block; what is missing is left out, and the checksum tells."""
    for number in range(n_blocks(check)):
        with answering(place):
            block = client.hget(file_key(place, version, file), str(number))
        yield block or b""


def require_blocks(
    place: RedisPlace, client: Any, version: str, file: str, check: FileCheck
) -> None:
    """Raises BrokenVersionError where Redis has not as many blocks of a file as it has."""
    with answering(place):
        found = client.hlen(file_key(place, version, file))
    if found != n_blocks(check):
        raise BrokenVersionError(
            f"Version {version} of the serving store should have {n_blocks(check):,} blocks of "
            f"'{file}'",
            f"There are {found:,}",
            "Publish anew",
        )


def n_blocks(check: FileCheck) -> int:
    """Returns how many fields hold a file."""
    return -(-check.n_bytes // BLOCK)


def blocks_of(data: Iterable[bytes], n_bytes: int) -> Iterator[bytes]:
    """Yields the same bytes as blocks of `n_bytes`, the last of them having the rest."""
    rest = bytearray()
    for block in data:
        rest += block
        while len(rest) >= n_bytes:
            yield bytes(rest[:n_bytes])
            del rest[:n_bytes]
    if rest:
        yield bytes(rest)
