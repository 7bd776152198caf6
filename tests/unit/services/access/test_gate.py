"""The gate: who is let in, and what many wrong tokens from one address come to."""

from __future__ import annotations

import time

import pytest

from sparkperso.config import load_settings
from sparkperso.services.access.gate import make_gate
from sparkperso.services.access.tokens import MOST_BYTES
from sparkperso.services.http.problems import Problem

PEER = "203.0.113.9"


def gate_of(**limits):
    sets = [f"security.limits.{name}={value}" for name, value in limits.items()]
    return make_gate(load_settings("local", assignments=sets), {})


def sent(token):
    return {b"authorization": b"Bearer " + token.encode()}


def status(call, *arguments):
    with pytest.raises(Problem) as problem:
        call(*arguments)
    return problem.value.status


def test_who_is_known_is_let_in():
    gate = gate_of()
    assert gate.admit(sent("local-dev-token"), PEER).kind == "key"
    token = gate.browser.issue(user_id="u").text
    assert gate.admit(sent(token), PEER).subject == "u"
    assert status(gate.admit, {}, PEER) == 401


def test_a_token_in_any_other_place_is_none():
    gate = gate_of()
    for name in (b"x-authorization", b"cookie", b"x-api-key", b"proxy-authorization"):
        assert status(gate.admit, {name: b"Bearer local-dev-token"}, PEER) == 401


def test_a_flood_of_wrong_tokens_is_ended_before_signatures_are_looked_at(monkeypatch):
    gate = gate_of(refusals_per_second_and_address=1)
    good, new = (gate.browser.issue(user_id=name).text for name in ("a", "b"))
    gate.admit(sent(good), PEER)
    head, body, mark = good.split(".")
    looks = []
    from sparkperso.services.access import tokens

    real = tokens.jws.deserialize_compact
    monkeypatch.setattr(tokens.jws, "deserialize_compact", lambda *a: looks.append(1) or real(*a))
    answers = [status(gate.admit, sent(f"{head}.{body}.A{mark[1:]}"), PEER) for _ in range(100)]
    assert answers[:2] == [401, 401]
    assert set(answers[3:]) == {429}
    assert len(looks) <= 3
    # Who was known before goes on, others from there wait, and other places notice nothing.
    assert gate.admit(sent(good), PEER).subject == "a"
    assert gate.admit(sent("local-dev-token"), PEER)
    assert status(gate.admit, sent(new), PEER) == 429
    assert gate.admit(sent(new), "198.51.100.7").subject == "b"


def test_a_flood_without_tokens_is_ended_too():
    gate = gate_of(refusals_per_second_and_address=1)
    answers = [status(gate.admit, {}, PEER) for _ in range(10)]
    assert answers[:2] == [401, 401]
    assert answers[-1] == 429


def test_a_hundred_times_the_limit_is_429_and_never_more():
    gate = gate_of(requests_per_second_and_user=5)
    headers = sent(gate.browser.issue(user_id="u").text)
    answers = []
    for _ in range(1000):
        try:
            gate.admit(headers, PEER)
            answers.append(200)
        except Problem as problem:
            answers.append(problem.status)
    assert answers.count(200) in range(10, 13)
    assert set(answers) == {200, 429}


def test_a_request_may_count_for_several():
    gate = gate_of(requests_per_second_and_user=5)
    headers = sent(gate.browser.issue(user_id="u").text)
    gate.admit(headers, PEER, 100)
    assert status(gate.admit, headers, PEER) == 429


def test_an_address_takes_a_browsers_token_alone():
    """It ends up in logs."""
    gate = gate_of()
    token = gate.browser.issue(anonymous_id="a").text
    assert gate.admit_page(token, {}, PEER).is_anonymous
    for wrong in ("local-dev-token", "", "é\ud800", "x" * (MOST_BYTES + 1), token + "."):
        assert status(gate.admit_page, wrong, {}, PEER) == 401


def test_locally_behind_a_proxy_the_forwarded_address_counts():
    gate = gate_of(requests_per_second_and_address=1)
    for number in range(20):
        headers = sent(gate.browser.issue(user_id=f"u{number}").text)
        gate.admit({**headers, b"x-forwarded-for": f"198.51.100.{number}".encode()}, "127.0.0.1")


def test_a_secured_request_takes_microseconds():
    """Loosely: what it costs beside an open request is in benchmarks/bench_access.py."""
    gate = gate_of(requests_per_second_and_user=10**9, requests_per_second_and_address=10**9)
    headers = sent(gate.browser.issue(user_id="u").text)
    best = min(_seconds(gate, headers) for _ in range(20))
    assert best < 1e-4


def _seconds(gate, headers):
    start = time.perf_counter()
    for _ in range(10):
        gate.admit(headers, PEER)
    return (time.perf_counter() - start) / 10
