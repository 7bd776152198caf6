"""Versions as memory-mapped files of LMDB, in a folder of this machine.

    <folder>/CURRENT                         the chain of versions, one name per line
    <folder>/publishing.lock                 held by who writes
    <folder>/versions/<name>/records.mdb     all records, one LMDB database per namespace
    <folder>/versions/<name>/sessions.arrays the session index, where there is one
    <folder>/versions/<name>/manifest.json   counts, sizes and checksums; readers hold a lock on it

A reader that maps a file which is cut off meanwhile is killed by SIGBUS, which nothing can catch.
So files never change, and size and checksum are looked at before a file is mapped.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb

from sparkperso.core.locks import try_lock
from sparkperso.core.places import sync_folder
from sparkperso.core.times import now
from sparkperso.services.stores.base import (
    Address,
    Draft,
    Record,
    Store,
    StoreError,
    VersionReader,
)
from sparkperso.services.stores.file_checks import note_checked, require_whole, sha256_of
from sparkperso.services.stores.lmdb_files import close_file, open_file
from sparkperso.services.stores.manifest import (
    NAME,
    BrokenVersionError,
    Facts,
    FileCheck,
    Manifest,
    read_manifest,
)
from sparkperso.services.stores.mapped_files import map_file, write_file
from sparkperso.services.stores.records import NAMESPACES, record_key

RECORDS, MANIFEST = "records.mdb", "manifest.json"
FIRST_MAP = 1 << 30
"""Bytes of address space to begin with; a file is as long as what is in it."""
BATCH = 5_000
"""Records per transaction."""
MAX_NAMESPACES = len(NAMESPACES) + 8


class LmdbStore(Store):
    """A folder of versions, for the processes of one machine."""

    is_shared = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def chain(self) -> list[str]:
        """Returns the released versions by name, the current one first."""
        try:
            text = (self.folder / "CURRENT").read_text(encoding="ascii")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(
                f"{self.folder / 'CURRENT'} should name the versions of the serving store",
                str(error),
                "Publish anew",
            ) from None
        names = text.split()
        if odd := [name for name in names if not NAME.fullmatch(name)]:
            raise StoreError(
                f"{self.folder / 'CURRENT'} should name the versions of the serving store",
                f"{odd[0][:80]!r} is no name of one",
                "Publish anew",
            )
        return names

    def open(self, name: str) -> VersionReader:
        """Returns a version of which every file has the size and checksum of the manifest."""
        return LmdbVersion(self._place(name), name)

    def names(self) -> list[str]:
        """Returns the names of all folders of versions."""
        with suppress(FileNotFoundError):
            return sorted(os.listdir(self.folder / "versions"))
        return []

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Keeps other writers out, also those of other processes; the system ends it if we die."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "publishing.lock").open("w") as file:
            if not try_lock(file):
                raise StoreError(
                    "Only one process publishes at a time",
                    f"Another one is writing to {self.folder}",
                    "Wait until it has ended",
                )
            yield

    def close(self) -> None:
        """Does nothing: there are no connections."""

    def _place(self, name: str) -> Path:
        return self.folder / "versions" / name

    def _write_chain(self, names: Sequence[str]) -> None:
        draft = self.folder / ".CURRENT.draft"
        _write_lasting(draft, "".join(f"{name}\n" for name in names))
        draft.replace(self.folder / "CURRENT")
        sync_folder(self.folder)

    def _remove(self, name: str) -> bool:
        place = self._place(name)
        with suppress(FileNotFoundError), (place / MANIFEST).open() as file:
            if not try_lock(file):
                return False
            # Held until it is gone: a reader that comes meanwhile waits, and finds no file then.
            shutil.rmtree(place)
            return True
        shutil.rmtree(place, ignore_errors=True)
        return True

    def _begin(self, name: str) -> Draft:
        place = self._place(name)
        place.mkdir(parents=True)
        return LmdbDraft(place, name)


class LmdbDraft(Draft):
    """A file of LMDB in the making, by one process, in transactions of `BATCH` records."""

    def __init__(self, place: Path, name: str) -> None:
        self.name = name
        self._place = place
        # The file is synchronised once, at its end: what is cut off before has no manifest.
        self._env = lmdb.open(
            str(place / RECORDS),
            map_size=FIRST_MAP,
            subdir=False,
            lock=False,
            sync=False,
            max_dbs=MAX_NAMESPACES,
        )
        self._counts: dict[str, int] = {}
        self._files: dict[str, FileCheck] = {}

    def write(self, namespace: str, records: Iterable[Record]) -> int:
        """Appends records, whose keys grow, also from call to call.

        Raises StoreError for a key that is not larger than the one before.
        """
        remaining, written = iter(records), 0
        database = self._env.open_db(namespace.encode())
        while batch := list(islice(remaining, BATCH)):
            self._append(database, namespace, batch)
            written += len(batch)
        self._counts[namespace] = self._counts.get(namespace, 0) + written
        return written

    def _append(self, database: Any, namespace: str, batch: list[Record]) -> None:
        while True:
            try:
                with self._env.begin(write=True, db=database) as transaction:
                    _, added = transaction.cursor().putmulti(batch, append=True, overwrite=False)
            except lmdb.MapFullError:
                self._env.set_mapsize(self._env.info()["map_size"] * 2)
                continue
            except lmdb.KeyExistsError:
                added = 0
            if added != len(batch):
                raise StoreError(
                    f"Keys of '{namespace}' should grow, each one being there once",
                    f"One of {len(batch):,} does not, after {batch[0][0][:64]!r}",
                )
            return

    def write_file(self, name: str, blocks: Iterable[bytes]) -> None:
        """Writes a file beside that of the records."""
        self._files[name] = write_file(self._place / name, blocks)

    def seal(self, facts: Facts) -> Manifest:
        """Writes the records to disk, then the manifest with sizes and checksums of all files."""
        for namespace in NAMESPACES:
            self._env.open_db(namespace.encode())
        self._env.sync(True)
        self._env.close()
        path = self._place / RECORDS
        self._files[RECORDS] = FileCheck(n_bytes=path.stat().st_size, sha256=sha256_of(path))
        manifest = Manifest(
            **facts.model_dump(),
            name=self.name,
            created=now(),
            counts={namespace: self._counts.get(namespace, 0) for namespace in NAMESPACES},
            files=self._files,
        )
        for name in self._files:
            note_checked(self._place / name)
        _write_lasting(self._place / MANIFEST, manifest.model_dump_json(indent=1))
        sync_folder(self._place)
        sync_folder(self._place.parent)
        return manifest


class LmdbVersion(VersionReader):
    """A version that is mapped into memory; processes share its pages.

    For one thread at a time. It is not to be taken across a fork.
    """

    def __init__(self, place: Path, name: str) -> None:
        self._held, self._place = ExitStack(), place
        try:
            self._open(place, name)
        except lmdb.Error as error:
            self.close()
            raise BrokenVersionError(
                f"Version {name} of the serving store should be a file of LMDB's",
                str(error),
                "Publish anew",
            ) from None
        except OSError as error:
            # Not broken for good: it may be another user's.
            self.close()
            raise StoreError(
                f"Version {name} of the serving store should be readable",
                str(error),
                "Give this process's user leave to read it, or publish anew",
            ) from None
        except BaseException:
            self.close()
            raise

    def _open(self, place: Path, name: str) -> None:
        text = None
        with suppress(FileNotFoundError, NotADirectoryError):
            file = self._held.enter_context((place / MANIFEST).open("rb"))
            # Against removal; the system lets go of it where this process dies.
            fcntl.flock(file, fcntl.LOCK_SH)
            text = file.read()
        self.manifest = read_manifest(text, name)
        for file_name in {RECORDS, *self.manifest.files}:
            require_whole(place / file_name, self.manifest.files.get(file_name))
        environment = open_file(
            place / RECORDS, readonly=True, lock=False, readahead=False, max_dbs=MAX_NAMESPACES
        )
        self._held.callback(close_file, environment)
        # One for good: nothing changes, and to begin one costs as much as to read.
        self._transaction = self._held.enter_context(environment.begin())
        self._databases = {
            namespace: environment.open_db(namespace.encode(), self._transaction, create=False)
            for namespace in self.manifest.counts
        }
        self.require_counts()

    def get_many(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Returns the records at the addresses, None where there is none."""
        get, databases = self._transaction.get, self._databases
        return [
            get(record_key(record_id), None, databases[namespace])
            if namespace in databases
            else None
            for namespace, record_id in addresses
        ]

    def count(self, namespace: str) -> int:
        """Returns how many records the namespace has."""
        database = self._databases.get(namespace)
        return int(self._transaction.stat(database)["entries"]) if database else 0

    def file(self, name: str) -> memoryview | None:
        """Returns what is in a file beside the records, mapped."""
        if name not in self.manifest.files:
            return None
        path = self._place / name
        try:
            return map_file(path)
        except OSError as error:
            raise StoreError(f"{path} should be readable", str(error), "Publish anew") from None

    def renew(self) -> None:
        """Looks whether a file was cut off: to read on would end this process (SIGBUS).

        The lock on the manifest lasts as long as the process. Raises BrokenVersionError.
        """
        for name, check in self.manifest.files.items():
            path = self._place / name
            try:
                n_bytes = path.stat().st_size
            except FileNotFoundError:
                n_bytes = 0
            except OSError as error:
                raise StoreError(
                    f"{path} should be readable",
                    str(error),
                    "Give this process's user leave to read it, or publish anew",
                ) from None
            if n_bytes < check.n_bytes:
                raise BrokenVersionError(
                    f"{path} should stay as it was published while it is read",
                    f"It has {n_bytes:,} bytes, and had {check.n_bytes:,}",
                    "Publish anew",
                )

    def close(self) -> None:
        """Unmaps the file."""
        self._held.close()


def _write_lasting(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
