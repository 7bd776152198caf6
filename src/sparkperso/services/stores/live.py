"""What a service reads: the current version of the store, and over it what changed since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sparkperso.services.stores.base import Address, Store, StoreError, VersionReader
from sparkperso.services.stores.live_records.consents import later_decision
from sparkperso.services.stores.manifest import BrokenVersionError, Manifest
from sparkperso.services.stores.overlay import RECENT, FeedPage, LiveRecord, Overlay
from sparkperso.services.stores.records import DECIDED

CLOCK_MARGIN = timedelta(seconds=60)
"""By how much the clocks of who publishes and of who writes the overlay may differ."""


class VersionChain:
    """Follows the chain of a store: says which version is to be read next, once it is whole.

    A version that is not whole is not opened: the one that is open stays, else the next of the
    chain that is whole is taken; `problem` then says why.
    """

    def __init__(self, store: Store) -> None:
        self.problem: str | None = None
        """Why the version that is open is not the current one; None where it is."""
        self._store = store
        self._broken: dict[str, str] = {}

    def next_version(self, version: VersionReader | None) -> VersionReader | None:
        """Returns the version to read instead of `version`, opened; None where that one stays.

        To be called about once a second: it costs one look at the chain, and where there is a new
        version the check of its files. Raises nothing where the store does not answer; `problem`
        says so.
        """
        try:
            return self._follow(self._store.chain(), version)
        except StoreError as error:
            self.problem = str(error)
            return None

    def _follow(self, chain: list[str], version: VersionReader | None) -> VersionReader | None:
        problem = None if chain else "No version was published yet"
        # What is broken stays so: what is published later has another name.
        self._broken = {name: why for name, why in self._broken.items() if name in chain}
        opened = None
        for name in chain:
            if name not in self._broken:
                try:
                    if version and name == version.manifest.name:
                        version.renew()
                    else:
                        opened = self._open(name)
                    break
                except BrokenVersionError as error:
                    self._broken[name] = str(error)
            problem = problem or self._broken[name]
        self.problem = problem
        return opened

    def _open(self, name: str) -> VersionReader:
        version = self._store.open(name)
        try:
            # Here, where it may take a while: who answers a request finds it open.
            version.session_model()
        except BaseException:
            version.close()
            raise
        return version


class LiveStore:
    """Holds one good version open, and looks over it in the overlay; for one thread."""

    def __init__(self, store: Store, overlay: Overlay) -> None:
        self.version: VersionReader | None = None
        """None where there is no version that is whole."""
        self._chain = VersionChain(store)
        self._store, self._overlay = store, overlay
        self.refresh()

    @property
    def problem(self) -> str | None:
        """Returns why the version that is open is not the current one; None where it is."""
        return self._chain.problem

    def refresh(self) -> bool:
        """Opens the current version, unless it is open; returns whether another one is open now."""
        return self.adopt(self.look())

    def look(self) -> VersionReader | None:
        """Returns the version that is to be read from now on, None where it is open already.

        The slow half of `refresh`, which another thread may run while this store is read.
        """
        return self._chain.next_version(self.version)

    def adopt(self, opened: VersionReader | None) -> bool:
        """Reads from `opened` from now on, if there is one, and closes the version before."""
        if opened is None:
            return False
        before, self.version = self.version, opened
        if before:
            before.close()
        return True

    def get_many(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Returns the records at the addresses as of now, None where there is none.

        Segments of the overlay count unless the version knows their change, or a later one; of two
        decisions on consent the later one does; recent events always count. Raises StoreError
        where the store does not answer.
        """
        live = self._overlay.get_many(addresses)
        if self.version is None:
            return [record.value if record else None for record in live]
        return merged(addresses, live, self.version.get_many(addresses), self.version.manifest)

    def changes_since(self, cursor: str | None) -> FeedPage:
        """Returns what changed in the overlay since then (`Overlay.changes_since`)."""
        return self._overlay.changes_since(cursor)

    def close(self) -> None:
        """Closes the version, the overlay and the store."""
        if self.version:
            self.version.close()
            self.version = None
        self._overlay.close()
        self._store.close()


def merged(
    addresses: Sequence[Address],
    live: Sequence[LiveRecord | None],
    published: list[bytes | None],
    manifest: Manifest,
) -> list[bytes | None]:
    """Returns the records as of now: those of the overlay over those of a version."""
    if not any(live):
        return published
    # A change has one time in the history of the lake, in the overlay and in the manifest: whose
    # clock it was does not matter. Versions that do not name it are held against the clock.
    known_at = manifest.segments_at or manifest.read_at - CLOCK_MARGIN
    found = []
    for (namespace, _), record, known in zip(addresses, live, published, strict=True):
        if record is None:
            found.append(known)
        elif namespace in DECIDED:
            # A publication knows those decisions that were ingested, whenever it was.
            found.append(record.value if known is None else later_decision(record.value, known))
        else:
            # Of what was done a moment ago no version tells.
            is_newer = namespace == RECENT or record.at > known_at
            found.append(record.value if is_newer else known)
    return found
