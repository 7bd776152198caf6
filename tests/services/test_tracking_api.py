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
from starlette.testclient import TestClient
from tests.openapi import require_described
from tests.recorder import recorder_of

from sparkperso.config import load_settings
from sparkperso.core.errors import UsageError
from sparkperso.services.collect.app import make_app
from sparkperso.services.collect.routes.tracking_api import BATCH, KINDS
from sparkperso.testing.collector import LOCAL, running_collector
from sparkperso.testing.kotlin import analytics_folder, compile_kotlin, kotlin_line

KEY = "local-dev-key"
NODE, JAVA = Path(__file__).parent / "node", Path(__file__).parent / "java"
PURCHASES = [("p1", 20, "EUR"), ("p2", 10, "EUR")]


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    with running_collector(tmp_path_factory.mktemp("tracking")) as running:
        yield running


@pytest.fixture(scope="module")
def all_sent(collector):
    with recorder_of(collector.url) as running:
        yield running


@pytest.fixture
def recorder(collector, all_sent):
    """Gives the proxy, and holds what came through it against the collector's document."""
    all_sent.sent.clear()
    yield all_sent
    assert all_sent.sent
    require_described(httpx.get(f"{collector.url}/openapi.json").json(), all_sent.sent)


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
    assert by_kind["identify"]["metadata"]["email"].startswith("k1:email:")
    assert by_kind["identify"]["metadata"]["plan"] == "gold"
    assert by_kind["group"]["metadata"]["group_id"] == "g1"
    assert by_kind["alias"]["metadata"]["previous_id"] == "a-1"
    pages = [line for line in found if line["event_type"] == "page_view"]
    assert {line["channel"] for line in pages} in ({"web", "mobile"}, {"server", "mobile"})
    assert "https://shop.example/" in {line["context"].get("page_url") for line in pages}
    assert "ada@example.org" not in json.dumps(found)


def test_the_python_client_of_segment(collector, recorder):
    failures = []
    client = Segment(
        KEY, host=recorder.url, on_error=lambda error, _: failures.append(error), gzip=True
    )
    call_each(client, {"user_id": "segment-python", "anonymous_id": "a-1"})
    client.shutdown()
    assert failures == []
    require_each(collector, "segment-python")


def test_the_python_client_of_rudderstack(collector, recorder):
    failures = []
    client = rudder.Client(
        KEY, host=recorder.url, on_error=lambda error, _: failures.append(error), gzip=True
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
def test_the_node_clients(collector, recorder, node_clients, name):
    line = ["node", str(NODE / "send.mjs"), name, recorder.url, KEY]
    answer = subprocess.run(
        line, capture_output=True, text=True, check=False, timeout=60, env=os.environ
    )
    assert answer.returncode == 0, answer.stderr
    require_each(collector, f"{name}-node")


def test_the_java_client_of_segment(collector, recorder, tmp_path):
    jar, libraries = tmp_path / "send.jar", analytics_folder()
    try:
        compile_kotlin([JAVA], jar, libraries)
    except UsageError as error:
        pytest.fail(str(error))
    line = kotlin_line(jar, "SendKt", recorder.url, KEY, "segment-java", libraries=libraries)
    answer = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert {each.path for each in recorder.sent} == {"/v1/import/"}
    require_each(collector, "segment-java")


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("kind", "path"), [(kind, path) for kind, paths in KINDS.items() for path in paths]
)
def test_every_call_has_its_routes(collector, kind, path, slash):
    name = f"{path}{slash}"
    message = {"userId": "direct", "messageId": name, "event": "Signed Up"}
    message |= {"groupId": "g", "previousId": "p", "writeKey": KEY}
    answer = httpx.post(f"{collector.url}{name}", json=message)
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    (line,) = [line for line in lines(collector, "direct") if line["event_id"] == name]
    types = {"track": "signed_up", "screen": "page_view", "page": "page_view"}
    assert line["event_type"] == types.get(kind, kind)


