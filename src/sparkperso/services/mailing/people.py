"""One person as the store knows them: what conditions ask, and what they decided."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sparkperso.core.consent import Purpose
from sparkperso.core.times import now
from sparkperso.services.stores.base import Address
from sparkperso.services.stores.manifest import Manifest
from sparkperso.services.stores.records import DECISIONS, PROFILES, SEGMENTS, subject_id
from sparkperso.users.attributes import attributes_of


class Records(Protocol):
    """Where records are read: a version (`base.VersionReader`), or a version and what changed."""

    def get_many(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Returns the records at the addresses, None where there is none."""


@dataclass(frozen=True)
class StoredPerson:
    """What was published of one user; nothing of one who is not known."""

    user_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """As `rules.attributes` names them; absent where not known."""
    segments: Mapping[str, str] = field(default_factory=dict)
    """Segment id → label, in the order of the ids."""
    decisions: Mapping[Purpose, bool | None] = field(default_factory=dict)
    """Purpose → what they decided, None where they were never asked."""


def read_people(
    records: Records, user_ids: Sequence[str], manifest: Manifest | None
) -> list[StoredPerson]:
    """Returns people in the order of their ids, read in one round trip.

    `manifest` is the version's, whose as-of ages are counted at. Raises StoreError where the store
    does not answer.
    """
    at = (manifest.as_of or manifest.read_at) if manifest else now()
    found = records.get_many([address for one in user_ids for address in addresses_of(one)])
    width = len(addresses_of(""))
    return [
        person_of(user_id, found[place * width : (place + 1) * width], at)
        for place, user_id in enumerate(user_ids)
    ]


def addresses_of(user_id: str) -> list[Address]:
    """Returns where a person's records stand, as `person_of` takes them."""
    subject = subject_id("user_id", user_id)
    decisions = [(namespace, subject) for namespace in DECISIONS.values()]
    return [(PROFILES, user_id), (SEGMENTS, user_id), *decisions]


def person_of(user_id: str, records: Sequence[bytes | None], as_of: datetime) -> StoredPerson:
    """Returns a person of the records at `addresses_of`, in their order."""
    profile, members, *decisions = [json.loads(one) if one else None for one in records]
    known = {**(profile or {}), "as_of": as_of}
    return StoredPerson(
        user_id,
        attributes_of(known.get("features") or {}, known),
        {one["segment_id"]: one.get("label") or one["segment_id"] for one in members or ()},
        {
            purpose: decision["granted"] if decision else None
            for purpose, decision in zip(DECISIONS, decisions, strict=True)
        },
    )
