"""The SDK on pages of other sites, in a real browser, against a real collector."""

from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.chromium import click, eventually, films, lines, running_browser, running_pages

from sparkperso.testing.collector import running_collector

DOC = (Path(__file__).parents[2] / "docs" / "browser.md").read_text()
SNIPPET = re.search(r"```html\n(.*?)```", DOC.partition("### Before the script")[2], re.DOTALL)[1]
TAG = '<script defer src="{sdk}/sdk/sparkperso.js" data-key="local-dev-key"{more}></script>'
START = """<script defer src="{sdk}/sdk/sparkperso.js"></script><script>
addEventListener("DOMContentLoaded", () => sparkperso.init(
  {{key: "local-dev-key", flushSeconds: 0.2, consent: "{consent}"}}));
window.warned = []; console.warn = (text) => warned.push(text);
</script>"""
BODY = '<body><button data-track="press">Press</button></body>'
ROUTES = """<script>
addEventListener("DOMContentLoaded", () => {
  history.replaceState(null, "", "/routes/home");
  setTimeout(() => (document.title = "Home"), 200);
});
function go() {
  history.pushState(null, "", "/routes/lamp");
  setTimeout(() => (document.title = "Lamp"), 200);
}
</script>"""
FORBIDDEN = """<script>
for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, {
  get() { throw new DOMException("denied", "SecurityError"); } });
</script>"""


def page_of(sdk, path):
    """Returns the page at a path, which loads the SDK from a collector."""
    name = urlsplit(path).path.split("/")[1]
    assumed, asked = (START.format(sdk=sdk, consent=kind) for kind in ("assumed", "opt-in"))
    tag = TAG.format(sdk=sdk, more=' data-consent="assumed"')
    heads = {
        "routes": assumed + ROUTES,
        "twice": tag + assumed + tag,
        "early": SNIPPET.replace("https://collect.shop.example", sdk) + "<script>early()</script>",
        "asked": asked,
        "forbidden": FORBIDDEN + asked,
        "private": asked + "<style>i{background:url(/i.png?u=Lovelace)}</style>",
    }
    early = """<script>function early() {
      sparkperso.init({key: "local-dev-key", consent: "assumed", flushSeconds: 0.2});
      sparkperso.identify("customer-4711"); sparkperso.track("search", {query: "lamp"});
      sparkperso.push(["no_such_method"]); }</script>"""
    start = early if name == "early" else ""
    return f"<!doctype html><title>Start</title>{start}{heads.get(name, '')}{BODY}"


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    required = ("--set", "collect.sites.local.consent=required")
    with running_collector(tmp_path_factory.mktemp("sdk"), *required) as running:
        yield running


@pytest.fixture(scope="module")
def assuming(tmp_path_factory):
    with running_collector(tmp_path_factory.mktemp("assuming")) as running:
        yield running


@pytest.fixture(scope="module")
def port(collector, assuming):
    assumed = ("/routes", "/twice", "/early")

    def page(path):
        return page_of((assuming if path.startswith(assumed) else collector).url, path)

    with running_pages(page) as port:
        yield port


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with running_browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def visit(driver, port):
    """Opens a page in a browser that knows nothing."""
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    for host in ("127.0.0.1", "localhost"):
        place = {"origin": f"http://{host}:{port}", "storageTypes": "all"}
        driver.execute_cdp_cmd("Storage.clearDataForOrigin", place)

    def open_page(path, host="127.0.0.1"):
        driver.get(f"http://{host}:{port}{path}")
        eventually(lambda: driver.execute_script("return window.sparkperso?.isStarted"))
        return driver

    return open_page


def of_kind(collector, kind, page=""):
    found = [line for line in lines(collector) if line["event_type"] == kind]
    return [line for line in found if page in line["context"].get("page_url", "")]


def queue(browser):
    return browser.execute_script("return JSON.parse(localStorage['sparkperso.queue'] ?? '[]')")


