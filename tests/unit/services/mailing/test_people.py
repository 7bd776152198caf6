"""A person of the store: what was published of them, and nothing of whom nobody knows."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from sparkperso.core.times import now
from sparkperso.services.mailing.people import StoredPerson, read_people
from sparkperso.services.stores.lmdb_store import LmdbStore
from sparkperso.services.stores.manifest import Facts
from sparkperso.services.stores.records import (
    CONSENTS,
    MARKETING_CONSENTS,
    PROFILES,
    SEGMENTS,
    record_key,
    subject_id,
)

AS_OF = datetime(2026, 3, 1, tzinfo=timezone.utc)
PROFILE = {
    **{"country": "DE", "birth_year": 1990, "attributes": {"plan": "gold"}},
    "features": {"frequency": 3, "share_mobile": 0.75, "top_category": "kitchen"},
}
NO = {"granted": False, "decided_at": "2026-02-01T00:00:00.000000Z"}


@pytest.fixture
def version(tmp_path):
    store = LmdbStore(tmp_path)
    records = {
        PROFILES: {"known": PROFILE, "bare": {}},
        SEGMENTS: {"known": [{"segment_id": "a-1", "label": "Ones"}, {"segment_id": "a-2"}]},
        CONSENTS: {subject_id("user_id", "known"): {**NO, "granted": True}},
        MARKETING_CONSENTS: {subject_id("user_id", "known"): NO},
    }
    with store.draft() as draft:
        for namespace, own in records.items():
            pairs = sorted((record_key(n), json.dumps(one).encode()) for n, one in own.items())
            draft.write(namespace, pairs)
        draft.seal(Facts(read_at=now(), as_of=AS_OF))
        store.release(draft, 1)
    with store.open(store.current()) as opened:
        yield opened


def test_people_are_what_was_published_of_them(version):
    unknown, known, bare = read_people(version, ["nobody", "known", "bare"], version.manifest)
    nothing = dict.fromkeys(("personalisation", "marketing"))
    assert unknown == StoredPerson("nobody", {}, {}, nothing)
    assert (bare.attributes, bare.decisions) == ({}, nothing)
    assert known.decisions == {"personalisation": True, "marketing": False}
    assert known.segments == {"a-1": "Ones", "a-2": "a-2"}
    assert known.attributes["frequency"] == 3
    assert known.attributes["top_category"] == "kitchen"
    assert known.attributes["device_type"] == "mobile"
    assert known.attributes["country"] == "DE"
    # The year of as-of, not of the clock.
    assert known.attributes["age"] == 2026 - 1990 - 1


def test_nobody_is_read_for_nothing(version):
    assert read_people(version, [], version.manifest) == []
    assert read_people(version, ["x"], None)[0].attributes == {}
