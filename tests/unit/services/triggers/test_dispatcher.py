"""The dispatcher in this process: what is delivered, how often, under which ids, in which order."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from deltalake import DeltaTable
from tests.triggers import BEGIN, KEY, OLD_KEY, OLD_SECRET, Shop, stub_of
from tests.web_stub import WebStub

from sparkperso.config import load_settings
from sparkperso.config.platform import LakeConfig
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.platform.table_feed import add_rows
from sparkperso.schemas import TABLES
from sparkperso.services.triggers.definitions import load_triggers
from sparkperso.services.triggers.dispatcher import Dispatcher
from sparkperso.services.triggers.leases import Lease, triggers_folder
from sparkperso.services.triggers.letters import DEAD_LETTERS, read_letters, replay
from sparkperso.services.triggers.queue import Queue
from sparkperso.services.triggers.signature import signed_headers

IN, OUT = "entered", "left"
LETTER = {
    **dict.fromkeys(("delivery_id", "trigger", "host", "user_id", "segment", "change"), "x"),
    "body": "{}",
    "first_at": BEGIN,
    "last_at": BEGIN,
    "attempts": 1,
    "last_status": None,
    "last_error": "no",
}
WITHDRAW = """
import sys
from pathlib import Path
from sparkperso.config import load_settings
from sparkperso.core.consent import Decision
from sparkperso.core.times import iso, now
from sparkperso.services.stores.factory import open_overlay
from sparkperso.services.stores.live_records.consents import with_decisions
from sparkperso.services.stores.records import DECISIONS, subject_id
conf, lake, user = sys.argv[1:]
address = DECISIONS["personalisation"], subject_id("user_id", user)
overlay = open_overlay(load_settings("local", Path(conf), (), lake))
overlay.change_many([(address, with_decisions({"shop": Decision(False, iso(now()))}))])
"""


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    made.history()
    made.profiles(**{f"u{n}": True for n in range(10)})
    return made


class Run:
    """A dispatcher that runs for the length of a block, in a thread of its own."""

    def __init__(self, shop, **options):
        self.settings = load_settings("local", shop.conf, (), str(shop.lake))
        self.triggers = load_triggers(self.settings, shop.environ, shop.conf)
        self.dispatcher = Dispatcher(self.settings, self.triggers)
        self.registry = self.dispatcher._metrics.registry
        self.said, self.options = [], options

    async def __aenter__(self):
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(
            self.dispatcher.run(self.stop, self.said.append, **self.options)
        )
        await until(lambda: self.said or self.task.done())
        return self

    async def __aexit__(self, *_):
        self.stop.set()
        await self.task

    def count(self, trigger, outcome):
        labels = {"trigger": trigger, "outcome": outcome}
        name = "sparkperso_triggers_deliveries_total"
        return self.registry.get_sample_value(name, labels) or 0

    @property
    def queue(self):
        return Queue(triggers_folder(self.settings))

    def letters(self, trigger=None):
        return read_letters(self.dispatcher._lake, self.queue, trigger)


async def until(is_so, seconds=30.0):
    """Waits for something to be so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come to be"
        await asyncio.sleep(0.01)


def bodies(stub):
    return [json.loads(request.body) for request in stub.requests]


def ids(stub):
    return [request.headers["webhook-id"] for request in stub.requests]


def told(stub):
    return [(one["data"]["user_id"], one["type"], one["data"]["segment"]) for one in bodies(stub)]


def withdraw(shop, user):
    """Writes a no into the overlay, as the collector does: another process, since LMDB has one."""
    subprocess.run([sys.executable, "-c", WITHDRAW, shop.conf, shop.lake, user], check=True)


