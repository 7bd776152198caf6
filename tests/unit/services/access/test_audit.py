"""The audit: every read is a line, whatever the disk does, and no line names a person."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from sparkperso.config import load_settings
from sparkperso.privacy import Pseudonyms, load_keys
from sparkperso.privacy.keys import Keys
from sparkperso.services.access.audit import LINES, Audit, make_audit
from sparkperso.services.access.caller import LOCAL_CALLER, OWN_SCOPES, Caller
from sparkperso.services.http.problems import busy

ROUTE = "/v1/users/{id}/profile"
SERVICE = Caller("service", "anna@shop.example", frozenset(), "service:login:anna@shop.example")
USER = Caller("user", "user-17", OWN_SCOPES["user"], "user:user-17", until=1e12)
VISITOR = Caller("browser", "a-9", OWN_SCOPES["browser"], "visitor:a-9", True, 1e12)


@pytest.fixture(scope="module")
def pseudonyms():
    settings = load_settings("local")
    return Pseudonyms(load_keys(settings.privacy, "local", {}))


class Disk:
    """A sink in memory, which can be full."""

    def __init__(self):
        self.lines, self.is_full, self.puts = [], False, 0

    async def start(self):
        pass

    async def put(self, lines):
        self.puts += 1
        await asyncio.sleep(0)
        if self.is_full:
            raise busy("The disk is full.")
        self.lines += [json.loads(line) for _, line in lines]

    async def check(self):
        return None

    async def close(self):
        pass


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def audit(disk, pseudonyms):
    return Audit(disk, pseudonyms, max_pending=1000)


def test_lines_name_reader_person_route_and_time_and_nobody_by_name(audit, disk, pseudonyms):
    audit.user(LOCAL_CALLER, "user-17", ROUTE)
    audit.user(SERVICE, "user-17", ROUTE)
    audit.user(USER, "user-17", ROUTE)
    audit.visitor(VISITOR, "a-9", "/v1/stream")
    asyncio.run(audit.flush())
    key, service, user, visitor = disk.lines
    person = pseudonyms.of("user_id", "user-17")
    assert {line["person"] for line in (key, service, user)} == {person}
    assert key["reader"] == "key:local-dev-token"
    assert service["reader"] == f"service:login:{pseudonyms.of('service', SERVICE.subject)}"
    assert user["reader"] == person
    assert visitor["reader"] == visitor["person"] == pseudonyms.of("anonymous_id", "a-9")
    assert [line["kind"] for line in disk.lines] == ["key", "service", "user", "browser"]
    assert key["route"] == ROUTE
    assert key["at"].endswith("Z")
    text = json.dumps(disk.lines)
    assert not [name for name in ("user-17", "anna", "a-9") if name in text]


def test_a_person_who_is_a_pseudonym_already_stays_that(audit, disk, pseudonyms):
    name = pseudonyms.of("user_id", "user-17")
    audit.user(LOCAL_CALLER, name, ROUTE)
    asyncio.run(audit.flush())
    assert disk.lines[0]["person"] == name


def test_a_pseudonym_of_a_key_that_was_given_up_stays_as_it_is(disk):
    """It may come from anybody who has a key of the API: it must not end the record."""
    given_up = Keys({"k0": b"0" * 32, "k1": b"1" * 32}, {"k0": ("k0",), "k1": ("k1",)}, "k1")
    audit = Audit(disk, Pseudonyms(given_up), max_pending=10)
    name = f"k0:user_id:{'a' * 32}"
    audit.user(LOCAL_CALLER, name, ROUTE)
    audit.user(LOCAL_CALLER, "lone \ud800 half", ROUTE)
    asyncio.run(audit.flush())
    assert disk.lines[0]["person"] == name
    assert disk.lines[1]["person"].startswith("k1:user_id:")


def test_every_read_is_one_line_in_order_through_a_full_disk(audit, disk, caplog):
    async def run():
        for number in range(LINES * 2):
            audit.user(LOCAL_CALLER, f"u{number}", str(number))
        disk.is_full = True
        await audit.flush()
        await audit.flush()
        assert audit.failure == "The disk is full."
        audit.user(LOCAL_CALLER, "last", str(LINES * 2))
        disk.is_full = False
        await audit.flush()

    asyncio.run(run())
    assert [line["route"] for line in disk.lines] == [str(n) for n in range(LINES * 2 + 1)]
    assert audit.failure is None
    assert caplog.text.count("waits for the disk") == 1


def test_what_comes_while_lines_are_written_is_written_too(audit, disk):
    async def run():
        audit.user(LOCAL_CALLER, "a", "1")
        flushing = asyncio.create_task(audit.flush())
        await asyncio.sleep(0)
        audit.user(LOCAL_CALLER, "b", "2")
        await flushing
        await audit.flush()

    asyncio.run(run())
    assert [line["route"] for line in disk.lines] == ["1", "2"]


def test_two_flushes_at_once_write_no_line_twice(audit, disk):
    """The one beside the requests, and the one at the end."""

    async def run():
        for number in range(LINES + 1):
            audit.user(LOCAL_CALLER, "u", str(number))
        await asyncio.gather(audit.flush(), audit.flush())

    asyncio.run(run())
    assert [line["route"] for line in disk.lines] == [str(n) for n in range(LINES + 1)]


def test_memory_is_bounded_and_what_is_lost_is_counted(audit, disk, caplog):
    disk.is_full = True
    for number in range(3000):
        audit.user(LOCAL_CALLER, f"u{number}", ROUTE)
    assert audit.lost == 2000
    assert caplog.text.count("are lost") == 1


def test_a_request_does_not_wait(audit):
    start = time.perf_counter()
    for _ in range(1000):
        audit.user(LOCAL_CALLER, "u", ROUTE)
    assert time.perf_counter() - start < 0.5


def lines_in(folder):
    return [
        json.loads(line)
        for path in sorted(folder.rglob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]


def test_files_of_the_spool_rotate_and_the_last_is_handed_over(tmp_path, pseudonyms):
    sets = ["security.audit.rotate_bytes=1024"]
    settings = load_settings("local", assignments=sets, lake=str(tmp_path))

    async def run():
        audit = make_audit(settings, pseudonyms)
        await audit.start()
        for number in range(30):
            audit.user(LOCAL_CALLER, f"u{number}", str(number))
            await audit.flush()
        await audit.close()

    asyncio.run(run())
    folder = tmp_path / "_spool" / "audit"
    assert len(list((folder / "ready").glob("*.jsonl"))) > 3
    assert not list((folder / "open").glob("*.jsonl"))
    assert sorted(int(line["route"]) for line in lines_in(folder)) == [*range(30)]
    assert (folder / "ready").stat().st_mode & 0o777 == 0o700


def test_what_a_killed_process_had_written_is_handed_over_by_the_next(tmp_path, pseudonyms):
    settings = load_settings("local", lake=str(tmp_path))
    folder = tmp_path / "_spool" / "audit"

    async def killed():
        audit = make_audit(settings, pseudonyms)
        await audit.start()
        audit.user(LOCAL_CALLER, "u", ROUTE)
        await audit.flush()
        audit._backlog._task.cancel()
        audit._backlog._sink._part._file = None

    async def following():
        audit = make_audit(settings, pseudonyms)
        await audit.start()
        await audit.close()

    asyncio.run(killed())
    torn = next((folder / "open").glob("*.jsonl"))
    copy = folder / "open" / "20260101T000000-gone-000001.jsonl"
    copy.write_text(torn.read_text() + '{"half": ')
    asyncio.run(following())
    assert [line["route"] for line in lines_in(folder / "ready")] == [ROUTE]


def test_switched_off_it_writes_nothing(tmp_path, pseudonyms):
    sets = ["security.audit.enabled=false"]
    settings = load_settings("local", assignments=sets, lake=str(tmp_path))

    async def run():
        audit = make_audit(settings, pseudonyms)
        await audit.start()
        audit.user(LOCAL_CALLER, "u", ROUTE)
        await audit.close()

    asyncio.run(run())
    assert not list(tmp_path.rglob("*.jsonl"))
