"""Who agreed to be told of: by gold/profiles, and by the serving store, which knows it sooner."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from sparkperso.config import Settings
from sparkperso.core.consent import NECESSARY, REQUIRED, Purpose, is_allowed
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.platform.table_feed import read_rows
from sparkperso.services.stores.factory import open_overlay, open_store
from sparkperso.services.stores.live import LiveStore
from sparkperso.services.stores.records import DECISIONS, subject_id

PROFILES = "gold/profiles"
BLOCK = 50_000
"""People whose profiles are read at once."""


class Consents:
    """What people decided; a no of either place holds. Its methods may be called by any thread."""

    def __init__(self, settings: Settings, lake: LakeReader) -> None:
        self._settings, self._lake = settings, lake
        self._store = LiveStore(open_store(settings), open_overlay(settings))
        self._lock = Lock()

    def refresh(self) -> None:
        """Reads the store's current version from now on."""
        with self._lock:
            self._store.refresh()

    def close(self) -> None:
        """Closes the store."""
        self._store.close()

    def agreed(self, user_ids: Sequence[str], purpose: Purpose) -> set[str]:
        """Returns those of whom a receiver may be told for a purpose.

        Raises StoreError where the store does not answer, JobError for a lake that cannot be read.
        """
        if purpose == NECESSARY:
            return set(user_ids)
        ids = list(dict.fromkeys(user_ids))
        found: set[str] = set()
        for start in range(0, len(ids), BLOCK):
            block = ids[start : start + BLOCK]
            columns = ("user_id", "country", "consents")
            rows = read_rows(self._lake, PROFILES, "user_id", block, columns)
            profiles = {row["user_id"]: row for row in rows}
            stored = self._stored(block, purpose)
            for user_id in block:
                profile = profiles.get(user_id, {})
                if self._may(profile, stored.get(user_id), purpose):
                    found.add(user_id)
        return found

    def withdrew(self, user_id: str, purpose: Purpose) -> bool:
        """Says whether the store has a no of somebody; raises StoreError where it does not answer.

        Who agreed when a message was queued may have withdrawn since.
        """
        return self._stored([user_id], purpose).get(user_id) is False

    def _may(self, profile: Mapping[str, Any], stored: bool | None, purpose: Purpose) -> bool:
        said = ((profile.get("consents") or {}).get(purpose), stored)
        decision = False if False in said else (True if True in said else None)
        regime = self._settings.consent.regime_of(profile.get("country"))
        return is_allowed(purpose, self._basis(purpose), regime, decision, opted_out=False)

    def _basis(self, purpose: Purpose) -> str:
        bases = {
            "personalisation": self._settings.serving.consent,
            "marketing": self._settings.mail.consent,
        }
        return bases.get(purpose, REQUIRED)

    def _stored(self, user_ids: Sequence[str], purpose: Purpose) -> dict[str, bool]:
        namespace = DECISIONS.get(purpose)
        if namespace is None:
            return {}
        addresses = [(namespace, subject_id("user_id", one)) for one in user_ids]
        with self._lock:
            records = self._store.get_many(addresses)
        return {
            user_id: json.loads(record)["granted"]
            for user_id, record in zip(user_ids, records, strict=True)
            if record
        }