def agree(browser, **purposes):
    browser.execute_script("sparkperso.consent.set(arguments[0])", {"analytics": True, **purposes})


def test_page_views_have_the_route_and_the_title_that_the_page_came_to(assuming, visit):
    browser = visit("/routes/")
    eventually(lambda: of_kind(assuming, "page_view", "/routes/"))
    browser.execute_script("go(); sparkperso.track('item_view', {item_id: 'lamp'})")
    views = eventually(lambda: of_kind(assuming, "page_view", "/routes/")[1:]) and of_kind(
        assuming, "page_view", "/routes/"
    )
    found = [(urlsplit(v["context"]["page_url"]).path, v["metadata"]["title"]) for v in views]
    assert found == [("/routes/home", "Home"), ("/routes/lamp", "Lamp")]
    assert "referrer" not in views[0]["context"]
    assert urlsplit(views[1]["context"]["referrer"]).path == "/routes/home"
    (seen,) = eventually(lambda: of_kind(assuming, "item_view", "/routes/lamp"))
    assert views[1]["timestamp"] <= seen["timestamp"], "a page is viewed before what is on it"


def test_two_tags_count_once(assuming, visit):
    browser = visit("/twice/")
    eventually(lambda: of_kind(assuming, "page_view", "/twice/"))
    click(browser, "button")
    eventually(lambda: of_kind(assuming, "click", "/twice/"))
    time.sleep(0.5)
    assert len(of_kind(assuming, "page_view", "/twice/")) == 1
    assert len(of_kind(assuming, "click", "/twice/")) == 1
    assert "twice" in browser.execute_script("return warned.join()")


def test_what_is_called_before_the_script_is_there_is_made_up_for(assuming, visit):
    visit("/early/")
    (search,) = eventually(lambda: of_kind(assuming, "search", "/early/"))
    assert search["metadata"] == {"query": "lamp"}
    assert (
        search["user_id"]
        == eventually(lambda: of_kind(assuming, "identify", "/early/"))[0]["user_id"]
    )


def test_a_withdrawal_in_one_tab_ends_all_of_them(collector, visit):
    browser = visit("/asked/first")
    agree(browser, recording=True)
    eventually(lambda: of_kind(collector, "page_view", "/asked/first"))
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    visit("/asked/second")
    eventually(lambda: of_kind(collector, "page_view", "/asked/second"))
    browser.execute_script("sparkperso.consent.set({}, 'preference_page')")
    browser.close()
    browser.switch_to.window(first)
    eventually(
        lambda: browser.execute_script(
            "return !sparkperso.isStarted || !sparkperso.consent.isAllowed('analytics')"
        )
    )
    said = eventually(
        lambda: [
            c for c in of_kind(collector, "consent") if not any(c["metadata"]["purposes"].values())
        ]
    )
    before = collector.lines(), collector.lines("recordings")
    click(browser, "button")
    browser.execute_script("sparkperso.track('search', {metadata: {query: 'late'}})")
    time.sleep(1)
    assert (collector.lines(), collector.lines("recordings")) == before
    assert queue(browser) == []
    assert said[-1]["metadata"]["method"] == "preference_page"
    assert browser.execute_script("return sparkperso.consent.get().analytics") is False


def test_a_cookie_that_is_gone_is_had_anew_and_no_event_is_lost(collector, visit):
    browser = visit("/asked/gone")
    agree(browser)
    (view,) = eventually(lambda: of_kind(collector, "page_view", "/asked/gone"))
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    click(browser, "button")
    (press,) = eventually(lambda: of_kind(collector, "click", "/asked/gone"))
    assert press["anonymous_id"] != view["anonymous_id"]
    decisions = [
        c for c in of_kind(collector, "consent") if c["anonymous_id"] == press["anonymous_id"]
    ]
    assert [c["metadata"]["purposes"]["analytics"] for c in decisions] == [True]
    assert queue(browser) == []


