"""The gate behind a real server: what arrives of headers that were tampered with, byte by byte."""

from __future__ import annotations

import socket
import threading

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.config import load_settings
from sparkperso.services.access.gate import make_gate
from sparkperso.services.http.cors import Cors, origins_of
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.problems import Problem

LIMITS = [
    "security.limits.refusals_per_second_and_address=1000000",
    "security.limits.requests_per_second_and_user=5",
]


@pytest.fixture(scope="module")
def gate():
    return make_gate(load_settings("local", assignments=LIMITS), {})


@pytest.fixture(scope="module")
def port(gate):
    async def answer(request):
        caller = gate.admit(headers_of(request.scope), request.client.host)
        caller.require_user("recommend", request.path_params["user"])
        return Response(caller.subject)

    async def problem(_, error):
        return error.response()

    app = Starlette(routes=[Route("/{user}", answer)], exception_handlers={Problem: problem})
    served = Cors(app, origins_of(["https://shop.example"]), exposed=("Retry-After",))
    server = uvicorn.Server(uvicorn.Config(served, port=0, lifespan="off", log_level="critical"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)


def ask(port, *lines, user="u-17"):
    """Returns status, headers and body of the answer to a request with these lines of headers."""
    with socket.create_connection(("127.0.0.1", port), 10) as peer:
        head = [f"GET /{user} HTTP/1.1".encode(), b"Host: x", b"Connection: close", *lines]
        try:
            peer.sendall(b"\r\n".join(head) + b"\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return 0, b"", b""
        received = b""
        while part := _received(peer):
            received += part
    if not received:
        return 0, b"", b""
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), head.lower(), body


def _received(peer):
    try:
        return peer.recv(65536)
    except ConnectionResetError:
        return b""


def bearer(token):
    return b"Authorization: Bearer " + token.encode()


def test_a_good_token_reads_its_own_and_nobody_elses(gate, port):
    good = bearer(gate.browser.issue(user_id="u-17").text)
    assert ask(port, good)[::2] == (200, b"u-17")
    assert ask(port, good, user="u-18")[0] == 403
    assert ask(port, good, user="u-17%00")[0] == 403
    assert ask(port, good, user="u%2D17")[0] == 200
    assert ask(port, bearer("local-dev-token"), user="u-18")[0] == 200


def test_no_tampered_header_is_let_in_nor_breaks_the_server(gate, port):
    token = gate.browser.issue(user_id="u-19").text
    good, other = bearer(token), bearer(gate.browser.issue(user_id="u-20").text)
    head, body, mark = token.encode().split(b".")
    tampered = [
        *([good, other], [other, good], [good, b"Authorization: Basic dTp2"]),
        *([good + b",x"], [good + b", " + other], [good.replace(b"Bearer", b"Basic")], []),
        [b"Authorization: Bearer " + "é".encode() + token.encode()],
        [b"Authorization: Bearer " + body + b"." + head + b"." + mark],
        [b"Authorization: Bearer \xff\xfe"],
        [b"Authorization: Bearer " + b"A" * 20_000],
        [b"Authorization: Bearer " + b"A" * 1_000_000],
        [b"Authorization:"],
        [b"Authorization : Bearer " + token.encode()],
        [b"Authorization: Bearer\r\n " + token.encode()],
        [b"X-Authorization: Bearer " + token.encode()],
        [b"Cookie: token=" + token.encode()],
    ]
    for place in range(0, len(token), 7):
        changed = bytearray(token.encode())
        changed[place] ^= 1
        tampered.append([b"Authorization: Bearer " + bytes(changed)])
    for lines in tampered:
        status, headers, _ = ask(port, *lines, user="u-19")
        assert status in {0, 400, 401, 431}, lines
        if status == 401:
            assert b'www-authenticate: bearer realm="sparkperso"' in headers
    assert ask(port, good, user="u-19")[0] == 200


def test_a_page_is_told_when_to_come_again(gate, port):
    good = bearer(gate.browser.issue(user_id="u-21").text)
    answers = [ask(port, good, b"Origin: https://shop.example", user="u-21") for _ in range(40)]
    refused = [headers for status, headers, _ in answers if status == 429]
    assert {status for status, _, _ in answers} == {200, 429}
    assert b"\r\nretry-after: " in refused[0]
    assert b"access-control-expose-headers: retry-after" in refused[0]
