"""A key is changed: what is stored gets the names that new events have, once."""

from __future__ import annotations

import pytest
from tests.spool import line

from sparkperso.config.privacy import PrivacyConfig
from sparkperso.jobs import rekey_pseudonyms
from sparkperso.pipeline.step import carry_out
from sparkperso.platform.lake import TableWriter
from sparkperso.privacy import Pseudonyms, load_keys

KEYS = {
    "k1": {"from_env": "KEY_1", "secret": "1" * 32},
    "k2": {"from_env": "KEY_2", "secret": "2" * 32, "follows": "k1"},
}
ROTATED = ["privacy.current=k2", "privacy.keys.k1={from_env: KEY_1, secret: '" + "1" * 32 + "'}"]
ROTATED += ["privacy.keys.k2={from_env: KEY_2, follows: k1, secret: '" + "2" * 32 + "'}"]
TABLES = (
    "bronze/events",
    "silver/events",
    "silver/quarantine",
    "silver/consents",
    "gold/user_index",
)


def name_under(key_id, value):
    config = PrivacyConfig.model_validate({"current": key_id, "keys": KEYS})
    return Pseudonyms(load_keys(config, "local", {})).of("email", value)


@pytest.fixture
def rekey(make_job):
    def run():
        job = make_job("rekey-pseudonyms", set=ROTATED)
        return dict(carry_out(rekey_pseudonyms.STEP, job).summary)

    return run


def texts(lake):
    return {t: "\n".join(sorted(map(str, lake.ref(t).read().collect()))) for t in TABLES}


def test_stored_names_become_those_of_new_events_once(lake, spool, ingest, rekey):
    old, new = (name_under(key_id, "anna@example.com") for key_id in ("k1", "k2"))
    asked = {"basis": "required"}
    spool(
        "a",
        [
            line(
                1,
                asked,
                user_id=old,
                event_type="consent",
                metadata={"purposes": {"analytics": True}},
            ),
            line(2, asked, user_id=old, metadata={"traits": {"email": old}, "n": 1}),
            line(3, asked, user_id=old, event_type="oddity"),
            line(4, user_id="plain"),
        ],
    )
    assert ingest("ingest.max_rejected_share=1")["valid"] == 3
    index = lake.ref("gold/user_index").spec.struct()
    rows = lake.spark.createDataFrame([(old, 0), ("plain", 1), (new, 2)], index)
    TableWriter(lake.ref("gold/user_index")).append(rows)
    before = texts(lake)
    found = rekey()
    counts = {"bronze/events": 3, "silver/events": 2, "silver/quarantine": 1, "silver/consents": 1}
    assert found == {"key": "k2", **counts, "gold/user_index": 1}
    after = texts(lake)
    for table in TABLES[:-1]:
        expected = before[table].replace(old, new).split("\n")
        assert after[table].split("\n") == sorted(expected)
    users = {row["user_id"] for row in lake.ref("gold/user_index").read().collect()}
    assert users == {"plain", new}
    assert lake.ref("gold/user_index").read().count() == 2
    assert (rekey(), texts(lake)) == ({"key": "k2"}, after)


def test_between_two_keys_people_keep_their_decisions(lake, spool, ingest):
    old, new = (name_under(key_id, "anna@example.com") for key_id in ("k1", "k2"))
    asked = {"basis": "required"}
    yes = {"purposes": {"analytics": True}}
    spool("a", [line(1, asked, user_id=old, event_type="consent", metadata=yes)])
    ingest()
    spool("b", [line(2, asked, user_id=new), line(3, asked, user_id=old), line(4, asked)])
    summary = ingest(*ROTATED)
    assert (summary["valid"], summary["refused"]) == (2, 1)
