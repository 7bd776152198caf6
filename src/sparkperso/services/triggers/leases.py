"""Which of several dispatchers on one lake is the active one."""

from __future__ import annotations

import json
import math
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from sparkperso.config import Settings
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.core.locks import try_lock
from sparkperso.platform.table_feed import Place
from sparkperso.services.stores.factory import redis_place
from sparkperso.services.stores.redis_place import RedisPlace, answering

LOCK = "active.lock"
RENEW = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end
return 0
"""
RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end"


def triggers_folder(settings: Settings) -> Path:
    """Returns the folder of queue and lock: `triggers.folder`, or `_triggers` beside the tables.

    Raises ConfigError when neither is on this machine.
    """
    folder = settings.triggers.folder or settings.beside_tables("_triggers")
    if folder is None:
        raise ConfigError(
            "The queue of triggers should be in a folder of this machine",
            f"lake.root is '{settings.lake.root}', and triggers.folder is not set",
            "Set triggers.folder",
        )
    return Path(folder)


class Lease:
    """Held by one process of this machine: a lock on a file, which ends with its process."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Takes the lease, unless another process has it; raises JobError for no such folder."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a")
        except OSError as error:
            raise JobError(
                f"The lock of triggers should be a file that can be written: {self._path}",
                str(error),
                "Set triggers.folder, or let this user write there",
            ) from None
        if not try_lock(file):
            file.close()
            return False
        self._file = file
        return True

    def renew(self) -> bool:
        """Says whether it is still held, which it has to be told now and then."""
        return self._file is not None

    def release(self) -> None:
        """Lets others have it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def bookmark(self) -> Place | None:
        """Returns up to where holders of other machines have settled everything, if known."""
        return None

    def note(self, place: Place) -> None:
        """Tells later holders of other machines that everything up to `place` is settled."""


class RedisLease(Lease):
    """Held by one process of several machines, for a time: who dies holds it no longer."""

    def __init__(self, folder: Path, place: RedisPlace, seconds: float) -> None:
        super().__init__(folder)
        self._place, self._seconds = place, seconds
        self._client: Any = place.connect()
        self._token = secrets.token_hex(16)
        self._key, self._bookmark_key = (place.key("triggers", n) for n in ("lease", "bookmark"))
        self._until = -math.inf

    def acquire(self) -> bool:
        """Takes the lease, unless another has it; raises StoreError where Redis does not answer."""
        if not super().acquire():
            return False
        try:
            at = time.monotonic()
            with answering(self._place):
                millis = int(self._seconds * 1000)
                is_mine = self._client.set(self._key, self._token, nx=True, px=millis)
        except BaseException:
            super().release()
            raise
        if not is_mine:
            super().release()
            return False
        self._until = at + self._seconds
        return True

    def renew(self) -> bool:
        """Prolongs it; where Redis does not answer, it is held until its time is over."""
        at = time.monotonic()
        with suppress(JobError), answering(self._place):
            millis = int(self._seconds * 1000)
            if not self._client.eval(RENEW, 1, self._key, self._token, millis):
                return False
            self._until = at + self._seconds
        # A margin: what is under way takes a moment to stop.
        return time.monotonic() < self._until - self._seconds / 5

    def release(self) -> None:
        """Lets others have it at once; where Redis does not answer, it ends by itself."""
        with suppress(JobError), answering(self._place):
            self._client.eval(RELEASE, 1, self._key, self._token)
        super().release()

    def bookmark(self) -> Place | None:
        """Returns up to where everything is settled; raises StoreError as `acquire` does."""
        with answering(self._place):
            found = self._client.get(self._bookmark_key)
        return Place(*json.loads(found)) if found else None

    def note(self, place: Place) -> None:
        """Tells later holders; where Redis does not answer, the next note will do."""
        with suppress(JobError), answering(self._place):
            self._client.set(self._bookmark_key, json.dumps(place))


def make_lease(settings: Settings) -> Lease:
    """Returns the lease of the configured store."""
    folder = triggers_folder(settings)
    if settings.store.kind == "redis":
        return RedisLease(folder, redis_place(settings), settings.triggers.lease_seconds)
    return Lease(folder)