def test_a_change_is_told_signed_and_only_once(shop):
    async def run():
        shop.change(("u0", "people-new", IN))  # before the bookmark: nobody is told
        async with Run(shop) as running:
            assert "begins at the end" in running.said[0]
            shop.change(("u1", "people-new", IN), ("u1", "people-loyal", IN))
            shop.change(("u1", "people-new", OUT))
            await until(lambda: running.count("a", "delivered") == 2)
            assert running.queue.count() == 0
        async with Run(shop) as again:
            assert "goes on after version" in again.said[0]
            await asyncio.sleep(0.3)

    with stub_of(200) as stub:
        shop.trigger("a", f"{stub.url}/in/token")
        asyncio.run(run())
        assert told(stub) == [
            ("u1", "segment.entered", "people-new"),
            ("u1", "segment.left", "people-new"),
        ]
        first = bodies(stub)[0]
        assert first == {
            "type": "segment.entered",
            "timestamp": "2026-06-01T00:00:02.000000Z",
            "data": {
                "user_id": "u1",
                "segmentation": "people",
                "segment": "people-new",
                "label": "people-new",
                "at": "2026-06-01T00:00:00.000000Z",
                "trigger": "a",
            },
        }
        for request in stub.requests:
            headers = request.headers
            stamp = int(headers["webhook-timestamp"])
            assert abs(time.time() - stamp) < 60
            expected = signed_headers([KEY], headers["webhook-id"], stamp, request.body)
            assert headers["webhook-signature"] == expected["webhook-signature"]
            assert headers["content-type"] == "application/json"
        assert len(set(ids(stub))) == 2


def test_with_two_secrets_each_signs(shop):
    shop.environ["OLD"] = OLD_SECRET

    async def run():
        async with Run(shop) as running:
            shop.change(("u1", "people-new", IN))
            await until(lambda: running.count("a", "delivered") == 1)

    with stub_of(204) as stub:
        shop.trigger("a", stub.url, previous_secret_env="OLD")
        asyncio.run(run())
        [request] = stub.requests
        stamp = int(request.headers["webhook-timestamp"])
        expected = [
            signed_headers([key], ids(stub)[0], stamp, request.body)["webhook-signature"]
            for key in (KEY, OLD_KEY)
        ]
        assert request.headers["webhook-signature"].split(" ") == expected


def test_what_fails_is_tried_again_under_the_same_id_and_in_the_persons_order(shop):
    async def run():
        async with Run(shop) as running:
            shop.change(("u1", "people-new", IN), ("u1", "people-new", OUT))
            await until(lambda: running.count("a", "delivered") == 2)
            assert running.count("a", "failed") == 2

    with stub_of(500, (302, {"Location": "http://127.0.0.1:1/secret"}), 200) as stub:
        shop.trigger("a", stub.url)
        asyncio.run(run())
        kinds = [one[1] for one in told(stub)]
        assert kinds == [*["segment.entered"] * 3, "segment.left"]
        assert len(set(ids(stub)[:3])) == 1
        assert len({request.body for request in stub.requests[:3]}) == 1


def test_only_who_agreed_is_told_of_and_nobody_who_withdrew(shop):
    shop.profiles(u1=True, u2=False, u3=None)

    async def run():
        async with Run(shop) as running:
            shop.change(*((f"u{n}", "people-new", IN) for n in (1, 2, 3, 4)))
            await until(lambda: running.count("a", "no_consent") == 3)
            await until(lambda: running.count("a", "delivered") == 1)

    with stub_of(200) as stub:
        shop.trigger("a", stub.url)
        asyncio.run(run())
        assert [one[0] for one in told(stub)] == ["u1"]


def test_who_withdraws_between_two_attempts_is_not_told_of(shop):
    async def run():
        async with Run(shop) as running:
            shop.change(("u1", "people-new", IN))
            await until(lambda: running.count("a", "failed") >= 1)
            withdraw(shop, "u1")
            await until(lambda: running.count("a", "withdrawn") == 1)
            assert not running.queue.count()
            # The history comes later than the no.
            shop.change(("u1", "people-new", OUT), ("u2", "people-new", IN))
            await until(lambda: running.count("a", "no_consent") == 1)

    with stub_of(500) as stub:
        shop.trigger("a", stub.url, attempts=50)
        asyncio.run(run())


def test_a_receiver_that_is_gone_gets_nothing_until_the_file_is_another(shop):
    async def run():
        async with Run(shop) as running:
            shop.change(("u1", "people-new", IN), ("u1", "people-new", OUT))
            await until(lambda: len(running.letters()) == 2)
            shop.change(("u2", "people-new", IN))
            await asyncio.sleep(0.3)
        async with Run(shop) as again:
            shop.change(("u3", "people-new", IN))
            await asyncio.sleep(0.3)
            assert not again.queue.count()
        shop.trigger("a", stub.url, description="another")
        stub.answer = lambda request: (200, {}, b"")
        async with Run(shop) as anew:
            shop.change(("u4", "people-new", IN))
            await until(lambda: anew.count("a", "delivered") == 1)

    with stub_of(410) as stub:
        shop.trigger("a", stub.url)
        asyncio.run(run())
        assert [one[0] for one in told(stub)] == ["u1", "u4"]


