"""Versions in Redis, which several machines read and write.

    <prefix>:chain                            the chain of versions, one name per line
    <prefix>:publishing                       held by who writes, as long as that process lives
    <prefix>:versions                         the names of all versions there is anything of
    <prefix>:<name>:manifest                  written last
    <prefix>:<name>:readers                   who reads it, and until when that counts
    <prefix>:<name>:<namespace>:<bucket>      a part of the records, as fields of a hash
    <prefix>:<name>:file:<file>               the session index, its blocks as fields of a hash

Records lie in hashes of a known number, and not in keys of their own: a version, half-written or
whole, is removed by naming its keys, without looking through all there are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import redis
from redis.exceptions import LockError, WatchError

from sparkperso.core.times import now
from sparkperso.services.stores.base import (
    Address,
    Draft,
    Record,
    Store,
    StoreError,
    VersionReader,
)
from sparkperso.services.stores.manifest import (
    BrokenVersionError,
    Facts,
    FileCheck,
    Manifest,
    read_manifest,
)
from sparkperso.services.stores.mapped_files import cached_file
from sparkperso.services.stores.records import FILES, NAMESPACES, record_key
from sparkperso.services.stores.redis_files import (
    file_key,
    read_blocks,
    require_blocks,
    write_blocks,
)
from sparkperso.services.stores.redis_place import RedisPlace, answering

BUCKETS = 256
"""Hashes per namespace; a part of the format."""
BATCH = 2_000
"""Records per round trip."""
LOCK_SECONDS = 10.0
"""How long a process that died keeps others from publishing."""
LEASE_SECONDS = 60.0
"""How long a reader that has not renewed keeps a version from being removed."""


class RedisStore(Store):
    """The versions under a prefix of one Redis server."""

    is_shared = True

    def __init__(self, place: RedisPlace, cache: Path | None = None) -> None:
        """Takes the server, and a folder for this machine's copies of files; None: in memory."""
        self.place, self.cache = place, cache
        self._client = place.connect()
        self._lock: Any = None

    def chain(self) -> list[str]:
        """Returns the released versions by name, the current one first."""
        with answering(self.place):
            text = self._client.get(self.place.key("chain"))
        return text.decode().split() if text else []

    def open(self, name: str) -> VersionReader:
        """Returns a version that has as many records as its manifest counts."""
        return RedisVersion(self.place, self._client, name, self.cache)

    def names(self) -> list[str]:
        """Returns the names of all versions."""
        with answering(self.place):
            names = self._client.smembers(self.place.key("versions"))
        return sorted(name.decode() for name in names)

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Keeps other writers out. Where one died, its turn ends after `LOCK_SECONDS`."""
        lock: Any = self._client.lock(
            self.place.key("publishing"), timeout=LOCK_SECONDS, thread_local=False
        )
        with answering(self.place):
            if not lock.acquire(blocking_timeout=LOCK_SECONDS * 1.2):
                raise StoreError(
                    "Only one process publishes at a time",
                    f"Another one is writing under '{self.place.prefix}' in Redis",
                    "Wait until it has ended",
                )
        ended = threading.Event()
        beat = threading.Thread(target=_keep, args=(lock, ended), daemon=True)
        beat.start()
        self._lock = lock
        try:
            yield
        finally:
            ended.set()
            beat.join()
            self._lock = None
            # It ends by itself, and may be another's by now.
            with suppress(redis.RedisError):
                lock.release()

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _write_chain(self, names: Sequence[str]) -> None:
        """Sets the chain, if the lock is still ours at that moment."""
        lock, key = self._lock, self.place.key("publishing")
        with answering(self.place), self._client.pipeline() as pipe:
            try:
                pipe.watch(key)
                if lock is None or pipe.get(key) != lock.local.token:
                    raise WatchError("the lock is no longer held")
                pipe.multi()
                pipe.set(self.place.key("chain"), "\n".join(names))
                pipe.execute()
            except WatchError:
                raise StoreError(
                    "Who publishes should hold the lock until the end",
                    f"It was lost: this process stood still for over {LOCK_SECONDS:g} seconds",
                    "Publish anew",
                ) from None

    def _remove(self, name: str) -> bool:
        place, client = self.place, self._client
        with answering(place):
            readers = client.zcount(place.key(name, "readers"), _time(client), "+inf")
            if readers:
                return False
            keys = [place.key(name, "manifest"), place.key(name, "readers")]
            keys += [file_key(place, name, file) for file in FILES]
            keys += [key for namespace in NAMESPACES for key in buckets_of(place, name, namespace)]
            found = client.unlink(*keys)
            # Tasks of a driver that was killed may go on writing for a moment. So the name stays
            # until there was nothing left of it.
            if not found:
                client.srem(place.key("versions"), name)
            return bool(found)

    def _begin(self, name: str) -> Draft:
        with answering(self.place):
            self._client.sadd(self.place.key("versions"), name)
        return RedisDraft(self.place, name)


def _keep(lock: Any, ended: threading.Event) -> None:
    """Holds a lock until `ended`, or until it is lost."""
    while not ended.wait(LOCK_SECONDS / 3):
        try:
            lock.reacquire()
        except LockError:
            return
        except redis.RedisError:
            continue


def _time(client: Any) -> float:
    """The server's clock, which all readers and writers share."""
    seconds, micros = client.time()
    return float(seconds + micros / 1e6)


