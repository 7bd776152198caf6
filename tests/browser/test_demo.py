"""The demo shop in a real browser: nothing before a yes, all after it, nothing after a no."""

from __future__ import annotations

import json
import shutil
import time

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from sparkperso.collect.web import BUILT
from sparkperso.testing.collector import running_collector

SECRETS = ("Ada Lovelace", "ada@example.org", "4111 1111 1111 1111", "12 St James's Square")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # The banner does not show itself to robots.
    *("--disable-blink-features=AutomationControlled", "--window-size=1200,900"),
)


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    if not (BUILT / "sdk" / "sparkperso.js").is_file():
        pytest.fail("The browser's files are not built: install node and npm, then run: make web")
    with running_collector(tmp_path_factory.mktemp("demo"), "--demo") as running:
        yield running


@pytest.fixture
def browser(tmp_path):
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.fail("This test needs a browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(programs[1]))
    yield driver
    driver.quit()


def eventually(question, seconds=15.0):
    """Returns the first true answer; fails with the last one when there is none in time."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, answer
        time.sleep(0.1)
    return answer


def decide(browser, role):
    """Presses a button of the banner, once it has come to rest and until it is gone."""

    def is_gone():
        if not browser.execute_script("return window.sparkperso?.consent.get() ?? null"):
            for button in browser.find_elements(By.CSS_SELECTOR, f"#cc-main [data-role={role}]"):
                browser.execute_script("arguments[0].click()", button)
            return False
        return True

    eventually(is_gone)


def click(browser, selector):
    element = eventually(lambda: browser.find_elements(By.CSS_SELECTOR, selector))[0]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def lines(collector, folder=""):
    return [json.loads(line) for line in collector.lines(folder)]


def films(collector):
    """Returns the text of all recordings."""
    return "".join(line["metadata"]["text"] for line in lines(collector, "recordings"))


def kinds(collector):
    return [line["event_type"] for line in lines(collector)]


def test_a_shopper_who_refuses_leaves_no_trace(collector, browser):
    before = collector.lines(), collector.lines("recordings")
    browser.get(f"{collector.url}/demo/")
    eventually(lambda: browser.find_elements(By.CSS_SELECTOR, "#cc-main [data-role=necessary]"))
    assert browser.get_cookies() == []
    assert browser.execute_script("return localStorage.length") == 0
    decide(browser, "necessary")
    click(browser, "a[data-track=product_card]")
    click(browser, "[data-add]")
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    browser.get(f"{collector.url}/demo/basket")
    time.sleep(1.5)
    assert (collector.lines(), collector.lines("recordings")) == before
    assert browser.get_cookies() == []
    assert "visits_total" in httpx.get(f"{collector.url}/metrics").text


def test_a_shopper_who_agrees_is_seen_until_the_withdrawal(collector, browser):
    browser.get(f"{collector.url}/demo/?utm_campaign=june")
    decide(browser, "all")
    assert browser.execute_script("return window.scrollY") == 0, "the banner moved the page"
    eventually(lambda: {"consent", "page_view"} <= set(kinds(collector)))
    cookie = browser.get_cookie("sp_anon")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    eventually(lambda: kinds(collector).count("scroll") == 4)
    click(browser, "a[data-track=product_card]")
    click(browser, ".product [data-add]")
    buy(browser, collector)
    wanted = {"click", "scroll", "dwell", "item_view", "add_to_cart", "form_submit", "purchase"}
    eventually(lambda: wanted <= set(kinds(collector)))
    found = lines(collector)
    assert {line["anonymous_id"] for line in found} == {cookie["value"]}
    assert {line["context"]["campaign"] for line in found if line["event_type"] == "page_view"}
    (form,) = [line for line in found if line["event_type"] == "form_submit"]
    assert {"name", "email", "card", "address", "note"} <= set(form["metadata"]["fields"])
    depths = [line["metadata"]["depth"] for line in found if line["event_type"] == "scroll"]
    assert depths[:4] == [25, 50, 75, 100]
    require_masked_replay(collector, browser)
    withdraw(collector, browser)


def buy(browser, collector):
    """Fills in the checkout, by hand as it were, and pays."""
    browser.get(f"{collector.url}/demo/checkout")
    name, email, card, address = SECRETS
    typed = {"name": name, "email": email, "card": card, "address": address}
    eventually(lambda: browser.find_elements(By.NAME, "card"))
    for field, text in typed.items():
        browser.find_element(By.NAME, field).send_keys(text)
    browser.find_element(By.NAME, "note").send_keys(f"from {name}")
    time.sleep(1)  # the recorder takes what was typed
    click(browser, "[data-track=pay]")


def require_masked_replay(collector, browser):
    """Asserts that the player plays what was recorded, and that nothing typed is in it."""
    eventually(lambda: "••••" in films(collector))
    everything = films(collector) + b"\n".join(collector.lines()).decode()
    assert not [secret for secret in SECRETS if secret in everything]
    browser.get(f"{collector.url}/demo/replay")
    click(browser, "#recordings button")
    frame = eventually(lambda: browser.find_elements(By.CSS_SELECTOR, ".replayer-wrapper iframe"))
    browser.switch_to.frame(frame[0])
    eventually(lambda: "Lumen" in browser.find_element(By.TAG_NAME, "body").text)
    browser.switch_to.default_content()


def withdraw(collector, browser):
    odd = {"event_type": "click", "timestamp": "2026-06-01T10:00:00Z"}
    odd |= {"context": {"page_url": "no address"}, "metadata": {"name": {"a": None}}}
    cookie = {"Cookie": f"sp_anon={browser.get_cookie('sp_anon')['value']}"}
    url = f"{collector.url}/v1/events"
    assert httpx.post(url, json=odd, auth=("demo-key", ""), headers=cookie).is_success
    browser.get(f"{collector.url}/demo/live")
    eventually(lambda: "no address" in browser.find_element(By.ID, "events").text)
    eventually(lambda: browser.find_element(By.ID, "status").text == "live")
    browser.get(f"{collector.url}/demo/privacy")
    click(browser, "#withdraw")
    eventually(lambda: browser.get_cookie("sp_anon") is None)
    last = eventually(lambda: [e for e in lines(collector) if e["event_type"] == "consent"][1:])[-1]
    assert not any(last["metadata"]["purposes"].values())
    before = collector.lines(), collector.lines("recordings")
    browser.get(f"{collector.url}/demo/")
    click(browser, "a[data-track=product_card]")
    time.sleep(1.5)
    assert (collector.lines(), collector.lines("recordings")) == before
    stale = {"event_type": "click", "timestamp": last["timestamp"]}
    stale["anonymous_id"] = last["anonymous_id"]
    answer = httpx.post(f"{collector.url}/v1/events", json=stale, auth=("demo-key", ""))
    assert answer.json()["status"] == "refused"


def test_a_browser_that_objects_is_told_so_and_the_sdk_is_small(collector, browser):
    script = httpx.get(f"{collector.url}/sdk/sparkperso.js")
    assert script.headers["content-type"].startswith("text/javascript")
    browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {"source": "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})"},
    )
    browser.get(f"{collector.url}/demo/privacy")
    signal = eventually(lambda: browser.find_elements(By.ID, "signal"))[0]
    eventually(signal.is_displayed)


def test_where_people_are_not_asked_first_they_are_seen_until_they_object(collector, browser):
    browser.get(f"{collector.url}/demo/live")
    browser.execute_script(
        "const script = document.createElement('script'); script.src = arguments[0];"
        "Object.assign(script.dataset, arguments[1]); document.head.append(script)",
        "/sdk/sparkperso.js",
        {"key": "demo-key", "consent": "opt-out", "region": "US-CA"},
    )

    def views():
        found = [line for line in lines(collector) if line["event_type"] == "page_view"]
        return [line for line in found if line["context"].get("region") == "US-CA"]

    (view,) = eventually(views)
    assert view["context"]["country"] == "US"
    browser.execute_script("sparkperso.consent.set({})")
    mine = {"event_type": "consent", "anonymous_id": view["anonymous_id"]}
    eventually(lambda: [line for line in lines(collector) if mine.items() <= line.items()])
    kept = browser.execute_script("return Object.keys(localStorage)")
    assert (kept, browser.get_cookies()) == (["sparkperso.consent"], [])