def test_retry_after_is_heeded_up_to_its_bound(shop):
    shop.settings_of(
        poll_seconds=0.05, wait_seconds=0.01, most_wait_seconds=0.02, most_retry_after_seconds=0.6
    )

    async def run():
        async with Run(shop) as running:
            shop.change(("u1", "people-new", IN))
            await until(lambda: len(stub.requests) == 1)
            begun = time.monotonic()
            await until(lambda: running.count("a", "delivered") == 1)
            assert 0.5 < time.monotonic() - begun < 3

    with stub_of((429, {"Retry-After": "30"}), 200) as stub:
        shop.trigger("a", stub.url)
        asyncio.run(run())


def test_a_receiver_that_hangs_holds_nobody_else_up(shop):
    def hang(request):
        hanging.released.wait()
        return 200, {}, b""

    async def run():
        async with Run(shop) as running:
            shop.change(*((f"u{n}", "people-new", IN) for n in range(10)))
            await until(lambda: running.count("b", "delivered") == 10, 15)
            assert running.count("a", "delivered") == 0
            hanging.released.set()

    with WebStub(hang) as hanging, stub_of(200) as quick:
        shop.trigger("a", hanging.url, timeout_seconds=20, concurrency=2)
        shop.trigger("b", quick.url)
        asyncio.run(run())
        assert len(hanging.requests) <= 4


def test_a_private_address_is_refused_and_a_long_answer_is_not_read(shop):
    local = {"allowed_hosts": ["http://127.0.0.1:*"], "allow_private": []}
    shop.settings_of(local, poll_seconds=0.05)

    async def run():
        async with Run(shop) as running:
            shop.change(("u1", "people-new", IN))
            await until(running.letters)
            [letter] = running.letters()
            assert "no public address" in letter.row["last_error"]
            assert (letter.row["attempts"], letter.row["last_status"]) == (1, None)

    async def again():
        async with Run(shop) as running:
            shop.change(("u2", "people-new", IN))
            await until(lambda: running.count("a", "delivered") == 1)

    with WebStub(lambda request: (200, {}, (b"x" * 1000 for _ in range(10**6)))) as stub:
        shop.trigger("a", stub.url + "/token")
        asyncio.run(run())
        assert not stub.requests
        shop.settings_of(poll_seconds=0.05)
        asyncio.run(again())


def test_after_the_last_attempt_it_is_a_dead_letter_which_is_replayed_once(shop):
    async def run():
        async with Run(shop) as running:
            shop.change(("u1", "people-new", IN))
            await until(running.letters)
            [letter] = running.letters()
            row = letter.row
            assert (row["trigger"], row["host"], row["user_id"]) == ("a", "127.0.0.1", "u1")
            assert (row["segment"], row["change"]) == ("people-new", IN)
            assert (row["attempts"], row["last_status"]) == (2, 503)
            assert json.loads(row["body"]) == bodies(stub)[0]
            assert row["first_at"] <= row["last_at"]
            assert letter.state == "dead"
            # It dies again, and is another dead letter of the same id.
            await until(lambda: replay(running.queue, running.letters()) == 1)
            await until(lambda: len(running.letters()) == 2)
            assert sorted(one.state for one in running.letters()) == ["dead", "replayed"]
            stub.answer = lambda request: (200, {}, b"")
            await until(lambda: replay(running.queue, running.letters()) == 1)
            await until(lambda: running.count("a", "delivered") == 1)
            assert replay(running.queue, running.letters()) == 0
            assert {one.state for one in running.letters()} == {"replayed"}

    with stub_of(503) as stub:
        shop.trigger("a", stub.url, attempts=2)
        asyncio.run(run())
        assert len(set(ids(stub))) == 1
        assert len(stub.requests) == 5


def test_of_two_dispatchers_one_is_active_and_the_other_takes_over(shop):
    async def run():
        async with Run(shop) as first, Run(shop) as second:
            assert "waits for its turn" in second.said[0]
            shop.change(("u1", "people-new", IN))
            await until(lambda: first.count("a", "delivered") == 1)
            first.stop.set()
            await until(lambda: len(second.said) == 2)
            shop.change(("u2", "people-new", IN))
            await until(lambda: second.count("a", "delivered") == 1)

    with stub_of(200) as stub:
        shop.trigger("a", stub.url)
        asyncio.run(run())
        assert [one[0] for one in told(stub)] == ["u1", "u2"]


