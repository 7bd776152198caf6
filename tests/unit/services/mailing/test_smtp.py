"""Mails handed to a real server: taken once, tried again where that is safe, and never else."""

from __future__ import annotations

import socket
from datetime import datetime, timezone
from email import message_from_bytes, policy

import pytest
from tests.smtp_server import DROP, mail_server

from sparkperso.config.mail.addresses import mailbox
from sparkperso.config.mail.section import SmtpConfig
from sparkperso.core.errors import JobError
from sparkperso.mail.message import Mail
from sparkperso.services.mailing.smtp import Outcome, SmtpSink

AT = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
HEAD = {"From": "Shop <shop@shop.example>", "Subject": "Grüße"}


def message(to="anna@b.example", text="Grüße\n.\n..two\nFrom me\n"):
    return Mail("Grüße", f"<p>{text}</p>", text, HEAD).message(mailbox(to), AT)


@pytest.fixture
def server():
    with mail_server() as running:
        yield running


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def sink(server, time):
    config = SmtpConfig(port=server.port, security="none", per_second=1000, wait_seconds=2)
    sink = SmtpSink(config, sleep=time.sleep, clock=lambda: time.now)
    yield sink
    sink.close()


def test_what_arrives_is_what_was_sent(server, sink):
    assert sink.send(message()) == Outcome("sent", 250)
    (kept,) = server.mails
    assert (kept.sender, kept.to) == ("shop@shop.example", ["anna@b.example"])
    read = message_from_bytes(kept.data, policy=policy.default)
    assert read["Subject"] == "Grüße"
    text = read.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert text == "Grüße\n.\n..two\nFrom me\n"


def test_one_connection_serves_many_mails_and_says_goodbye(server, sink):
    for n in range(5):
        sink.send(message(f"u{n}@b.example"))
    sink.close()
    assert (server.connections, len(server.mails)) == (1, 5)
    assert server.commands[-1] == "QUIT"


def test_no_faster_than_agreed(server, time):
    config = SmtpConfig(port=server.port, security="none", per_second=4)
    sink = SmtpSink(config, sleep=time.sleep, clock=lambda: time.now)
    for _ in range(9):
        sink.send(message())
    sink.close()
    assert time.now == pytest.approx(8 / 4)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "CONTENT"])
def test_what_is_not_taken_for_now_is_tried_again(server, sink, time, command):
    server.answer(command, 451)
    assert sink.send(message()).state == "sent"
    assert len(server.mails) == 1
    assert 2 in time.slept


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_connection_that_breaks_before_the_content_is_made_anew(server, sink, command):
    server.answer(command, DROP)
    assert sink.send(message()).state == "sent"
    assert (len(server.mails), server.connections) == (1, 2)


def test_one_that_breaks_after_the_content_leaves_it_unknown_and_sends_no_second(server, sink):
    contents = []
    server.on_content = contents.append
    server.answer("CONTENT", DROP)
    assert sink.send(message()) == Outcome("unknown")
    assert len(contents) == 1
    assert sink.send(message("next@b.example")).state == "sent"


@pytest.mark.parametrize("command", ["RCPT", "CONTENT"])
def test_what_is_refused_is_not_tried_again(server, sink, time, command):
    server.answer(command, 550)
    assert sink.send(message()) == Outcome("refused", 550)
    assert time.slept == []
    assert sink.send(message("next@b.example")).state == "sent"


def test_what_is_never_taken_comes_later(server, sink, time):
    server.answer("RCPT", 451, 451, 452)
    assert sink.send(message()) == Outcome("later", 452)
    assert time.slept == [2, 4]


def test_a_server_that_closes_is_asked_anew(server, sink):
    server.answer("MAIL", 421)
    assert sink.send(message()).state == "sent"
    assert server.connections == 2


def test_without_a_server_nothing_is_sent(time):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        config = SmtpConfig(port=held.getsockname()[1], security="none")
        sink = SmtpSink(config, sleep=time.sleep, clock=lambda: time.now)
        with pytest.raises(JobError, match="should answer"):
            sink.send(message())
    assert time.slept == [2, 4]


def test_a_server_without_tls_is_sent_nothing_unless_that_is_meant(server, time):
    sink = SmtpSink(SmtpConfig(port=server.port), sleep=time.sleep, clock=lambda: time.now)
    with pytest.raises(JobError, match="STARTTLS"):
        sink.send(message())
    assert "MAIL" not in server.commands


def test_a_password_is_never_sent_in_clear():
    with pytest.raises(ValueError, match="password"):
        SmtpConfig(username="shop", security="none")
