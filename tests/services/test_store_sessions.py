"""Laws of the session index of a version: one family, for LMDB and for a real Redis."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from tests.services.test_stores import OPEN_STORE, LmdbHome, RedisHome
from tests.unit.recommend.test_session_model import PARAMS, random_sessions, table_of

from sparkperso.core.times import now
from sparkperso.recommend.registered.session_model import session_model
from sparkperso.services.stores import redis_files, session_file
from sparkperso.services.stores.live import LiveStore
from sparkperso.services.stores.manifest import BrokenVersionError, Facts
from sparkperso.services.stores.records import SESSIONS
from sparkperso.services.stores.redis_store import RedisStore
from sparkperso.services.stores.session_file import pack_session_model

ASKED = [*random_sessions(9, n=40), [], ["unheard of"], ["i1", "unheard of"]]


@pytest.fixture(params=["lmdb", "redis"])
def home(request, tmp_path, monkeypatch):
    if request.param == "lmdb":
        return LmdbHome(tmp_path / "serving")
    # So that a small file has several blocks.
    monkeypatch.setattr(redis_files, "BLOCK", 1000)
    return RedisHome(request.getfixturevalue("redis_server"), tmp_path.name)


@pytest.fixture
def store(home):
    opened = home.store()
    yield opened
    opened.close()


def model_of(seed):
    return session_model(table_of(random_sessions(seed)), PARAMS)


def publish(store, model=None, keep=3):
    """Releases a version with a list, and with the index of a model; returns its name."""
    with store.draft() as draft:
        draft.write("popular", [(b"=global", b"x")])
        if model:
            draft.write_file(SESSIONS, pack_session_model(model))
        n_sessions = model.model.index.n_sessions if model else 0
        draft.seal(Facts(read_at=now(), sessions=n_sessions))
        store.release(draft, keep)
        store.clean()
    return draft.name


def spoil(home, name):
    """Takes away a part of the index."""
    if isinstance(home, LmdbHome):
        path = home.folder / "versions" / name / SESSIONS
        os.truncate(path, path.stat().st_size - 1)
    else:
        client = home.place.connect()
        client.hdel(redis_files.file_key(home.place, name, SESSIONS), "1")


def same(one, other):
    for recent in ASKED:
        assert one.next_items(recent, 9) == other.next_items(recent, 9)


def test_the_index_answers_to_the_bit_as_the_model_that_was_published(store):
    model = model_of(1)
    publish(store, model)
    with store.open(store.current()) as version:
        stored = version.session_model()
        same(stored, model)
        assert stored.model.params == PARAMS
        assert version.session_model() is stored, "it is opened once"
        assert version.manifest.sizes()["sessions"] == 80
        for name, array in model.arrays().items():
            np.testing.assert_array_equal(stored.arrays()[name], array)


def test_a_version_may_have_no_index(store):
    publish(store)
    with store.open(store.current()) as version:
        assert version.session_model() is None
        assert version.manifest.sizes()["sessions"] == 0
        assert version.get("popular", "global") == b"x"


def test_the_model_stays_good_when_its_version_is_closed_and_removed(store, home):
    model = model_of(1)
    first = publish(store, model)
    with store.open(first) as version:
        stored = version.session_model()
    publish(store, model_of(2), keep=1)
    publish(store, keep=1)
    assert not home.traces(first)
    same(stored, model)


def test_a_rollback_brings_the_index_back(store):
    models = [model_of(1), model_of(2)]
    first, second = (publish(store, model) for model in models)
    live = LiveStore(store, NoOverlay())
    same(live.version.session_model(), models[1])
    assert store.rollback() == (first, second)
    assert live.refresh()
    same(live.version.session_model(), models[0])
    live.version.close()


class NoOverlay:
    """Nothing is read from it here."""


def test_nothing_is_left_of_a_draft_with_an_index(store, home):
    def give_up():
        with store.draft() as draft:
            draft.write_file(SESSIONS, pack_session_model(model_of(1)))
            names.append(draft.name)
            assert home.traces(draft.name)
            raise RuntimeError

    names = []
    with pytest.raises(RuntimeError):
        give_up()
    assert not home.traces(names[0])


def test_an_index_that_is_not_whole_is_a_version_that_is_not(store, home):
    first, second = publish(store, model_of(1)), publish(store, model_of(2))
    spoil(home, second)
    with pytest.raises(BrokenVersionError, match=r"sessions\.arrays"):
        store.open(second)
    spoil(home, first)
    with pytest.raises(BrokenVersionError):
        store.rollback()
    assert store.current() == second


def test_who_follows_the_chain_has_the_index_open_before_it_is_asked_for(store, monkeypatch):
    model = model_of(1)
    name = publish(store, model)
    live = LiveStore(store, NoOverlay())
    monkeypatch.setattr(type(live.version), "file", lambda *_: pytest.fail("a request waits"))
    same(live.version.session_model(), model)
    assert live.version.manifest.name == name
    live.version.close()


def test_an_index_that_cannot_be_read_leaves_the_version_before(store, home, monkeypatch):
    first = publish(store, model_of(1))
    with monkeypatch.context() as earlier:
        earlier.setattr(session_file, "FORMAT", "0")
        second = publish(store, model_of(2))
    live = LiveStore(store, NoOverlay())
    assert live.version.manifest.name == first
    assert second in live.problem
    live.version.close()
    publish(store, keep=1)
    assert not any(map(home.traces, (first, second))), "nobody holds one"


def test_an_index_of_another_format_is_refused(store, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(session_file, "FORMAT", "0")
        publish(store, model_of(1))
    with store.open(store.current()) as version:
        with pytest.raises(BrokenVersionError, match="format 1"):
            version.session_model()
        assert version.get("popular", "global") == b"x"


ASK_IN_ANOTHER_PROCESS = """
with store.open(store.current()) as version:
    print(version.session_model().next_items(["i1", "i2"], 9))
print(sorted({"numba", "scipy", "pyspark", "pyarrow", "pandas"} & sys.modules.keys()))
"""


def test_another_process_answers_alike_and_loads_nothing_heavy(store, home, monkeypatch):
    monkeypatch.undo()
    model = model_of(1)
    publish(store, model)
    line = [sys.executable, "-c", OPEN_STORE + ASK_IN_ANOTHER_PROCESS, home.argument()]
    found = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.splitlines() == [repr(model.next_items(["i1", "i2"], 9)), "[]"]


@pytest.fixture
def redis_home(redis_server, tmp_path, monkeypatch):
    monkeypatch.setattr(redis_files, "BLOCK", 1000)
    return RedisHome(redis_server, tmp_path.name)


def test_redis_gives_its_index_once_per_machine(redis_home, tmp_path):
    stores = [RedisStore(redis_home.place, tmp_path / "cache") for _ in range(2)]
    model = model_of(1)
    name = publish(stores[0], model)
    for store in stores:
        with store.open(name) as version:
            same(version.session_model(), model)
            # Had the second one to be fetched, it would be found broken.
            spoil_content(redis_home, name)
        store.close()


def spoil_content(home, name):
    home.place.connect().hset(redis_files.file_key(home.place, name, SESSIONS), "1", b"other")


def test_an_index_that_was_changed_in_redis_is_refused_and_lists_are_still_read(redis_home):
    store = redis_home.store()
    name = publish(store, model_of(1))
    spoil_content(redis_home, name)
    with store.open(name) as version:
        for _ in range(2):
            with pytest.raises(BrokenVersionError, match="checksum"):
                version.session_model()
        assert version.get("popular", "global") == b"x"
    store.close()