def buckets_of(place: RedisPlace, name: str, namespace: str) -> list[str]:
    """Returns the keys of the hashes that hold a namespace's records."""
    return [place.key(name, namespace, bucket) for bucket in range(BUCKETS)]


@dataclass
class RedisDraft(Draft):
    """A version in the making, by as many processes as there are: it travels to tasks."""

    place: RedisPlace
    name: str
    files: dict[str, FileCheck] = field(default_factory=dict)

    def write(self, namespace: str, records: Iterable[Record]) -> int:
        """Sets records, in any order; to write some twice does no harm."""
        remaining, written = iter(records), 0
        with answering(self.place):
            while batch := list(islice(remaining, BATCH)):
                fields: dict[str, list[bytes]] = {}
                for key, value in batch:
                    bucket = self.place.key(self.name, namespace, crc32(key) % BUCKETS)
                    fields.setdefault(bucket, []).extend((key, value))
                pipe = self._client.pipeline(transaction=False)
                for bucket, pairs in fields.items():
                    pipe.execute_command("HSET", bucket, *pairs)
                pipe.execute()
                written += len(batch)
        return written

    def write_file(self, name: str, blocks: Iterable[bytes]) -> None:
        """Sets a file, block by block."""
        self.files[name] = write_blocks(self.place, self._client, self.name, name, blocks)

    def seal(self, facts: Facts) -> Manifest:
        """Writes the manifest, with the numbers of records that are in Redis now."""
        counts = {
            namespace: _count(self.place, self._client, self.name, namespace)
            for namespace in NAMESPACES
        }
        manifest = Manifest(
            **facts.model_dump(), name=self.name, created=now(), counts=counts, files=self.files
        )
        with answering(self.place):
            key = self.place.key(self.name, "manifest")
            self._client.set(key, manifest.model_dump_json())
        return manifest

    @cached_property
    def _client(self) -> Any:
        return self.place.connect()

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the connection behind: each process has its own."""
        return {"place": self.place, "name": self.name, "files": self.files}


class RedisVersion(VersionReader):
    """A version in Redis; while it is open, it is read under a lease that `renew` prolongs."""

    def __init__(self, place: RedisPlace, client: Any, name: str, cache: Path | None) -> None:
        self._place, self._client, self._name, self._cache = place, client, name, cache
        self._reader = uuid4().hex
        self._manifest_key = place.key(name, "manifest")
        # First the lease, then the look: a version that is being removed is then found broken.
        self.renew()
        try:
            with answering(place):
                text = client.get(self._manifest_key)
            self.manifest = read_manifest(text, name)
            self.require_counts()
            for file, check in self.manifest.files.items():
                require_blocks(place, client, name, file, check)
        except BaseException:
            self.close()
            raise

    def get_many(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Returns the records at the addresses, None where there is none.

        Raises BrokenVersionError where the version is gone: nothing would look like no record.
        """
        place, name = self._place, self._name
        with answering(place):
            pipe = self._client.pipeline(transaction=False)
            pipe.execute_command("EXISTS", self._manifest_key)
            for namespace, record_id in addresses:
                key = record_key(record_id)
                bucket = place.key(name, namespace, crc32(key) % BUCKETS)
                pipe.execute_command("HGET", bucket, key)
            found: list[Any] = pipe.execute()
        is_there, records = found[0], found[1:]
        if not is_there:
            raise BrokenVersionError(
                f"Version {name} should be in Redis while it is read", "It is gone", "Publish anew"
            )
        return records

    def count(self, namespace: str) -> int:
        """Returns how many records the namespace has."""
        return _count(self._place, self._client, self._name, namespace)

    def file(self, name: str) -> memoryview | None:
        """Returns what is in a file, mapped from this machine's copy, which is fetched once."""
        check = self.manifest.files.get(name)
        if check is None:
            return None
        place, client, version = self._place, self._client, self._name
        return cached_file(
            self._cache, check, lambda: read_blocks(place, client, version, name, check)
        )

    def renew(self) -> None:
        """Keeps the version from being removed for `LEASE_SECONDS` more."""
        key = self._place.key(self._name, "readers")
        with answering(self._place):
            until = _time(self._client) + LEASE_SECONDS
            self._client.zadd(key, {self._reader: until})
            self._client.expire(key, int(LEASE_SECONDS * 2))

    def close(self) -> None:
        """Ends the lease; where Redis does not answer, it ends by itself."""
        with suppress(redis.RedisError):
            self._client.zrem(self._place.key(self._name, "readers"), self._reader)


def _count(place: RedisPlace, client: Any, name: str, namespace: str) -> int:
    with answering(place):
        pipe = client.pipeline(transaction=False)
        for bucket in buckets_of(place, name, namespace):
            pipe.hlen(bucket)
        return sum(pipe.execute())
