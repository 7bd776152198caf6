"""What the demo shop over a lake sells: found by ids and words, drawn as well-formed XML."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sparkperso.services.collect.metrics import Metrics
from sparkperso.services.collect.routes.demo.pages import Hosts
from sparkperso.services.collect.routes.demo.products import picture, routes
from sparkperso.services.http.error_handlers import ErrorHandlers

SOLD = [
    {"item_id": "2", "title": "RED MUG", "category": "kitchen", "price": 1.25},
    {"item_id": "a/1", "title": "LAMP <b>&", "category": "candles_and_lights", "price": None},
    {"item_id": "3", "title": "BLUE MUG", "category": None, "price": 2.0},
]


@pytest.fixture
def client(tmp_path):
    file = tmp_path / "products.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in SOLD))
    errors = ErrorHandlers(Metrics(()).problems)
    app = Starlette(routes=routes(str(file), Hosts(None)), exception_handlers=errors.handlers)
    return TestClient(app, base_url="http://127.0.0.1")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["2", "a/1", "3"]),
        ("?ids=3,none,2", ["3", "2"]),
        ("?ids=", []),
        ("?q=mug", ["2", "3"]),
        ("?q=Mug%20blue", ["3"]),
        ("?q=candles and", ["a/1"]),
        ("?q=chair", []),
        ("?q=", ["2", "a/1", "3"]),
    ],
)
def test_products_are_found(client, query, found):
    products = client.get(f"/demo/api/products{query}").json()["products"]
    assert [one["item_id"] for one in products] == found


@pytest.mark.parametrize("query", ["?ids=" + "1," * 60, "?q=" + "x" * 101])
def test_too_much_is_refused(client, query):
    assert client.get(f"/demo/api/products{query}").status_code == 422


def test_another_sites_name_leads_to_no_products(client):
    answer = client.get("/demo/api/products", headers={"host": "evil.example"})
    assert answer.status_code == 421


def test_a_picture_is_of_a_product(client):
    answer = client.get("/demo/api/pictures/a/1")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "Lamp" in "".join(ElementTree.fromstring(answer.text).itertext())
    assert client.get("/demo/api/pictures/4").status_code == 404


@pytest.mark.parametrize("title", ["", "x" * 500, "a b " * 100, "é <svg onload=x> &amp;"])
def test_whatever_a_title_is_the_picture_is_xml_of_few_lines(title):
    drawn = ElementTree.fromstring(picture({"item_id": "1", "title": title}))
    texts = [one for one in drawn.iter() if one.tag.endswith("}text")]
    assert len(texts) <= 5
    assert all(len(one.text or "") <= 16 for one in texts)