def test_a_history_that_is_not_there_yet_counts_from_its_first_row(tmp_path):
    shop = Shop(tmp_path)
    shop.settings_of(serving="assumed: contract", poll_seconds=0.05)

    async def run():
        async with Run(shop) as running:
            assert "not there yet" in running.said[0]
            shop.change(("u1", "people-new", IN))
            await until(lambda: running.count("a", "delivered") == 1)

    with stub_of(200) as stub:
        shop.trigger("a", stub.url)
        asyncio.run(run())


def test_what_only_moves_rows_fires_nothing(shop):
    async def run():
        async with Run(shop) as running:
            # One after the other: among different people there is no order.
            shop.change(("u1", "people-new", IN))
            await until(lambda: running.count("a", "delivered") == 1)
            shop.change(("u2", "people-new", IN))
            await until(lambda: running.count("a", "delivered") == 2)
            table = DeltaTable(shop.lake / "gold/segment_history")
            table.optimize.compact()
            DeltaTable(shop.lake / "gold/segment_history").delete("user_id = 'u1'")
            shop.change(("u3", "people-new", IN))
            await until(lambda: running.count("a", "delivered") == 3)

    with stub_of(200) as stub:
        shop.trigger("a", stub.url)
        asyncio.run(run())
        assert [one[0] for one in told(stub)] == ["u1", "u2", "u3"]


def test_while_too_much_waits_no_more_is_read(shop):
    shop.settings_of(poll_seconds=0.02, wait_seconds=60, max_waiting=2)

    async def run():
        async with Run(shop) as running:
            for n in range(4):
                shop.change((f"u{n}", "people-new", IN))
            await until(lambda: running.count("a", "failed") == 2)
            await asyncio.sleep(0.3)
            assert running.count("a", "queued") == 2
        stub.answer = lambda request: (200, {}, b"")
        shop.settings_of(poll_seconds=0.02)
        async with Run(shop) as again:
            await until(lambda: again.count("a", "delivered") == 2)

    with stub_of(500) as stub:
        shop.trigger("a", stub.url)
        asyncio.run(run())


def test_what_can_no_longer_be_read_is_told_and_not_left_out(shop, caplog):
    async def run():
        async with Run(shop):
            pass
        shop.change(("u1", "people-new", IN))
        shop.change(("u2", "people-new", IN))
        log = shop.lake / "gold/segment_history/_delta_log"
        DeltaTable(shop.lake / "gold/segment_history").create_checkpoint()
        hidden = log / f"{1:020}.json"
        text = hidden.read_text()
        hidden.unlink()
        async with Run(shop) as running:
            await until(lambda: "--from-end" in caplog.text)
            assert not stub.requests
            assert running.queue.bookmark().version == 0
        hidden.write_text(text)
        async with Run(shop) as running:
            await until(lambda: running.count("a", "delivered") == 2)

    with stub_of(200) as stub:
        shop.trigger("a", stub.url)
        asyncio.run(run())


def test_dead_letters_have_the_columns_of_their_schema(tmp_path):
    add_rows(LakeReader(LakeConfig(root=str(tmp_path))), DEAD_LETTERS, [LETTER])
    table = DeltaTable(tmp_path / DEAD_LETTERS)
    spec = TABLES[DEAD_LETTERS]
    names = {"integer": "int", "long": "bigint"}
    found = [
        (field.name, names.get(field.type.type, field.type.type), field.nullable)
        for field in table.schema().fields
    ]
    assert found == [(one.name, one.type, one.nullable) for one in spec.columns]
    again = [LETTER, {**LETTER, "last_at": LETTER["last_at"] + timedelta(seconds=1)}]
    add_rows(LakeReader(LakeConfig(root=str(tmp_path))), DEAD_LETTERS, again)
    assert DeltaTable(tmp_path / DEAD_LETTERS).count() == 2


def test_the_lock_ends_with_its_holder(tmp_path):
    one, other = Lease(tmp_path), Lease(tmp_path)
    assert one.acquire()
    assert not other.acquire()
    one.release()
    assert other.acquire()
    assert other.renew()
