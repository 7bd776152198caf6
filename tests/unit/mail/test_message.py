"""A mail as it is sent: what the standard library's own parser reads is what was written."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email import message_from_bytes, policy

import pytest

from sparkperso.config.mail.addresses import mailbox
from sparkperso.mail.message import BOUNDARY, Mail, message_id, one_line

AT = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
URL = "<https://c.example/v1/unsubscribe?t=" + "a" * 700 + ">"
HEAD = {
    "From": "Müller & Söhne <shop@shop.example>",
    "Reply-To": "help@shop.example",
    "Subject": "Grüße 🎁, " + "lang " * 39 + "lang",
    "Message-ID": message_id("shop@shop.example", "spring", "u1"),
    "List-Unsubscribe": URL,
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}


def test_a_body_that_has_the_boundary_in_it_stays_whole():
    html = f"--{BOUNDARY}\n--{BOUNDARY}--\n={BOUNDARY}\n"
    message = parsed(sent(html=html))
    assert message.get_body(("html",)).get_content().replace("\r\n", "\n") == html
    assert sent(html=html) == sent(html=html)


def sent(subject=HEAD["Subject"], html="<p>Grüße</p>\n", text="Grüße\n", head=HEAD):
    mail = Mail(subject, html, text, {**head, "Subject": subject})
    return mail.message(mailbox("Änne <anna@b.example>"), AT).as_bytes()


def parsed(data):
    message = message_from_bytes(data, policy=policy.default)
    assert [part.defects for part in message.walk() if part.defects] == []
    return message


def test_what_is_read_is_what_was_written():
    message = parsed(sent())
    assert message["Subject"] == one_line(HEAD["Subject"], 500)
    assert message["From"].addresses[0].display_name == "Müller & Söhne"
    assert message["To"].addresses[0].addr_spec == "anna@b.example"
    assert message["Date"].datetime == AT
    assert message["List-Unsubscribe"] == URL
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message.get_content_type() == "multipart/alternative"
    kinds = [part.get_content_type() for part in message.iter_parts()]
    assert kinds == ["text/plain", "text/html"]
    assert message.get_body(("html",)).get_content().replace("\r\n", "\n") == "<p>Grüße</p>\n"


def test_lines_are_as_long_as_they_may_be_and_end_as_they_should():
    """RFC 5322, 2.1.1, and RFC 2047, 2: encoded words of 75 characters; ASCII throughout."""
    data = sent(html=f"<p>{'ü' * 5_000}</p>\n.\nFrom here\n")
    # In one piece, as mail programs look for it.
    assert f"\r\nList-Unsubscribe: {URL}\r\n".encode() in data
    assert data.isascii()
    assert data.count(b"\n") == data.count(b"\r\n")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert all(len(word) <= 75 for word in re.findall(rb"=\?[^?]+\?[bq]\?[^?]*\?=", data))
    body = parsed(data).get_body(("html",)).get_content().replace("\r\n", "\n")
    assert body == f"<p>{'ü' * 5_000}</p>\n.\nFrom here\n"


@pytest.mark.parametrize("name", ["Subject", "List-Unsubscribe", "Reply-To"])
def test_a_line_end_makes_no_header(name):
    with pytest.raises(ValueError, match=r"(?i)line|printable|CR|header"):
        sent(head={**HEAD, name: "x\r\nBcc: victim@b.example"}, subject="a\r\nBcc: v@b.example")


def test_a_subject_is_one_line():
    assert one_line("a\r\nBcc: b\x00\u2028c\t d", 50) == "a Bcc: b c d"
    assert len(one_line("x" * 500, 250)) == 250


def test_the_same_mail_has_the_same_id_and_no_other_has():
    one = message_id("Shop <shop@shop.example>", "spring", "u1")
    assert one == message_id("other@shop.example", "spring", "u1")
    assert re.fullmatch(r"<[0-9a-f]{32}@shop\.example>", one)
    assert one not in {message_id("a@shop.example", *p) for p in (("springu", "1"), ("x", "u1"))}
