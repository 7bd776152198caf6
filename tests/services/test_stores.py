"""Laws of serving stores: one family, for LMDB and for a real Redis."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from tests.unit.services.stores.test_records import NAUGHTY

from sparkperso.core.errors import JobError
from sparkperso.core.times import iso, now
from sparkperso.services.stores import overlay as overlays
from sparkperso.services.stores import redis_store
from sparkperso.services.stores.base import StoreError
from sparkperso.services.stores.live import LiveStore
from sparkperso.services.stores.lmdb_store import LmdbStore
from sparkperso.services.stores.manifest import BrokenVersionError, Facts
from sparkperso.services.stores.overlay import (
    RECENT,
    FeedPage,
    LiveRecord,
    LmdbOverlay,
    RedisOverlay,
)
from sparkperso.services.stores.records import CONSENTS, DECIDED, NAMESPACES, SEGMENTS, record_key
from sparkperso.services.stores.redis_place import RedisPlace
from sparkperso.services.stores.redis_store import RedisStore

LISTS = "lists.new"


class LmdbHome:
    """A folder."""

    def __init__(self, folder):
        self.folder = folder

    def store(self):
        return LmdbStore(self.folder)

    def overlay(self):
        return LmdbOverlay(self.folder)

    def traces(self, name):
        return (self.folder / "versions" / name).exists()

    def spoil(self, name):
        """Takes away a part of a version."""
        path = self.folder / "versions" / name / "records.mdb"
        os.truncate(path, path.stat().st_size // 2)

    def forget(self):
        """Loses the overlay, which nobody has open."""
        for path in self.folder.glob("overlay.mdb*"):
            path.unlink()

    def argument(self):
        return f"lmdb {self.folder}"


class RedisHome:
    """A prefix of the server."""

    def __init__(self, server, prefix):
        self.server, self.prefix = server, prefix
        self.place = RedisPlace(server.url, prefix, 5)

    def store(self):
        return RedisStore(self.place)

    def overlay(self):
        return RedisOverlay(self.place)

    def traces(self, name):
        return bool(list(self.place.connect().scan_iter(f"{self.prefix}:{name}:*", 10_000)))

    def spoil(self, name):
        self.place.connect().unlink(redis_store.buckets_of(self.place, name, LISTS)[3])

    def forget(self):
        client = self.place.connect()
        client.unlink(*client.scan_iter(f"{self.prefix}:*", 10_000))

    def argument(self):
        return f"redis {self.server.url} {self.prefix}"


@pytest.fixture(params=["lmdb", "redis"])
def home(request, tmp_path):
    if request.param == "lmdb":
        return LmdbHome(tmp_path / "serving")
    return RedisHome(request.getfixturevalue("redis_server"), tmp_path.name)


@pytest.fixture
def store(home):
    opened = home.store()
    yield opened
    opened.close()


def sorted_records(records):
    return sorted((record_key(name), value) for name, value in records.items())


def publish(store, text, users=3000, keep=3, **facts):
    """Releases a version in which each user's list is `text`; returns its name."""
    with store.draft() as draft:
        draft.write(LISTS, sorted_records({f"u{n}": text.encode() for n in range(users)}))
        draft.seal(Facts(read_at=now(), **facts))
        store.release(draft, keep)
        store.clean()
    return draft.name


def test_what_is_written_is_read_whatever_the_id(store):
    records = {name: repr(name).encode() for name in NAUGHTY}
    with store.draft() as draft:
        for namespace in NAMESPACES:
            assert draft.write(namespace, sorted_records(records)) == len(records)
        manifest = draft.seal(Facts(read_at=now(), model_version="7"))
        store.release(draft, 1)
    assert manifest.counts == dict.fromkeys(NAMESPACES, len(NAUGHTY))
    with store.open(store.current()) as version:
        assert version.manifest == manifest
        for namespace in NAMESPACES:
            addresses = [(namespace, name) for name in NAUGHTY]
            assert version.get_many(addresses) == list(records.values())
            assert version.get(namespace, "somebody else") is None
        assert version.get("no such namespace", "u1") is None


