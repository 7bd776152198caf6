"""The tracking API, called by the official clients of Segment and RudderStack themselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import rudderstack.analytics as rudder
from segment.analytics import Client as Segment

from sparkperso.testing.collector import LOCAL, running_collector

KEY = "local-dev-key"
NODE = Path(__file__).parent / "node"
PURCHASES = [("p1", 20, "EUR"), ("p2", 10, "EUR")]


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    with running_collector(tmp_path_factory.mktemp("tracking")) as running:
        yield running


def lines(collector, user):
    return [line for line in map(json.loads, collector.lines()) if line.get("user_id") == user]


def call_each(client, person):
    """Makes one call of each kind, as an application does."""
    client.identify(traits={"email": "ada@example.org", "plan": "gold"}, **person)
    client.track(event="Product Viewed", properties={"product_id": "p1", "price": 5}, **person)
    products = [
        {"product_id": "p1", "price": 5, "quantity": 4},
        {"product_id": "p2", "price": 10, "quantity": 1},
    ]
    order = {"order_id": "o1", "total": 30, "currency": "EUR", "products": products}
    client.track(event="Order Completed", properties=order, **person)
    client.page(name="Home", properties={"url": "https://shop.example/"}, **person)
    client.screen(name="Basket", **person)
    client.group(group_id="g1", traits={"name": "Club"}, **person)
    client.alias("a-1", person["user_id"])


def require_each(collector, user):
    """Asserts that every call became the event that it means, and no address was kept."""
    found = lines(collector, user)
    kinds = [line["event_type"] for line in found]
    assert sorted(kinds) == sorted(
        [
            "identify",
            "item_view",
            "purchase",
            "purchase",
            "page_view",
            "page_view",
            "group",
            "alias",
        ]
    )
    by_kind = {line["event_type"]: line for line in found}
    sold = [line for line in found if line["event_type"] == "purchase"]
    assert sorted((line["item_id"], line["value"], line["currency"]) for line in sold) == PURCHASES
    assert len({line["event_id"] for line in found}) == 8
    assert by_kind["item_view"]["item_id"] == "p1"
    assert by_kind["identify"]["metadata"]["traits"]["email"].startswith("k1:email:")
    assert by_kind["group"]["metadata"]["group_id"] == "g1"
    assert by_kind["alias"]["metadata"]["previous_id"] == "a-1"
    pages = [line for line in found if line["event_type"] == "page_view"]
    assert {line["channel"] for line in pages} in ({"web", "mobile"}, {"server", "mobile"})
    assert "https://shop.example/" in {line["context"].get("page_url") for line in pages}
    assert "ada@example.org" not in json.dumps(found)


def test_the_python_client_of_segment(collector):
    failures = []
    client = Segment(
        KEY, host=collector.url, on_error=lambda error, _: failures.append(error), gzip=True
    )
    call_each(client, {"user_id": "segment-python", "anonymous_id": "a-1"})
    client.shutdown()
    assert failures == []
    require_each(collector, "segment-python")


def test_the_python_client_of_rudderstack(collector):
    failures = []
    client = rudder.Client(
        KEY, host=collector.url, on_error=lambda error, _: failures.append(error), gzip=True
    )
    call_each(client, {"user_id": "rudder-python", "anonymous_id": "a-1"})
    client.shutdown()
    assert failures == []
    require_each(collector, "rudder-python")


@pytest.fixture(scope="module")
def node_clients():
    """Installs the clients of package-lock.json unless they are there."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail("The clients for Node need node and npm: apt-get install nodejs npm")
    done = NODE / "node_modules" / ".package-lock.json"
    if not done.exists() or done.stat().st_mtime < (NODE / "package-lock.json").stat().st_mtime:
        line = [npm, "ci", "--ignore-scripts", "--prefix", str(NODE)]
        subprocess.run(line, check=True, capture_output=True)


@pytest.mark.parametrize("name", ["segment", "rudder"])
def test_the_node_clients(collector, node_clients, name):
    line = ["node", str(NODE / "send.mjs"), name, collector.url, KEY]
    answer = subprocess.run(
        line, capture_output=True, text=True, check=False, timeout=60, env=os.environ
    )
    assert answer.returncode == 0, answer.stderr
    require_each(collector, f"{name}-node")


@pytest.mark.parametrize("kind", ["track", "page", "screen", "identify", "alias", "group"])
def test_every_call_has_its_route(collector, kind):
    message = {"userId": "direct", "messageId": f"m-{kind}", "event": "Signed Up"}
    message |= {"groupId": "g", "previousId": "p", "writeKey": KEY}
    answer = httpx.post(f"{collector.url}/v1/{kind}", json=message)
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert f"m-{kind}" in {line["event_id"] for line in lines(collector, "direct")}


def test_what_cannot_be_read_is_named_one_by_one(collector):
    good = {"type": "track", "event": "x", "userId": "mixed", "messageId": "good"}
    batch = [good, {"type": "fly"}, 7, {"type": "track", "userId": "u"}]
    answer = httpx.post(f"{collector.url}/v1/batch", json={"batch": batch}, auth=LOCAL)
    assert (answer.status_code, answer.json()["accepted"], answer.json()["invalid"]) == (200, 1, 3)
    none = httpx.post(f"{collector.url}/v1/batch", json={"batch": batch[1:]}, auth=LOCAL)
    assert (none.status_code, len(none.json()["results"])) == (422, 3)
