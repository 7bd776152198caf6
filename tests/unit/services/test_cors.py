"""CORS: who may read an answer, and what of it."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from sparkperso.services.http.cors import MAX_HEADER_NAMES, Cors, origins_of

SHOP = "https://shop.example"


def client(**named):
    async def answer(_):
        return PlainTextResponse("ok", headers={"ETag": '"1"', "Vary": "Accept"})

    app = Starlette(routes=[Route("/", answer)])
    return TestClient(Cors(app, origins_of([SHOP, "http://localhost:*"]), **named))


def test_a_known_origin_reads_the_answer_and_the_headers_that_it_needs():
    answer = client(exposed=("ETag", "Retry-After")).get("/", headers={"Origin": SHOP})
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert answer.headers["Access-Control-Expose-Headers"] == "ETag, Retry-After"
    assert answer.headers["Vary"] == "Accept, Origin"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_cookie_is_sent_only_where_the_service_has_one():
    answer = client(credentials=True).get("/", headers={"Origin": SHOP})
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Access-Control-Expose-Headers" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "https://evil.example",
            "null",
            "",
            "*",
            "http://shop.example",
            "https://shop.example:8443",
        ),
        *("https://shop.example.evil.example", "https://evilshop.example", "https://SHOP.example"),
        *("http://localhost", "http://localhost:", "http://localhost:80.evil.example", "file://"),
        *("http://localhost:80@evil.example", "https://shop.example/", "https://shop.example\t"),
    ],
)
def test_another_origin_gets_no_header(origin):
    for method in ("GET", "OPTIONS"):
        answer = client(exposed=("ETag",)).request(method, "/", headers={"Origin": origin})
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_two_origins_that_differ_are_none():
    answer = client().get("/", headers=[("Origin", SHOP), ("Origin", "https://evil.example")])
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("authorization, content-type", "authorization, content-type"),
        ("x-own", "x-own"),
        ("", "Authorization, Content-Type, Content-Encoding"),
        ("a\x7fb", "Authorization, Content-Type, Content-Encoding"),
        ("a" * (MAX_HEADER_NAMES + 1), "Authorization, Content-Type, Content-Encoding"),
    ],
)
def test_a_preflight_grants_the_headers_that_are_asked_for(asked, granted):
    headers = {"Origin": SHOP, "Access-Control-Request-Headers": asked}
    answer = client().options("/", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Headers"] == granted
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
