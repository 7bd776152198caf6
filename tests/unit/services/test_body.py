"""Bodies: their encoding, their size before and after unpacking, their time, their JSON."""

from __future__ import annotations

import asyncio
import gzip
import time

import pytest

from sparkperso.config.collect import LimitsConfig
from sparkperso.services.http.body import Bodies, ClientGone
from sparkperso.services.http.json_repair import repair
from sparkperso.services.http.problems import Problem

LIMITS = LimitsConfig(max_body_bytes=2000, body_seconds=0.05)
JSON = {b"content-type": b"application/json"}


def read(*chunks, headers=JSON, limits=LIMITS, hangs_up=False):
    messages = [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks)}
        for place, chunk in enumerate(chunks, 1)
    ]
    if hangs_up:
        messages = [*({**message, "more_body": True} for message in messages)]
        messages.append({"type": "http.disconnect"})

    async def receive():
        if not messages:
            await asyncio.sleep(60)
        return messages.pop(0)

    return asyncio.run(Bodies(limits).json(headers, receive))


def problem(*chunks, **options):
    with pytest.raises(Problem) as refusal:
        read(*chunks, **options)
    return refusal.value.status, refusal.value.code


def test_a_body_is_read_however_it_is_cut():
    assert read(b'{"a": 1}') == read(b'{"a"', b": 1", b"}") == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"{'a': 1}", b"nul", b"[1,]", b"NaNa", b"-nan", b"\xff\xfe{\x00}\x00",
        b"\x00", b'{"a": 1} trailing', b'"a\nb"', b"[" * 1900,
    ],
)  # fmt: skip
def test_broken_json_of_every_kind_is_named(text):
    assert problem(text) == (400, "malformed")


def test_size_is_limited_as_sent_and_as_unpacked():
    packed = gzip.compress(b"[" + b" " * 5000 + b"]")
    zipped = JSON | {b"content-encoding": b"gzip"}
    assert problem(b" " * 2001) == (413, "too_large")
    assert problem(b" " * 1500, b" " * 501) == (413, "too_large")
    assert problem(b"", headers=JSON | {b"content-length": b"2001"}) == (413, "too_large")
    assert len(packed) < 100
    assert problem(packed, headers=zipped) == (413, "too_large")
    assert read(gzip.compress(b'{"a": 1}'), headers=zipped) == {"a": 1}


def test_gzip_that_is_none_is_named():
    zipped = JSON | {b"content-encoding": b"gzip"}
    assert problem(b"{}", headers=zipped) == (400, "gzip")
    assert problem(gzip.compress(b"{}")[:-4], headers=zipped) == (400, "gzip")
    assert problem(b"{}", headers=JSON | {b"content-encoding": b"br"}) == (415, "encoding")


@pytest.mark.parametrize("kind", [b"text/html", b"application/json; charset=latin-1", b"a/b;c"])
def test_other_kinds_of_bodies_are_refused(kind):
    assert problem(b"{}", headers={b"content-type": kind}) == (415, "media_type")


@pytest.mark.parametrize("kind", [b"application/json; charset=UTF-8", b"text/plain", b""])
def test_beacons_and_utf_8_are_taken(kind):
    assert read(b"{}", headers={b"content-type": kind}) == {}


def test_a_slow_body_is_ended_and_a_quick_one_after_it_is_not():
    limits = LimitsConfig(max_body_bytes=2000, body_seconds=0.01)

    async def slow():
        await asyncio.sleep(60)

    async def quick():
        return {"type": "http.request", "body": b"{}"}

    async def both():
        bodies = Bodies(limits)
        with pytest.raises(Problem) as refusal:
            await bodies.json(JSON, slow)
        return refusal.value.status, await bodies.json(JSON, quick)

    assert asyncio.run(both()) == (408, {})


def test_a_client_that_hangs_up_is_no_error_of_ours():
    with pytest.raises(ClientGone):
        read(b"{", hangs_up=True)


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (rb'["\ud83d"]', ["\ufffd"]),
        (rb'["a\ude00b"]', ["a\ufffdb"]),
        (rb'["\ud83d\ude00"]', ["😀"]),
        (rb'["\uD83D\uD83D\uDE00\uDE00"]', ["\ufffd😀\ufffd"]),
        (rb'["\\ud83d", "\ud83d"]', [r"\ud83d", "\ufffd"]),
        (rb'["\\\ud83d"]', ["\\\ufffd"]),
        (rb'{"\ud83d": 1}', {"\ufffd": 1}),
        ('["é", "\\ud83d"]'.encode(), ["é", "\ufffd"]),
        (b'["\xed\xa0\xbd\xed\xb8\x80", "\xed\xa0\xbd"]', ["😀", "\ufffd"]),
        (b'[NaN, -Infinity, "NaN", 1e3]', [None, None, "NaN", 1000.0]),
        (rb'{"a": NaN, "b": "\ud83d"}', {"a": None, "b": "\ufffd"}),
    ],
)
def test_half_a_character_and_no_number_are_repaired(sent, value):
    assert read(sent) == value


@pytest.mark.parametrize(
    "sent",
    [
        *(b'["\xff"]', rb'["\ud83d"', rb'["\ud83"]', b'"\0\\ud83d"'),
        *(b"[NaN,]", b"NaNa", b"[" * 900 + b"NaN"),
    ],
)
def test_what_is_broken_otherwise_stays_so(sent):
    assert problem(sent) == (400, "malformed")


def test_repairs_take_time_in_proportion():
    """A megabyte that nobody would repair by hand, and one that cannot be repaired at all."""
    for text in (rb"\ud83d", rb"\\ud83d", b"NaN,", b'"NaN,', b"\\"):
        started = time.process_time()
        repair(b'["' + text * (2**20 // len(text)) + b'"]')
        repair(b"[" + text * (2**20 // len(text)))
        assert time.process_time() - started < 2, text