@pytest.mark.parametrize("path", [each + slash for each in BATCH for slash in ("", "/")])
def test_batches_have_many_names(collector, path):
    message = {"type": "track", "event": "click", "userId": "batch", "messageId": path}
    batch = {"batch": [message]}
    answer = httpx.post(f"{collector.url}{path}", params={"writeKey": KEY}, json=batch)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)


def test_a_result_stands_where_its_message_stood(collector):
    good = {"type": "track", "event": "click", "userId": "mixed", "messageId": "good"}
    order = good | {"event": "Order Completed", "messageId": "order"}
    order["properties"] = {"products": [{"sku": "a", "price": "2"}, {"sku": "b", "price": 1}]}
    custom = good | {"event": "Größe gewählt", "messageId": "custom"}
    batch = [{"type": "fly"}, good, 7, order, {"type": "track", "userId": "u"}, custom]
    answer = httpx.post(f"{collector.url}/v1/batch", json={"batch": batch}, auth=LOCAL)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["success"], body["accepted"], body["invalid"]) == (True, 3, 3)
    statuses = [result["status"] for result in body["results"]]
    assert statuses == ["invalid", "accepted", "invalid", "accepted", "invalid", "accepted"]
    assert body["results"][1] == {"status": "accepted", "event_id": "good"}
    ids = [event["event_id"] for event in body["results"][3]["events"]]
    assert ids == ["order:0", "order:1"]
    assert "not in the tracking plan" in body["results"][5]["warning"]
    none = httpx.post(f"{collector.url}/v1/batch", json={"batch": batch[::2]}, auth=LOCAL)
    assert (none.status_code, len(none.json()["results"])) == (422, 3)


def test_a_preflight_grants_what_clients_of_a_known_origin_ask_for(collector):
    def ask(origin, headers):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        asked |= {"Access-Control-Request-Headers": headers}
        return httpx.options(f"{collector.url}/v1/t", headers=asked)

    of_rudder = ask("http://localhost:3000", "anonymousid,authorization,content-type")
    assert of_rudder.status_code == 204
    granted = of_rudder.headers["access-control-allow-headers"]
    assert granted == "anonymousid,authorization,content-type"
    assert "access-control-request-headers" in of_rudder.headers["vary"].lower()
    for odd in ("a b", "x" * 2000, "a,,b", "é"):
        granted = ask("http://localhost:3000", odd.encode()).headers["access-control-allow-headers"]
        assert granted == "Authorization, Content-Type, Content-Encoding"
    assert "access-control-allow-headers" not in ask("https://evil.example", "a").headers


def test_settings_lead_browsers_and_phones_here(collector):
    for slash in ("", "/"):
        settings = httpx.get(f"{collector.url}/v1/projects/{KEY}/settings{slash}")
        sending = settings.json()["integrations"]["Segment.io"]
        host = collector.url.removeprefix("http://")
        assert sending == {"apiKey": KEY, "apiHost": f"{host}/v1", "protocol": "http"}
        assert settings.headers["cache-control"] == "no-store"
        source = httpx.get(f"{collector.url}/sourceConfig{slash}", params={"writeKey": KEY})
        assert source.json()["source"]["enabled"]
    assert httpx.get(f"{collector.url}/v1/projects/unknown/settings").status_code == 401
    assert httpx.get(f"{collector.url}/sourceConfig").status_code == 401
    odd = httpx.get(f"{collector.url}/v1/projects/{KEY}/settings", headers={"Host": "a/b"})
    assert odd.status_code == 400
    assert httpx.post(f"{collector.url}/v1/m", json={"series": []}).status_code == 204


def test_settings_name_the_public_address(tmp_path):
    assignments = ["collect.public_url=https://events.shop.example"]
    app = make_app(load_settings("local", lake=str(tmp_path), assignments=assignments), {})
    settings = TestClient(app).get(f"/v1/projects/{KEY}/settings").json()
    sending = settings["integrations"]["Segment.io"]
    assert (sending["protocol"], sending["apiHost"]) == ("https", "events.shop.example/v1")