def test_keys_go_on_from_call_to_call_and_values_may_be_large(store):
    large = bytes(range(256)) * 40_000
    with store.draft() as draft:
        draft.write(LISTS, [(b"=a", b"1"), (b"=b", large)])
        draft.write("popular", [(b"=a", b"2")])
        draft.write(LISTS, [(b"=c", b"")])
        draft.seal(Facts(read_at=now()))
        store.release(draft, 1)
    with store.open(store.current()) as version:
        assert version.get_many([(LISTS, name) for name in "abc"]) == [b"1", large, b""]
        assert version.get("popular", "a") == b"2"


def test_a_version_never_changes_and_is_read_while_others_come(store, home):
    first = publish(store, "one")
    with store.open(first) as version:
        for text in ("two", "three", "four"):
            publish(store, text, keep=1)
        assert version.get(LISTS, "u7") == b"one"
        assert store.chain() == [store.current()]
        assert home.traces(first), "it is read, and so it is there"
    publish(store, "five", keep=1)
    assert not home.traces(first)


def test_versions_beyond_those_that_are_kept_leave_nothing(store, home):
    names = [publish(store, str(number), keep=2) for number in range(4)]
    assert store.chain() == names[:1:-1]
    assert [home.traces(name) for name in names] == [False, False, True, True]


def test_a_draft_is_not_seen_and_one_that_is_not_released_leaves_nothing(store, home):
    first = publish(store, "one")
    drafts = []

    def give_up():
        with store.draft() as draft:
            drafts.append(draft.name)
            draft.write(LISTS, [(b"=u1", b"half")])
            assert store.current() == first
            assert home.traces(draft.name)
            with pytest.raises(BrokenVersionError):
                store.open(draft.name)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        give_up()
    assert not home.traces(drafts[0])
    assert store.chain() == [first]


def test_a_sealed_draft_can_be_looked_at_and_is_still_not_current(store, home):
    with store.draft() as draft:
        draft.write(LISTS, [(b"=u1", b"x")])
        draft.seal(Facts(read_at=now()))
        assert store.current() is None
        with store.open(draft.name) as version:
            assert version.get(LISTS, "u1") == b"x"
    assert store.chain() == []
    assert not home.traces(draft.name)


def test_rollback_goes_back_one_version_at_a_time(store, home):
    names = [publish(store, text) for text in ("one", "two", "three")]
    assert store.rollback() == (names[1], names[2])
    assert store.rollback() == (names[0], names[1])
    with pytest.raises(JobError, match="before the current one"):
        store.rollback()
    assert store.current() == names[0]
    fourth = publish(store, "four")
    assert store.chain() == [fourth, names[0]]
    assert [home.traces(name) for name in names] == [True, False, False]
    assert store.rollback() == (names[0], fourth)


def test_no_rollback_to_a_version_that_is_not_whole(store, home):
    first, second = publish(store, "one"), publish(store, "two")
    home.spoil(first)
    with pytest.raises(BrokenVersionError):
        store.rollback()
    assert store.current() == second


def test_a_version_that_is_not_whole_is_refused_and_the_last_good_one_stays(store, home):
    first, second = publish(store, "one"), publish(store, "two")
    home.spoil(second)
    live = LiveStore(home.store(), home.overlay())
    assert live.version.manifest.name == first
    assert second in live.problem
    assert live.get_many([(LISTS, "u1")]) == [b"one"]
    assert not live.refresh()
    assert second in live.problem
    third = publish(store, "three")
    assert live.refresh()
    assert (live.version.manifest.name, live.problem) == (third, None)
    live.close()


def test_a_reader_keeps_what_it_has_where_the_new_version_is_broken(store, home):
    first = publish(store, "one")
    live = LiveStore(home.store(), home.overlay())
    second = publish(store, "two")
    home.spoil(second)
    assert not live.refresh()
    assert live.version.manifest.name == first
    assert second in live.problem
    live.close()


def test_an_empty_store_is_no_error(store, home):
    live = LiveStore(home.store(), home.overlay())
    assert (live.version, live.problem) == (None, "No version was published yet")
    assert live.get_many([(LISTS, "u1")]) == [None]
    publish(store, "one")
    assert live.refresh()
    assert live.problem is None
    live.close()


