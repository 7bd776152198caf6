"""The collector's memory of decisions: durable, quick, shared by the processes of a machine."""

from __future__ import annotations

import sqlite3
from itertools import permutations

import pytest

from sparkperso.collect.consent_store import LOOK_SECONDS, ConsentStore
from sparkperso.collect.problems import Problem
from sparkperso.config.privacy import PrivacyConfig
from sparkperso.privacy import Pseudonyms, load_keys

DAY, NEXT, LAST = (f"2026-06-0{day}T10:00:00.000000Z" for day in (1, 2, 3))
YES, NO = {"analytics": True}, {"analytics": False}
KEYS = {"k1": {"from_env": "K1"}, "k2": {"from_env": "K2", "follows": "k1"}}


def test_what_was_put_is_there_at_once_and_after_a_restart(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite")
    assert store.get("shop", "u") == {}
    store.put_all("shop", [("u", {"analytics": True, "marketing": True}, DAY), ("v", {}, DAY)])
    store.put_all("shop", [("u", {"marketing": False}, DAY)])
    store.put_all("other", [("u", {"analytics": False}, DAY)])
    again = ConsentStore(tmp_path / "c.sqlite")
    for found in (store, again):
        assert found.get("shop", "u") == {"analytics": True, "marketing": False}
        assert found.get("other", "u") == {"analytics": False}
        assert found.get("shop", "v") == {}


def test_another_process_is_heard_within_a_moment(tmp_path):
    now = [0.0]
    store = ConsentStore(tmp_path / "c.sqlite", clock=lambda: now[0])
    assert store.get("shop", "u") == {}
    ConsentStore(tmp_path / "c.sqlite").put_all("shop", [("u", {"analytics": False}, DAY)])
    now[0] += LOOK_SECONDS
    assert store.get("shop", "u") == {"analytics": False}


def test_it_remembers_so_many_in_memory_and_all_in_its_file(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite", size=10)
    store.put_all("shop", [(f"u{n}", {"analytics": n % 2 == 0}, DAY) for n in range(100)])
    assert [store.get("shop", f"u{n}")["analytics"] for n in range(100)] == [True, False] * 50
    assert len(store._known) == 10


@pytest.mark.parametrize("order", list(permutations([(YES, DAY), (NO, NEXT)])))
def test_a_yes_that_comes_late_undoes_no_later_no(tmp_path, order):
    store = ConsentStore(tmp_path / "c.sqlite")
    for said, decided_at in order:
        store.put_all("shop", [("u", said, decided_at)])
    assert store.get("shop", "u") == NO
    store.put_all("shop", [("u", YES, LAST)])
    assert store.get("shop", "u") == YES


def test_a_no_holds_at_once_even_from_a_clock_that_is_behind(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite")
    store.put_all("shop", [("u", YES, NEXT)])
    store.put_all("shop", [("u", NO, DAY)])
    store.put_all("shop", [("u", YES, NEXT)])  # the first, sent again
    assert store.get("shop", "u") == NO


def pseudonyms(current):
    config = PrivacyConfig.model_validate({"current": current, "keys": KEYS})
    return Pseudonyms(load_keys(config, "prod", {"K1": "1" * 32, "K2": "2" * 32}))


def test_decisions_outlive_the_key_of_their_pseudonyms(tmp_path):
    old, new = (pseudonyms(key) for key in ("k1", "k2"))
    store = ConsentStore(tmp_path / "c.sqlite")
    names = [p.of("user", "u") for p in (old, new)]
    plain = ("a:b:c", YES, DAY)
    store.put_all("shop", [(names[0], NO, NEXT), (names[1], YES, DAY), plain])
    assert store.rename(lambda name: new.rekey(name) if new.knows(name) else name) == 1
    assert store.get("shop", names[0]) == {}
    assert store.get("shop", names[1]) == NO
    assert store.get("shop", "a:b:c") == YES


def test_a_decision_that_cannot_be_written_is_not_acknowledged_and_can_be_sent_again(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite")
    store.put_all("shop", [("u", YES, DAY)])
    other = sqlite3.connect(tmp_path / "c.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Problem) as locked:
        store.put_all("shop", [("u", NO, NEXT)])
    other.execute("ROLLBACK")
    store._file.execute("PRAGMA max_page_count = 1")
    with pytest.raises(Problem) as full:
        store.put_all("shop", [(f"u{n}", NO, NEXT) for n in range(10_000)])
    assert (locked.value.status, full.value.status) == (503, 503)
    store._file.execute("PRAGMA max_page_count = 1000000")
    assert store.get("shop", "u") == YES
    assert store.get("shop", "u1") == {}
    store.put_all("shop", [("u", NO, NEXT)])
    assert store.get("shop", "u") == NO
