"""The collector's memory of decisions: durable, quick, shared by the processes of a machine."""

from __future__ import annotations

import os
import sqlite3
from itertools import permutations

import pytest

from sparkperso.config.privacy import PrivacyConfig
from sparkperso.privacy import Pseudonyms, load_keys
from sparkperso.services.collect.intake.consent_store import LOOK_SECONDS, ConsentStore
from sparkperso.services.http.problems import Problem

OLD_SCHEMA = """
CREATE TABLE decisions (
    site TEXT NOT NULL, subject TEXT NOT NULL, purpose TEXT NOT NULL,
    granted INTEGER NOT NULL, decided_at TEXT NOT NULL, PRIMARY KEY (site, subject, purpose)
) WITHOUT ROWID
"""
DAY, NEXT, LAST = (f"2026-06-0{day}T10:00:00.000000Z" for day in (1, 2, 3))
YES, NO = {"analytics": True}, {"analytics": False}
KEYS = {"k1": {"from_env": "K1"}, "k2": {"from_env": "K2", "follows": "k1"}}


def test_who_reads_beside_a_collector_leaves_its_outbox_alone(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite", has_outbox=True)
    name = store.outbox.name
    put(store, "shop", ("u1", {"marketing": False}, DAY))
    reader = ConsentStore(tmp_path / "c.sqlite")
    assert not reader.get("shop", "user_id", "u1")["marketing"].is_granted
    reader.close()
    put(store, "shop", ("u2", {"marketing": False}, DAY))
    assert [one.identifier for one in store.outbox.waiting(10)[0]] == ["u1", "u2"]
    assert store.outbox.name == name


def test_an_outbox_that_another_collector_dropped_keeps_no_decision_from_being_kept(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite", has_outbox=True)
    name = store.outbox.name
    ConsentStore(tmp_path / "c.sqlite", has_outbox=False).close()
    put(store, "shop", ("u1", {"marketing": False}, DAY))
    assert not store.get("shop", "user_id", "u1")["marketing"].is_granted
    assert [one.identifier for one in store.outbox.waiting(10)[0]] == ["u1"]
    assert store.outbox.name != name  # so that everybody is told of


def put(store, site, *decisions):
    store.put_all(site, [("user_id", *decision) for decision in decisions])


def said(store, site, subject, kind="user_id"):
    return {purpose: given for purpose, (given, _) in store.get(site, kind, subject).items()}


def test_what_was_put_is_there_at_once_and_after_a_restart(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite")
    assert said(store, "shop", "u") == {}
    put(store, "shop", ("u", {"analytics": True, "marketing": True}, DAY), ("v", {}, DAY))
    put(store, "shop", ("u", {"marketing": False}, DAY))
    put(store, "other", ("u", {"analytics": False}, DAY))
    again = ConsentStore(tmp_path / "c.sqlite")
    for found in (store, again):
        assert said(found, "shop", "u") == {"analytics": True, "marketing": False}
        assert said(found, "other", "u") == {"analytics": False}
        assert said(found, "shop", "v") == {}


def test_another_process_is_heard_within_a_moment(tmp_path):
    now = [0.0]
    store = ConsentStore(tmp_path / "c.sqlite", clock=lambda: now[0])
    assert said(store, "shop", "u") == {}
    put(ConsentStore(tmp_path / "c.sqlite"), "shop", ("u", {"analytics": False}, DAY))
    now[0] += LOOK_SECONDS
    assert said(store, "shop", "u") == {"analytics": False}


def test_it_remembers_so_many_in_memory_and_all_in_its_file(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite", size=10)
    put(store, "shop", *((f"u{n}", {"analytics": n % 2 == 0}, DAY) for n in range(100)))
    assert [said(store, "shop", f"u{n}")["analytics"] for n in range(100)] == [True, False] * 50
    assert len(store._known) == 10


@pytest.mark.parametrize("order", list(permutations([(YES, DAY), (NO, NEXT)])))
def test_a_yes_that_comes_late_undoes_no_later_no(tmp_path, order):
    store = ConsentStore(tmp_path / "c.sqlite")
    for decision, decided_at in order:
        put(store, "shop", ("u", decision, decided_at))
    assert said(store, "shop", "u") == NO
    put(store, "shop", ("u", YES, LAST))
    assert said(store, "shop", "u") == YES


def test_a_no_holds_at_once_even_from_a_clock_that_is_behind(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite")
    put(store, "shop", ("u", YES, NEXT))
    put(store, "shop", ("u", NO, DAY))
    put(store, "shop", ("u", YES, NEXT))  # the first, sent again
    assert said(store, "shop", "u") == NO


def pseudonyms(current):
    config = PrivacyConfig.model_validate({"current": current, "keys": KEYS})
    return Pseudonyms(load_keys(config, "prod", {"K1": "1" * 32, "K2": "2" * 32}))


def test_decisions_outlive_the_key_of_their_pseudonyms(tmp_path):
    old, new = (pseudonyms(key) for key in ("k1", "k2"))
    store = ConsentStore(tmp_path / "c.sqlite")
    names = [p.of("user", "u") for p in (old, new)]
    plain = ("a:b:c", YES, DAY)
    put(store, "shop", (names[0], NO, NEXT), (names[1], YES, DAY), plain)
    assert store.rename(lambda name: new.rekey(name) if new.knows(name) else name) == 1
    assert said(store, "shop", names[0]) == {}
    assert said(store, "shop", names[1]) == NO
    assert said(store, "shop", "a:b:c") == YES


def test_a_decision_that_cannot_be_written_is_not_acknowledged_and_can_be_sent_again(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite")
    put(store, "shop", ("u", YES, DAY))
    other = sqlite3.connect(tmp_path / "c.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Problem) as locked:
        put(store, "shop", ("u", NO, NEXT))
    other.execute("ROLLBACK")
    store._file.execute("PRAGMA max_page_count = 1")
    with pytest.raises(Problem) as full:
        put(store, "shop", *((f"u{n}", NO, NEXT) for n in range(10_000)))
    assert (locked.value.status, full.value.status) == (503, 503)
    store._file.execute("PRAGMA max_page_count = 1000000")
    assert said(store, "shop", "u") == YES
    assert said(store, "shop", "u1") == {}
    put(store, "shop", ("u", NO, NEXT))
    assert said(store, "shop", "u") == NO


def test_a_device_that_is_called_as_a_user_decides_nothing_for_that_user(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite")
    store.put_all("shop", [("anonymous_id", "u", YES, DAY)])
    assert said(store, "shop", "u") == {}
    assert said(store, "shop", "u", "anonymous_id") == YES


def test_a_file_of_an_earlier_version_goes_on_to_hold(tmp_path):
    path = tmp_path / "c.sqlite"
    with sqlite3.connect(path) as old:
        old.execute(OLD_SCHEMA)
        rows = [("shop", "u", "analytics", 0, NEXT), ("shop", "a-1", "analytics", 1, DAY)]
        old.executemany("INSERT INTO decisions VALUES (?, ?, ?, ?, ?)", rows)
    old.close()
    for _ in range(2):
        store = ConsentStore(path)
        assert said(store, "shop", "u") == said(store, "shop", "u", "anonymous_id") == NO
        assert said(store, "shop", "a-1", "anonymous_id") == YES
        put(store, "shop", ("u", YES, NEXT))
        assert said(store, "shop", "u") == NO
        store.close()


@pytest.mark.parametrize("is_there", [True, False])
def test_nobody_else_may_read_what_people_decided(tmp_path, is_there):
    path = tmp_path / "spool" / "c.sqlite"
    if is_there:  # an earlier version's, readable by all
        path.parent.mkdir()
        path.touch(0o644)
    before = os.umask(0)
    try:
        store = ConsentStore(path)
        put(store, "shop", ("u", YES, DAY))
    finally:
        os.umask(before)
    files = {found.name: found.stat().st_mode & 0o777 for found in path.parent.iterdir()}
    assert files == dict.fromkeys(("c.sqlite", "c.sqlite-wal", "c.sqlite-shm"), 0o600)
    assert is_there or path.parent.stat().st_mode & 0o777 == 0o700