OPEN_STORE = """
import sys
from pathlib import Path
from sparkperso.core.times import now
from sparkperso.services.stores.lmdb_store import LmdbStore
from sparkperso.services.stores.redis_place import RedisPlace
from sparkperso.services.stores.redis_store import RedisStore
from sparkperso.services.stores.live import LiveStore
from sparkperso.services.stores.manifest import Facts
from sparkperso.services.stores.overlay import LmdbOverlay, RedisOverlay
kind, *where = sys.argv[1].split()
if kind == "lmdb":
    store, overlay = LmdbStore(Path(where[0])), LmdbOverlay(Path(where[0]))
else:
    place = RedisPlace(where[0], where[1], 5)
    store, overlay = RedisStore(place), RedisOverlay(place)
"""
READ_IN_A_LOOP = """
live, seen = LiveStore(store, overlay), []
print("ready", flush=True)
addresses = [("lists.new", f"u{n}") for n in range(0, 3000, 300)]
while True:
    live.refresh()
    texts = set(live.get_many(addresses))
    assert len(texts) == 1, texts
    assert live.problem is None, live.problem
    text = texts.pop().decode()
    if not seen or text != seen[-1]:
        seen.append(text)
    if text == "last":
        break
print(*seen)
"""
PUBLISH_UNTIL_KILLED = """
import random
with store.draft() as draft:
    print("ready", flush=True)
    for number in range(100_000):
        draft.write("lists.new", [(b"=u%06d" % number, b"half" * 500)])
"""


def child(home, code):
    line = [sys.executable, "-c", OPEN_STORE + code, home.argument()]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_reader_in_another_process_sees_each_version_whole_and_in_order(store, home):
    texts = [f"v{number}" for number in range(8)]
    publish(store, texts[0])
    process = child(home, READ_IN_A_LOOP)
    for text in [*texts[1:], "last"]:
        time.sleep(0.02)
        publish(store, text, keep=1)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    seen = output.split()
    assert seen == [text for text in [*texts, "last"] if text in seen]
    assert len(seen) > 2


def test_the_switch_takes_less_than_100_ms(store):
    for number in range(3):
        with store.draft() as draft:
            draft.write(LISTS, [(b"=u%06d" % n, b"x" * 100) for n in range(20_000)])
            draft.seal(Facts(read_at=now()))
            started = time.monotonic()
            store._write_chain([draft.name])
            seconds = time.monotonic() - started
        assert seconds < 0.1, (number, seconds)