def test_a_cookie_that_never_comes_back_loses_no_event_and_is_said_once(collector, visit):
    browser = visit("/asked/localhost", host="localhost")
    agree(browser)
    eventually(lambda: browser.execute_script("return warned.length"))
    for _ in range(3):
        click(browser, "button")
    time.sleep(1)
    assert [event["event_type"] for event in queue(browser)] == [
        "page_view",
        "click",
        "click",
        "click",
    ]
    (warning,) = browser.execute_script("return warned")
    assert "cookie does not come back" in warning
    assert of_kind(collector, "page_view", "/asked/localhost") == []


def test_storage_that_throws_is_lived_with(collector, visit):
    browser = visit("/forbidden/")
    agree(browser)
    eventually(lambda: of_kind(collector, "page_view", "/forbidden/"))
    click(browser, "button")
    eventually(lambda: of_kind(collector, "click", "/forbidden/"))
    browser.execute_script("sparkperso.consent.set({})")
    before = collector.lines()
    click(browser, "button")
    time.sleep(0.7)
    kinds = [line["event_type"] for line in lines(collector)[len(before) :]]
    assert kinds in ([], ["consent"])


SECRETS = """
const secret = "Lovelace";
document.body.insertAdjacentHTML("beforeend", `
  <div id=seen title="${secret}@example.org" data-u="${secret}" aria-description="${secret}"></div>
  <input type=hidden value="${secret}"><input type=checkbox value="${secret}">
  <div contenteditable>${secret}</div><p role=textbox>${secret}</p><textarea>${secret}</textarea>
  <select><option value="${secret}">Lamps</option></select>
  <a href="/x?u=${secret}#${secret}">Lamps</a><a href="tel:${secret}">Call</a>
  <img src="/i.png?u=${secret}" alt="Lamps" srcset="/j.png?u=${secret}">
  <i style="background:url(/i.png?u=${secret})"></i>
  <div data-private>
    <a id="${secret}" href="/${secret}" title="${secret}" aria-label="${secret}">${secret}</a>
    <img alt="${secret}" src="/${secret}.png"><input placeholder="${secret}"></div>
  <iframe srcdoc="${secret}"></iframe>`);
const host = document.querySelector("[data-private]").appendChild(document.createElement("div"));
host.attachShadow({mode: "open"}).innerHTML = `<b title="${secret}">${secret}</b>`;
"""
CHANGES = """
const secret = "Lovelace", by = (selector) => document.querySelector(selector);
by("input[type=hidden]").setAttribute("value", secret + "2");
by("[contenteditable]").firstChild.data = secret + "2";
by("[contenteditable]").append(secret);
by("#seen").dataset.u = secret + "2";
by("#seen").setAttribute("onclick", secret);
by("a").href = "mailto:" + secret;
by("i").style.backgroundImage = `url("/k.png?u=${secret}")`;
by("[data-private] a").title = secret + "2";
by("[data-private] a").firstChild.data = secret + "2";
by("[data-private] img").src = `/${secret}2.png`;
by("[data-private]").insertAdjacentHTML("beforeend", `<a href="/${secret}">${secret}</a>`);
by("[data-private] > div").shadowRoot.firstChild.firstChild.data = secret + "2";
by("textarea").value = secret + "2";
by("select").selectedIndex = 0;
document.styleSheets[0].insertRule(`b { background: url("/l.png?u=${secret}") }`);
by("#seen").textContent = "the end";
"""


def test_a_recording_has_nothing_that_the_page_keeps_to_itself(collector, visit):
    browser = visit("/private/")
    browser.execute_script(SECRETS)
    agree(browser, recording=True)
    eventually(lambda: "Lamps" in films(collector))
    browser.execute_script(CHANGES)
    eventually(lambda: "the end" in films(collector))
    everything = films(collector)
    for look in ("Lamps", "Call", "/i.png", '"alt":"Lamps"', "••••"):
        assert look in everything, look
    at = everything.find("Lovelace")
    assert at < 0, everything[max(0, at - 200) : at + 50]
