"""The official clients of Segment and RudderStack for browsers, unchanged, in Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from tests.openapi import require_described
from tests.recorder import recorder_of

from sparkperso.testing.collector import running_collector

KEY = "local-dev-key"
NODE = Path(__file__).parents[1] / "services" / "node"
SCRIPTS = {
    "segment": "@segment/analytics-next/dist/umd/index.js",
    "rudder": "@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js",
}
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
CALLS = """
window.onerror = (message) => { window.failed = String(message); };
const order = {order_id: "o1", total: 45, currency: "EUR"};
order.products = [{product_id: "p1", price: "15.00", quantity: "3"}];
"""
PAGES = {
    "segment": """
    const client = AnalyticsNext.AnalyticsBrowser.load({writeKey: KEY, cdnURL: HOST});
    const sent = (async () => {
        await client.identify("segment-web", {email: "ada@example.org", plan: "gold"});
        await client.page("Home");
        await client.screen("Basket");
        await client.track("Größe gewählt", {constructor: "Ferrari", text: "cut \\ud83d"});
        await client.track("Order Completed", order);
        await client.group("g1", {name: "Club"});
        await client.alias("segment-web", "a-1");
    })();
    const batching = {deliveryStrategy: {strategy: "batching", config: {size: 2}}};
    const other = new AnalyticsNext.AnalyticsBrowser();
    other.load({writeKey: KEY, cdnURL: HOST}, {integrations: {"Segment.io": batching}});
    Promise.all([sent, other.track("click", {batched: 1}), other.track("click", {batched: 2})])
        .then(() => { window.done = true; }, (error) => { window.failed = String(error); });
    """,
    "rudder": """
    const client = new rudderanalytics.RudderAnalytics();
    client.load(KEY, HOST, {configUrl: HOST, queueOptions: {maxAttempts: 1}});
    client.identify("rudder-web", {email: "ada@example.org", plan: "gold"});
    client.page("Home");
    client.track("Größe gewählt", {constructor: "Ferrari", text: "cut \\ud83d"});
    client.track("Order Completed", order);
    client.group("g1", {name: "Club"});
    client.alias("rudder-web", "a-1");
    client.ready(() => { window.done = true; });
    """,
}
WANTED = {
    "segment": ["identify", "page_view", "page_view", "größe_gewählt", "purchase", "group"],
    "rudder": ["identify", "page_view", "größe_gewählt", "purchase", "group"],
}


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    with running_collector(tmp_path_factory.mktemp("clients")) as running:
        yield running


@pytest.fixture(scope="module")
def recorder(collector):
    with recorder_of(collector.url) as running:
        yield running


@pytest.fixture(scope="module")
def shop(tmp_path_factory, recorder):
    """Serves pages that load the clients as they are shipped; gives their address."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail("The clients for browsers need node and npm: apt-get install nodejs npm")
    done = NODE / "node_modules" / ".package-lock.json"
    if not done.exists() or done.stat().st_mtime < (NODE / "package-lock.json").stat().st_mtime:
        line = [npm, "ci", "--ignore-scripts", "--prefix", str(NODE)]
        subprocess.run(line, check=True, capture_output=True)
    folder = tmp_path_factory.mktemp("shop")
    for name, script in SCRIPTS.items():
        shutil.copy(NODE / "node_modules" / script, folder / f"{name}.js")
        (folder / f"{name}.html").write_text(
            f'<!doctype html><meta charset="utf-8"><title>Shop</title><script src="{name}.js">'
            f"</script><script>const KEY = {json.dumps(KEY)}, HOST = {json.dumps(recorder.url)};"
            f"{CALLS}{PAGES[name]}</script>",
            encoding="utf-8",
        )
    pages = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), pages)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.fail("This test needs a browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(programs[1]))
    yield driver
    driver.quit()


def eventually(question, seconds=20.0):
    """Returns the first true answer; fails with the last one when there is none in time."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, answer
        time.sleep(0.1)
    return answer


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_client_for_browsers_needs_the_collectors_address_alone(
    collector, recorder, shop, browser, name
):
    def kept():
        found = [json.loads(line) for line in collector.lines()]
        return [line for line in found if line.get("user_id") == f"{name}-web"]

    browser.get(f"{shop}/{name}.html")
    eventually(lambda: browser.execute_script("return window.done || window.failed"))
    assert browser.execute_script("return window.failed") is None
    eventually(lambda: "alias" in {line["event_type"] for line in kept()})
    said = [entry["message"] for entry in browser.get_log("browser")]
    assert not [line for line in said if "CORS" in line or "favicon" not in line], said
    by_kind = {line["event_type"]: line for line in kept()}
    assert set(WANTED[name]) <= by_kind.keys()
    custom, order = by_kind["größe_gewählt"]["metadata"], by_kind["purchase"]
    assert (custom["constructor"], custom["text"]) == ("Ferrari", "cut \ufffd")
    assert (order["item_id"], order["value"], order["currency"]) == ("p1", 45.0, "EUR")
    traits = by_kind["identify"]["metadata"]
    assert traits["email"].startswith("k1:email:")
    assert traits["plan"] == "gold"
    assert by_kind["page_view"]["context"]["page_url"].startswith(shop)
    assert "example.org" not in json.dumps(kept())
    sent = [each for each in recorder.sent if each.headers.get("origin") == shop]
    assert {each.method for each in sent} >= {"OPTIONS", "POST"}
    require_described(httpx.get(f"{collector.url}/openapi.json").json(), sent)


def test_batches_of_the_browser_come_by_their_short_name(recorder):
    bodies = [each.json for each in recorder.sent if each.path == "/v1/b" and each.method == "POST"]
    assert sum(len(body["batch"]) for body in bodies) == 2
