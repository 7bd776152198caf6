"""A serving store with a few records, written without Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson

from sparkperso.core.times import now
from sparkperso.recommend.registered.session_model import SessionModel
from sparkperso.services.stores.base import Store
from sparkperso.services.stores.manifest import Facts
from sparkperso.services.stores.overlay import LiveRecord
from sparkperso.services.stores.records import SESSIONS, make_list, record_key
from sparkperso.services.stores.session_file import pack_session_model

Records = Mapping[str, Mapping[str, bytes]]
"""Namespace → id → record."""


def release(
    store: Store,
    records: Records,
    sessions: SessionModel | None = None,
    keep: int = 3,
    candidate_version: str | None = None,
    *,
    shares: Mapping[str, Any] | None = None,
) -> str:
    """Publishes a version with these records and a session model, and returns its name.

    `shares` are those of bandits, as `Facts.shares`.
    """
    with store.draft() as draft:
        for namespace, rows in records.items():
            keyed = ((record_key(name), value) for name, value in rows.items())
            draft.write(namespace, sorted(keyed))
        n_sessions = 0
        if sessions:
            draft.write_file(SESSIONS, pack_session_model(sessions))
            n_sessions = sessions.model.index.n_sessions
        moment = now()
        facts = {"read_at": moment, "as_of": moment, "lists_at": moment, "model_version": "7"}
        facts["shares"] = shares or {}
        draft.seal(Facts(**facts, candidate_version=candidate_version, sessions=n_sessions))
        store.release(draft, keep)
        return draft.name


def stored_list(
    ids: Sequence[str], strategy: str = "hybrid", reason: str = "model", **head: Any
) -> bytes:
    """Returns a list as publications store it, with falling scores and titles."""
    members = orjson.dumps({"strategy": strategy, **head})[1:-1]
    items = [
        {
            "rank": rank,
            "item_id": item_id,
            "score": round(1 / rank, 3),
            "reason": reason,
            "title": f"Item {item_id}",
        }
        for rank, item_id in enumerate(ids, 1)
    ]
    return make_list(members, [orjson.dumps(item) for item in items])


def live(value: Any, seconds: float = 3600) -> LiveRecord:
    """Returns a record of the overlay that holds from now on, for so long."""
    return LiveRecord(orjson.dumps(value), now(), now() + timedelta(seconds=seconds))


def decision(granted: bool, decided_at: str = "2026-01-01T00:00:00.000000Z") -> bytes:
    """Returns a decision on personalisation as it is stored."""
    return orjson.dumps({"granted": granted, "decided_at": decided_at})
