"""The demo shop in a real browser: nothing before a yes, all after it, nothing after a no."""

from __future__ import annotations

import time

import httpx
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from tests.chromium import click, decide, eventually, films, lines, running_browser

from sparkperso.testing.collector import running_collector

SECRETS = ("Ada Lovelace", "ada@example.org", "4111 1111 1111 1111", "12 St James's Square")


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    with running_collector(tmp_path_factory.mktemp("demo"), "--demo") as running:
        yield running


@pytest.fixture
def browser(tmp_path):
    with running_browser(tmp_path / "profile") as driver:
        yield driver


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
    kept = "return Object.keys(localStorage).sort()"  # the id goes with the collector's answer
    remaining = ["sparkperso.consent", "sparkperso.delivered"]
    eventually(lambda: browser.execute_script(kept) == remaining)
    assert browser.get_cookies() == []


def test_the_banner_leaves_the_page_to_mouse_and_keyboard_and_has_its_font(collector, browser):
    browser.get(f"{collector.url}/demo/")
    banner = eventually(lambda: browser.find_elements(By.CSS_SELECTOR, "#cc-main .cm"))[0]
    eventually(banner.is_displayed)
    assert banner.get_attribute("aria-modal") == "false"
    fonts = {
        browser.execute_script("return getComputedStyle(arguments[0]).fontFamily", element)
        for element in browser.find_elements(By.CSS_SELECTOR, "body, #cc-main .cm, #cc-main button")
    }
    assert len(fonts) == 1
    stops = browser.find_elements(By.CSS_SELECTOR, "#cc-main .cm button, #cc-main .cm a")
    browser.execute_script("arguments[0].focus()", stops[-1])
    browser.switch_to.active_element.send_keys(Keys.TAB)
    is_inside = "return document.activeElement.closest('#cc-main') !== null"
    assert not browser.execute_script(is_inside)
    click(browser, "a[data-track=product_card]")
    assert "/demo/item/" in browser.current_url
    browser.execute_script("sparkpersoBanner.preferences()")
    dialog = eventually(lambda: browser.find_elements(By.CSS_SELECTOR, "#cc-main .pm"))[0]
    assert dialog.get_attribute("aria-modal") == "true"


def test_the_drawer_closes_everywhere_on_a_phone(collector, browser):
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    browser.get(f"{collector.url}/demo/item/lamp-arc")
    decide(browser, "necessary")
    drawer = browser.find_element(By.ID, "drawer")
    before = browser.current_url

    def escape_inside():
        browser.switch_to.frame(drawer.find_element(By.TAG_NAME, "iframe"))
        browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
        browser.switch_to.default_content()

    def tap_beside():
        browser.execute_script("document.elementFromPoint(4, 400).click()")

    def escape():
        browser.switch_to.active_element.send_keys(Keys.ESCAPE)

    ways = (
        *(lambda: click(browser, "[data-close]"), escape, escape_inside, tap_beside),
        *(browser.back, lambda: click(browser, "[data-live]")),
    )
    for close in ways:
        click(browser, "[data-live]")
        eventually(drawer.is_displayed)
        eventually(lambda: browser.execute_script("return history.state?.drawer"))
        close()
        eventually(lambda: not drawer.is_displayed())
        eventually(lambda: browser.execute_script("return !history.state?.drawer"))
    assert browser.current_url == before
