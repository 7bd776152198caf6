"""The collector's memory of decisions: durable, quick, shared by the processes of a machine."""

from __future__ import annotations

from sparkperso.collect.consent_store import LOOK_SECONDS, ConsentStore


def test_what_was_put_is_there_at_once_and_after_a_restart(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite")
    assert store.get("shop", "u") == {}
    store.put_all("shop", [("u", {"analytics": True, "marketing": True}), ("v", {})])
    store.put_all("shop", [("u", {"marketing": False})])
    store.put_all("other", [("u", {"analytics": False})])
    again = ConsentStore(tmp_path / "c.sqlite")
    for found in (store, again):
        assert found.get("shop", "u") == {"analytics": True, "marketing": False}
        assert found.get("other", "u") == {"analytics": False}
        assert found.get("shop", "v") == {}


def test_another_process_is_heard_within_a_moment(tmp_path):
    now = [0.0]
    store = ConsentStore(tmp_path / "c.sqlite", clock=lambda: now[0])
    assert store.get("shop", "u") == {}
    ConsentStore(tmp_path / "c.sqlite").put_all("shop", [("u", {"analytics": False})])
    now[0] += LOOK_SECONDS
    assert store.get("shop", "u") == {"analytics": False}


def test_it_remembers_so_many_in_memory_and_all_in_its_file(tmp_path):
    store = ConsentStore(tmp_path / "c.sqlite", size=10)
    store.put_all("shop", [(f"u{n}", {"analytics": n % 2 == 0}) for n in range(100)])
    assert [store.get("shop", f"u{n}")["analytics"] for n in range(100)] == [True, False] * 50
    assert len(store._known) == 10