def test_a_publication_that_is_killed_leaves_the_old_version_and_is_cleaned_up(
    store, home, monkeypatch
):
    monkeypatch.setattr(redis_store, "LOCK_SECONDS", 1.0)
    code = "import sparkperso.services.stores.redis_store as m; m.LOCK_SECONDS = 1.0\n"
    first = publish(store, "one")
    for number in range(3):
        process = child(home, code + PUBLISH_UNTIL_KILLED)
        time.sleep(0.05 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert store.current() == first
    dead = [name for name in store.names() if name != first]
    assert dead
    last = publish(store, "two", keep=1)
    publish(store, "three", keep=1)
    assert not any(home.traces(name) for name in (first, last, *dead))


def test_two_do_not_publish_at_once(store, home, monkeypatch):
    monkeypatch.setattr(redis_store, "LOCK_SECONDS", 0.5)
    other = home.store()
    with store.publishing():
        with pytest.raises(StoreError, match="one process publishes at a time"):
            publish(other, "two")
        time.sleep(1)
        with pytest.raises(StoreError, match="one process publishes at a time"):
            other.rollback()
    publish(other, "two")
    other.close()


def live_record(text, seconds=0, lasts=3600):
    moment = now() + timedelta(seconds=seconds)
    return LiveRecord(text.encode(), moment, moment + timedelta(seconds=lasts))


def test_the_overlay_gives_what_was_put_and_the_later_counts(home):
    overlay = home.overlay()
    for name in NAUGHTY:
        overlay.put_many([((RECENT, name), live_record(repr(name)))])
    found = overlay.get_many([(RECENT, name) for name in NAUGHTY])
    assert [record.value for record in found] == [repr(name).encode() for name in NAUGHTY]
    address = (SEGMENTS, "u1")
    new, old = live_record("new"), live_record("old", -5)
    overlay.put_many([(address, new), (address, old)])
    assert overlay.get_many([address, (SEGMENTS, "u2")]) == [new, None]
    again = home.overlay()
    assert again.get_many([address]) == [new]
    again.close()
    overlay.close()


def count_up(record):
    number = 0 if record is None else int(record.value)
    return live_record(str(number + 1))


def test_changes_of_many_at_once_all_count(home):
    addresses = [(RECENT, name) for name in ("u1", "u2", "u3")]
    faults = []

    def change_often():
        overlay = home.overlay()
        try:
            for _ in range(25):
                overlay.change_many([(address, count_up) for address in addresses])
        except Exception as error:
            faults.append(error)
        overlay.close()

    threads = [threading.Thread(target=change_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    overlay = home.overlay()
    assert faults == []
    assert [record.value for record in overlay.get_many(addresses)] == [b"100"] * 3
    overlay.change_many(
        [(addresses[0], lambda record: None), ((RECENT, "u4"), lambda record: None)]
    )
    assert overlay.get_many([addresses[0]])[0].value == b"100"
    assert overlay.get_many([(RECENT, "u4")]) == [None]
    overlay.close()


def test_a_change_sees_no_record_whose_time_is_over(home):
    overlay, seen = home.overlay(), []
    overlay.put_many([((RECENT, "u1"), live_record("x", -10, 10.1))])
    time.sleep(0.2)
    overlay.change_many([((RECENT, "u1"), seen.append)])
    assert seen == [None]
    overlay.close()


def test_the_overlay_forgets_in_time(home, monkeypatch):
    overlay = home.overlay()
    addresses = [(RECENT, f"u{number}") for number in range(5)]
    overlay.put_many([(address, live_record("x", -10, 10.2)) for address in addresses[:4]])
    overlay.put_many([(addresses[4], live_record("y"))])
    assert overlay.get_many(addresses[:1])[0].value == b"x"
    time.sleep(0.3)
    assert [record is None for record in overlay.get_many(addresses)] == [True] * 4 + [False]
    monkeypatch.setattr(overlays, "PART", 3)
    assert overlay.prune() in (0, 4)
    assert overlay.prune() == 0
    assert overlay.get_many(addresses[4:])[0].value == b"y"
    overlay.close()


def test_the_feed_tells_what_changed_in_order_and_to_each_reader(home):
    overlay, other = home.overlay(), home.overlay()
    begin = other.changes_since(None)
    assert (begin.addresses, begin.is_whole) == ((), True)
    names = [(SEGMENTS, name) for name in NAUGHTY]
    overlay.put_many([(address, live_record("x")) for address in names])
    first = other.changes_since(begin.cursor)
    assert (list(first.addresses), first.is_whole) == (names, True)
    assert other.changes_since(first.cursor) == FeedPage((), first.cursor)
    # Nobody shows recent events; what is older than what is there changes nothing.
    overlay.put_many([((RECENT, "u1"), live_record("x")), ((SEGMENTS, "u1"), live_record("new"))])
    overlay.put_many([((SEGMENTS, "u1"), live_record("old", -5))])
    overlay.change_many([((CONSENTS, "user_id:u1"), count_up), ((RECENT, "u1"), count_up_anew)])
    overlay.change_many([((CONSENTS, "user_id:u2"), lambda record: None)])
    second = other.changes_since(first.cursor)
    assert second.addresses == ((SEGMENTS, "u1"), (CONSENTS, "user_id:u1"))
    assert overlay.changes_since(begin.cursor).addresses == first.addresses + second.addresses
    assert other.changes_since(None).cursor == second.cursor
    other.close()
    overlay.close()


def count_up_anew(_):
    return live_record("1")


def test_the_feed_is_read_by_pages_and_says_where_it_has_no_more(home, monkeypatch):
    monkeypatch.setattr(overlays, "FEED_PAGE", 40)
    # Redis cuts a stream by whole nodes, of a hundred entries.
    monkeypatch.setattr(overlays, "FEED_LENGTH", 100)
    overlay = home.overlay()
    begin = overlay.changes_since(None).cursor
    names = [f"u{number}" for number in range(90)]
    overlay.put_many([((SEGMENTS, name), live_record("x")) for name in names])
    cursor, read = begin, []
    while (page := overlay.changes_since(cursor)).addresses:
        assert len(page.addresses) <= 40
        assert page.is_whole
        read += [name for _, name in page.addresses]
        cursor = page.cursor
    assert read == names
    for _ in range(5):
        overlay.put_many([((SEGMENTS, name), live_record("y")) for name in names])
    late = overlay.changes_since(begin)
    assert not late.is_whole
    assert len(late.addresses) == 40
    assert overlay.changes_since(late.cursor).is_whole
    overlay.close()


def test_a_feed_that_was_empty_for_a_while_or_is_another_is_read_anew(home, monkeypatch):
    monkeypatch.setattr(overlays, "FEED_SECONDS", 1)
    overlay = home.overlay()
    overlay.put_many([((SEGMENTS, "u1"), live_record("x"))] * 3)
    cursor = overlay.changes_since(None).cursor
    time.sleep(1.2)
    overlay.put_many([((SEGMENTS, "u2"), live_record("x"))])
    page = overlay.changes_since(cursor)
    assert page.addresses == ((SEGMENTS, "u2"),)
    overlay.close()
    home.forget()
    again = home.overlay()
    lost = again.changes_since(page.cursor)
    assert (lost.addresses, lost.is_whole) == ((), False)
    again.put_many([((SEGMENTS, "u3"), live_record("x"))])
    assert again.changes_since(lost.cursor).addresses == ((SEGMENTS, "u3"),)
    again.close()


def test_of_segments_the_change_counts_that_the_version_does_not_know(store, home):
    """However late it is written, or published: both times are those of the change itself."""
    known = now() - timedelta(hours=1)
    with store.draft() as draft:
        names = ("before", "same", "after", "gone")
        draft.write(SEGMENTS, sorted_records(dict.fromkeys(names, b"published")))
        draft.seal(Facts(read_at=now(), segments_at=known))
        store.release(draft, 1)
    live, overlay = LiveStore(home.store(), home.overlay()), home.overlay()
    second = timedelta(seconds=1)
    for name, at in {"before": known - second, "same": known, "after": known + second}.items():
        overlay.put_many([((SEGMENTS, name), LiveRecord(b"live", at, now() + timedelta(days=1)))])
    overlay.put_many(
        [((SEGMENTS, "gone"), LiveRecord(b"[]", known + second, now() + timedelta(days=1)))]
    )
    found = live.get_many([(SEGMENTS, name) for name in names])
    assert found == [b"published", b"published", b"live", b"[]"]
    overlay.close()
    live.close()


def test_what_changed_since_the_tables_were_read_stands_over_the_version(store, home):
    with store.draft() as draft:
        draft.write(SEGMENTS, sorted_records({"u1": b"published", "u2": b"published"}))
        draft.seal(Facts(read_at=now() - timedelta(hours=1)))
        store.release(draft, 1)
    live = LiveStore(home.store(), home.overlay())
    overlay = home.overlay()
    overlay.put_many([((SEGMENTS, "u1"), live_record("newer"))])
    overlay.put_many([((SEGMENTS, "u2"), live_record("older", -7200, 86_400))])
    overlay.put_many([((SEGMENTS, "u3"), live_record("unknown before"))])
    addresses = [(SEGMENTS, name) for name in ("u1", "u2", "u3", "u4")]
    assert live.get_many(addresses) == [b"newer", b"published", b"unknown before", None]
    overlay.close()
    live.close()


def test_recent_events_and_decisions_count_however_new_the_version_is(store, home):
    publish(store, "one", users=10)
    live, overlay = LiveStore(home.store(), home.overlay()), home.overlay()
    addresses = [(namespace, "u1") for namespace in (RECENT, *sorted(DECIDED))]
    overlay.put_many([(address, live_record("long ago", -7200, 86_400)) for address in addresses])
    assert live.get_many(addresses) == [b"long ago"] * len(addresses)
    overlay.close()
    live.close()


@pytest.mark.parametrize("namespace", sorted(DECIDED))
def test_of_two_decisions_on_consent_the_later_holds(store, home, namespace):
    def decision(granted, seconds):
        moment = iso(now() + timedelta(seconds=seconds))
        return json.dumps({"granted": granted, "decided_at": moment})

    published = {"u1": decision(True, -100), "u2": decision(True, -10), "u3": decision(False, -10)}
    with store.draft() as draft:
        draft.write(
            namespace, sorted_records({name: text.encode() for name, text in published.items()})
        )
        draft.seal(Facts(read_at=now()))
        store.release(draft, 1)
    live, overlay = LiveStore(home.store(), home.overlay()), home.overlay()
    for name in published:
        # Long before the version was read: what it was read from may not have had the decision yet.
        overlay.put_many([((namespace, name), live_record(decision(False, -50), -86_400, 10**6))])
    found = live.get_many([(namespace, name) for name in published])
    assert [json.loads(one)["granted"] for one in found] == [False, True, False]
    overlay.close()
    live.close()


# LMDB alone.


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "serving"


def test_lmdb_refuses_keys_that_do_not_grow(folder):
    store = LmdbStore(folder)
    for keys in ([b"=b", b"=a"], [b"=a", b"=a"]):
        with pytest.raises(StoreError, match="should grow"), store.draft() as draft:
            draft.write(LISTS, [(key, b"x") for key in keys])
    assert store.names() == []


@pytest.mark.parametrize("shorter", [1, 4096, 10**9])
def test_lmdb_refuses_a_file_that_was_cut_off(folder, shorter):
    store = LmdbStore(folder)
    path = folder / "versions" / publish(store, "one") / "records.mdb"
    os.truncate(path, max(0, path.stat().st_size - shorter))
    with pytest.raises(BrokenVersionError, match="file that was published"):
        store.open(store.current())


def test_lmdb_refuses_a_file_with_one_other_byte(folder):
    store = LmdbStore(folder)
    path = folder / "versions" / publish(store, "one") / "records.mdb"
    store.open(store.current()).close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(BrokenVersionError, match="checksum"):
        store.open(store.current())


def test_lmdb_reads_a_copied_version_once_to_check_it(folder, monkeypatch):
    from sparkperso.services.stores import file_checks

    store = LmdbStore(folder)
    name = publish(store, "one")
    (folder / "versions" / name / ".records.mdb.checked").unlink()
    sums = []
    plain = file_checks.sha256_of
    monkeypatch.setattr(file_checks, "sha256_of", lambda path: sums.append(path) or plain(path))
    store.open(name).close()
    store.open(name).close()
    assert len(sums) == 1


def test_lmdb_grows_its_map(folder, monkeypatch):
    from sparkperso.services.stores import lmdb_store

    monkeypatch.setattr(lmdb_store, "FIRST_MAP", 1 << 16)
    store = LmdbStore(folder)
    publish(store, "x" * 1000)
    with store.open(store.current()) as version:
        assert version.count(LISTS) == 3000


def test_lmdb_reads_what_its_user_may_not_write(folder):
    store = LmdbStore(folder)
    name = publish(store, "one")
    place = folder / "versions" / name
    (place / ".records.mdb.checked").unlink()
    place.chmod(0o555)
    try:
        with store.open(name) as version:
            assert version.get(LISTS, "u1") == b"one"
    finally:
        place.chmod(0o755)


READ_CUT_FILE = """
live = LiveStore(store, overlay)
print("ready", flush=True)
sys.stdin.readline()
for n in range(3000):
    live.get_many([("lists.new", f"u{n}")])
"""


def test_a_reader_dies_of_a_file_cut_off_under_it_and_its_successor_has_the_last_good_one(folder):
    store, home = LmdbStore(folder), LmdbHome(folder)
    first = publish(store, "one" * 400)
    second = publish(store, "two" * 400)
    line = [sys.executable, "-c", OPEN_STORE + READ_CUT_FILE, home.argument()]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    home.spoil(second)
    process.communicate("go\n", timeout=60)
    assert process.returncode == -signal.SIGBUS
    live = LiveStore(home.store(), home.overlay())
    assert live.version.manifest.name == first
    live.close()


@pytest.mark.parametrize("damage", ["garbage", "cut off", "a folder"])
def test_an_overlay_that_is_damaged_is_said_and_kills_nobody(folder, damage):
    overlay = LmdbOverlay(folder)
    addresses = [(RECENT, f"user_id:u{n}") for n in range(3000)]
    overlay.put_many([(address, live_record("x" * 100)) for address in addresses])
    overlay.close()
    path = folder / "overlay.mdb"
    whole = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"?" * len(whole))
    elif damage == "cut off":
        os.truncate(path, 8192)
    else:
        path.unlink()
        path.mkdir()
    overlay = LmdbOverlay(folder)
    for call in (
        lambda: overlay.get_many(addresses),
        lambda: overlay.put_many([(addresses[0], live_record("y"))]),
        lambda: overlay.changes_since(None),
        overlay.prune,
    ):
        with pytest.raises(StoreError, match=r"overlay\.mdb should be a file of LMDB's"):
            call()
    assert overlay.get_many([(LISTS, "u1")]) == [None]  # of these it never has any
    # Once it is whole again it is read, without a start.
    path.rmdir() if damage == "a folder" else path.unlink()
    path.write_bytes(whole)
    assert all(overlay.get_many(addresses))
    overlay.close()


def test_an_overlay_that_is_damaged_while_it_is_read_is_an_error_of_the_store(folder):
    overlay = LmdbOverlay(folder)
    addresses = [(RECENT, f"user_id:u{n}") for n in range(3000)]
    overlay.put_many([(address, live_record("x" * 100)) for address in addresses])
    path = folder / "overlay.mdb"
    with path.open("r+b") as file:
        file.seek(2 * 4096)  # behind the pages that say where everything is
        file.write(b"?" * (path.stat().st_size - 2 * 4096))
    with pytest.raises(StoreError, match=r"overlay\.mdb should be a file of LMDB's"):
        overlay.get_many(addresses)
    overlay.close()


@pytest.mark.parametrize("name", ["../../../etc", "a\0b", "x" * 5000])
def test_a_chain_of_odd_names_is_none(folder, name):
    store = LmdbStore(folder)
    publish(store, "one")
    (folder / "CURRENT").write_text(f"{name}\n")
    live = LiveStore(store, LmdbOverlay(folder))
    assert live.version is None
    assert "should name the versions" in live.problem
    live.close()


def test_a_version_that_may_not_be_read_now_is_read_when_it_may(folder):
    store = LmdbStore(folder)
    manifest = folder / "versions" / publish(store, "one") / "manifest.json"
    text = manifest.read_text()
    manifest.unlink()
    manifest.mkdir()  # what is not allowed is, to who runs as root
    live = LiveStore(store, LmdbOverlay(folder))
    assert "should be readable" in live.problem
    manifest.rmdir()
    manifest.write_text(text)
    assert live.refresh()
    assert live.problem is None
    live.close()


# Redis alone.


def test_redis_says_where_it_should_answer_and_no_password():
    place = RedisPlace("redis://127.0.0.1:1/0", "p", 1, "anna", "geheim")
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1/0") as caught:
        RedisStore(place).chain()
    assert "geheim" not in str(caught.value) + repr(place)


def test_redis_that_forgot_everything_is_no_empty_answer(redis_server, tmp_path):
    home = RedisHome(redis_server, tmp_path.name)
    store = home.store()
    publish(store, "one")
    live = LiveStore(home.store(), home.overlay())
    assert live.get_many([(LISTS, "u1")]) == [b"one"]
    redis_server.stop()
    with pytest.raises(StoreError):
        live.get_many([(LISTS, "u1")])
    assert not live.refresh()
    assert "should answer" in live.problem
    redis_server.start()
    with pytest.raises(BrokenVersionError, match="gone"):
        live.get_many([(LISTS, "u1")])
    publish(store, "two")
    assert live.refresh()
    assert live.get_many([(LISTS, "u1")]) == [b"two"]
    live.close()


def test_redis_drafts_travel_to_tasks(redis_server, tmp_path):
    import pickle

    store = RedisHome(redis_server, tmp_path.name).store()
    with store.draft() as draft:
        draft.write(LISTS, [(b"=u1", b"here")])
        pickle.loads(pickle.dumps(draft)).write(LISTS, [(b"=u2", b"there")])
        assert draft.seal(Facts(read_at=now())).counts[LISTS] == 2


def test_redis_lets_nobody_publish_who_lost_the_lock(redis_server, tmp_path):
    home = RedisHome(redis_server, tmp_path.name)
    store = home.store()

    def lose_the_lock():
        with store.draft() as draft:
            draft.seal(Facts(read_at=now()))
            home.place.connect().set(home.place.key("publishing"), "another")
            store.release(draft, 1)

    with pytest.raises(StoreError, match="hold the lock"):
        lose_the_lock()
    assert store.chain() == []
