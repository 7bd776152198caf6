"""The serving store: versions that never change, and a chain that says which of them is current.

The chain is one short text, replaced in one step: the names of the versions that were released, the
current one first, then those to go back to. What is in no chain is nobody's: a publication that
was killed half-way, a version that was rolled back. It is removed when nobody reads it any more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from sparkperso.core.errors import JobError
from sparkperso.services.stores.manifest import (
    BrokenVersionError,
    Facts,
    Manifest,
    new_name,
)
from sparkperso.services.stores.records import SESSIONS

if TYPE_CHECKING:
    from sparkperso.recommend.registered.session_model import SessionModel

Record = tuple[bytes, bytes]
"""A key of `records.record_key`, and what it stands for."""
Address = tuple[str, str]
"""A namespace, and the id of a record in it."""


class StoreError(JobError):
    """The store does not answer, or refuses (exit status 1)."""


class VersionReader(ABC):
    """One version, checked and open. It reads the same for as long as it is open."""

    manifest: Manifest

    @abstractmethod
    def get_many(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Returns the records at the addresses, None where there is none, in one round trip.

        Raises StoreError where the store does not answer.
        """

    def get(self, namespace: str, record_id: str) -> bytes | None:
        """Returns one record, None where there is none."""
        return self.get_many([(namespace, record_id)])[0]

    @abstractmethod
    def count(self, namespace: str) -> int:
        """Returns how many records the namespace has, by what is stored."""

    @abstractmethod
    def file(self, name: str) -> memoryview | None:
        """Returns what is in a file beside the records, mapped; None where there is none.

        It stays good when the version is closed. Raises StoreError where the store does not answer,
        BrokenVersionError where the file is not whole.
        """

    def session_model(self) -> SessionModel | None:
        """Returns the model of the session index, None where the version has none.

        The first call opens it, in milliseconds; where the store is another machine's, the first
        process of a machine fetches it, for which a server takes a thread. Any thread may use the
        model, for as long as it likes. Raises what `file` raises.
        """
        return self._session_model

    @cached_property
    def _session_model(self) -> SessionModel | None:
        data = self.file(SESSIONS)
        if data is None:
            return None
        # NumPy is for those who ask.
        from sparkperso.services.stores.session_file import unpack_session_model

        return unpack_session_model(data, self.manifest.name)

    @abstractmethod
    def renew(self) -> None:
        """Says that this version is still read, where that is forgotten after a time.

        Raises BrokenVersionError where its files are no longer as long as they were.
        """

    @abstractmethod
    def close(self) -> None:
        """Lets go of the version; it may be removed then."""

    def __enter__(self) -> VersionReader:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()

    def require_counts(self) -> None:
        """Raises BrokenVersionError where records are missing that the manifest counts."""
        for namespace, expected in sorted(self.manifest.counts.items()):
            found = self.count(namespace)
            if found != expected:
                raise BrokenVersionError(
                    f"Version {self.manifest.name} of the serving store should have {expected:,} "
                    f"records in '{namespace}'",
                    f"There are {found:,}",
                    "Publish anew",
                )


class Draft(ABC):
    """A version that is being written; readers do not see it before it is released."""

    name: str

    @abstractmethod
    def write(self, namespace: str, records: Iterable[Record]) -> int:
        """Adds records to a namespace, and returns how many they were.

        Keys come in growing order, each once, also from call to call; only a store that
        `is_shared` takes them as they come.
        """

    @abstractmethod
    def write_file(self, name: str, blocks: Iterable[bytes]) -> None:
        """Writes one of `records.FILES`, once, from the process that seals the draft."""

    @abstractmethod
    def seal(self, facts: Facts) -> Manifest:
        """Ends the writing and returns the manifest, which is stored last.

        From here the version can be opened by its name, to be looked at before it is released.
        """


class Store(ABC):
    """Where versions are published to and read from."""

    is_shared: bool
    """Whether tasks on any machine write into it themselves; else one process writes."""

    def current(self) -> str | None:
        """Returns the name of the current version, None before the first was released."""
        chain = self.chain()
        return chain[0] if chain else None

    @abstractmethod
    def chain(self) -> list[str]:
        """Returns the released versions by name: the current one, then those before it."""

    @abstractmethod
    def open(self, name: str) -> VersionReader:
        """Returns a version, once it is found to be whole; raises BrokenVersionError else."""

    @abstractmethod
    def names(self) -> list[str]:
        """Returns the names of all versions there is anything of, whole or not."""

    @abstractmethod
    def publishing(self) -> AbstractContextManager[None]:
        """Keeps other writers out for the length of a block; raises StoreError where one is in."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of connections."""

    @abstractmethod
    def _write_chain(self, names: Sequence[str]) -> None:
        """Replaces the chain in one step that lasts."""

    @abstractmethod
    def _remove(self, name: str) -> bool:
        """Removes what there is of a version; returns whether it may, since nobody reads it."""

    @abstractmethod
    def _begin(self, name: str) -> Draft:
        """Returns a draft of that name."""

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """Gives a version to be written; it is removed unless it is released in the block.

        Other writers are kept out meanwhile. What killed ones left is removed first.
        """
        with self.publishing():
            self.clean()
            draft = self._begin(new_name(self.names()))
            try:
                yield draft
            finally:
                if draft.name not in self.chain():
                    self._remove(draft.name)

    def release(self, draft: Draft, keep: int) -> None:
        """Makes a sealed draft the current version, and lets `keep` versions stay in the chain.

        To be called in the block of `draft`. What is in the chain no more, `clean` removes.
        """
        self._write_chain([draft.name, *self.chain()][:keep])

    def rollback(self) -> tuple[str, str]:
        """Makes the version before the current one current again; returns both names, new first.

        Raises JobError where there is none, and BrokenVersionError where it is not whole: the
        current one then stays.
        """
        with self.publishing():
            chain = self.chain()
            if len(chain) < 2:
                raise JobError(
                    "A rollback needs a version before the current one",
                    f"The store has {'only ' + chain[0] if chain else 'no version'}",
                    "Publish anew; publish.keep_versions says how many versions stay",
                )
            self.open(chain[1]).close()
            self._write_chain(chain[1:])
        return chain[1], chain[0]

    def clean(self) -> list[str]:
        """Removes what is in no chain and not read by anybody; returns the names.

        Only for who keeps other writers out: a draft is in no chain either.
        """
        chain = set(self.chain())
        return [name for name in self.names() if name not in chain and self._remove(name)]
