"""The queue: one step with its bookmark, each message once, a person's in order."""

from __future__ import annotations

import random

import pytest

from sparkperso.config.triggers import TriggersConfig
from sparkperso.core.errors import JobError
from sparkperso.platform.table_feed import Place
from sparkperso.services.triggers.attempt import read_retry_after, wait_after
from sparkperso.services.triggers.message import Message
from sparkperso.services.triggers.queue import FILE, Queue
from sparkperso.services.triggers.signature import read_key, signed_headers


def message(key, user="u1", trigger="a"):
    return Message(key, trigger, "host", user, "s", "entered", "{}")


@pytest.fixture
def queue(tmp_path):
    made = Queue(tmp_path)
    yield made
    made.close()


def due(queue, trigger="a", at=10.0):
    return [one.delivery_id for one in queue.due(trigger, at, 100)]


def test_what_a_version_brings_and_the_bookmark_are_one_step(queue, tmp_path):
    queue.move_on(Place("t", 1), [message("m1")], 1.0)
    broken = Message("m3", "a", "host", "u3", "s", "entered", None)
    with pytest.raises(JobError):
        queue.move_on(Place("t", 2), [message("m2"), broken], 1.0)
    assert queue.bookmark() == Place("t", 1)
    queue.close()
    again = Queue(tmp_path)
    assert (again.bookmark(), due(again)) == (Place("t", 1), ["m1"])
    again.close()


def test_a_message_that_waits_is_not_queued_twice(queue):
    queue.add([message("m1"), message("m1")], 1, 1.0)
    queue.add([message("m1")], 2, 1.0)
    assert queue.count() == 1


def test_of_one_person_the_next_waits_for_the_one_before(queue):
    chance = random.Random(3)
    users = [f"u{chance.randrange(4)}" for _ in range(40)]
    keys = [f"m{n:02}" for n in range(40)]
    queue.add([message(key, user) for key, user in zip(keys, users, strict=True)], 1, 1.0)
    user_of, taken, now = dict(zip(keys, users, strict=True)), [], 10.0
    while found := due(queue, at=now):
        assert len({user_of[key] for key in found}) == len(found)
        key = chance.choice(found)
        if chance.random() < 0.3:
            queue.postpone(key, now + 1, 500, "no")
        elif chance.random() < 0.2:
            queue.give_up(key, now, 500, "no")
            taken.append(key)
        else:
            queue.remove([key])
            taken.append(key)
        now += 1
    assert sorted(taken) == keys
    for user in set(users):
        own = [key for key in taken if user_of[key] == user]
        assert own == sorted(own)


def test_settled_is_what_nothing_waits_for_any_more(queue):
    assert queue.settled() is None
    queue.move_on(Place("t", 5), [message("m1")], 1.0)
    queue.move_on(Place("t", 6))
    assert queue.settled() == Place("t", 4)
    queue.give_up("m1", 2.0, 500, "no")
    assert queue.settled() == Place("t", 4)  # it is not written down yet
    queue.remove(["m1"])
    assert queue.settled() == Place("t", 6)
    # A replay is of no version.
    assert queue.replay([(message("m1"), "then")], 3.0) == 1
    assert queue.settled() == Place("t", 6)


def test_a_letter_is_replayed_once_and_not_while_it_is_being_written(queue):
    queue.add([message("m1")], 1, 1.0)
    queue.give_up("m1", 2.0, 500, "no")
    assert queue.replay([(message("m1"), "2")], 3.0) == 0
    queue.remove(["m1"])
    assert [queue.replay([(message("m1"), "2")], 3.0) for _ in range(2)] == [1, 0]
    queue.remove(["m1"])
    assert queue.replay([(message("m1"), "2")], 3.0) == 0
    assert queue.replay([(message("m1"), "5")], 6.0) == 1


def test_only_its_own_user_may_read_the_file(queue, tmp_path):
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / FILE).write_text("nothing of the kind" * 100)
    with pytest.raises(JobError, match="should be a file that can be written"):
        Queue(tmp_path)


def test_waits_grow_to_a_bound_and_the_receiver_may_ask_for_more():
    config = TriggersConfig(wait_seconds=4, most_wait_seconds=60, most_retry_after_seconds=100)
    for attempts, most in ((1, 4), (2, 8), (3, 16), (5, 60), (2000, 60)):
        waits = [wait_after(attempts, 0, config) for _ in range(50)]
        assert all(most / 2 <= one <= most for one in waits)
        assert len(set(waits)) > 1
    assert wait_after(1, 30, config) == 30
    assert wait_after(1, 1e9, config) == 100


@pytest.mark.parametrize("value", [b"", b"soon", b"-1", b"\xff", b"1.5", "٣".encode()])
def test_a_retry_after_that_is_none_asks_for_nothing(value):
    assert read_retry_after(value, 0.0) == 0


def test_the_signature_is_that_of_the_specification():
    key = read_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    headers = signed_headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
