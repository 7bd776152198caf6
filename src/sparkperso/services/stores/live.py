"""What a service reads: the current version of the store, and over it what changed since."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from sparkperso.services.stores.base import Address, Store, StoreError, VersionReader
from sparkperso.services.stores.manifest import BrokenVersionError
from sparkperso.services.stores.overlay import LiveRecord, Overlay
from sparkperso.services.stores.records import CONSENTS

CLOCK_MARGIN = timedelta(seconds=60)
"""By how much the clocks of who publishes and of who writes the overlay may differ."""


class LiveStore:
    """Follows the chain of a store and holds one good version open, for one thread.

    A version that is not whole is not opened: the one that is open stays, else the next of the
    chain that is whole is taken; `problem` then says why.
    """

    def __init__(self, store: Store, overlay: Overlay) -> None:
        self.version: VersionReader | None = None
        """None where there is no version that is whole."""
        self.problem: str | None = None
        """Why the version that is open is not the current one; None where it is."""
        self._store, self._overlay = store, overlay
        self._broken: dict[str, str] = {}
        self.refresh()

    def refresh(self) -> bool:
        """Opens the current version, unless it is open; returns whether another one is open now.

        To be called about once a second: it costs one look at the chain. Raises nothing where the
        store does not answer; `problem` says so.
        """
        try:
            return self._follow(self._store.chain())
        except StoreError as error:
            self.problem = str(error)
            return False

    def _follow(self, chain: list[str]) -> bool:
        problem = None if chain else "No version was published yet"
        # What is broken stays so: what is published later has another name.
        self._broken = {name: why for name, why in self._broken.items() if name in chain}
        opened = None
        for name in chain:
            if self.version and name == self.version.manifest.name:
                self.version.renew()
                break
            if name not in self._broken:
                try:
                    opened = self._store.open(name)
                    break
                except BrokenVersionError as error:
                    self._broken[name] = str(error)
            problem = problem or self._broken[name]
        if opened:
            if self.version:
                self.version.close()
            self.version = opened
        self.problem = problem
        return opened is not None

    def get_many(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Returns the records at the addresses as of now, None where there is none.

        A record of the overlay counts unless the version was read after it began to hold; of two
        decisions on consent the later one does. Raises StoreError where the store does not answer.
        """
        live = self._overlay.get_many(addresses)
        if self.version is None:
            return [record.value if record else None for record in live]
        published = self.version.get_many(addresses)
        if not any(live):
            return published
        return [
            self._newest(namespace, record, known)
            for (namespace, _), record, known in zip(addresses, live, published, strict=True)
        ]

    def _newest(
        self, namespace: str, live: LiveRecord | None, published: bytes | None
    ) -> bytes | None:
        if live is None or self.version is None:
            return published
        if namespace == CONSENTS and published is not None:
            # A publication knows those decisions that were ingested, whenever it was.
            return max(live.value, published, key=_decision_order)
        is_newer = live.at > self.version.manifest.read_at - CLOCK_MARGIN
        return live.value if is_newer else published

    def close(self) -> None:
        """Closes the version, the overlay and the store."""
        if self.version:
            self.version.close()
            self.version = None
        self._overlay.close()
        self._store.close()


def _decision_order(decision: bytes) -> tuple[str, bool]:
    """By time; of two at the same time the no is the later."""
    state = json.loads(decision)
    return state["decided_at"], not state["granted"]
