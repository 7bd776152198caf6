"""The demo shop over a lake: two customers, and a visitor, are shown different things."""

from __future__ import annotations

import json

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from tests.chromium import click, decide, eventually, lines
from tests.shop_site import TITLES, TOKEN
from tests.slot_page import slot

from sparkperso.testing.collector import running_collector

TITLES_SHOWN = """return [...document.querySelectorAll("[data-sp-slot=picks] h3")].slice(1)
  .map((it) => it.innerText)"""
PEOPLE = {"anna": "Anna, who buys much", "ben": "Ben, who stays away"}
WATCH = """window.shifts = [];
new PerformanceObserver((list) => list.getEntries().forEach((it) => shifts.push(it.value)))
  .observe({type: "layout-shift", buffered: true});"""


@pytest.fixture(scope="module")
def shop(api, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    products = folder / "products.jsonl"
    sold = [
        {"item_id": one, "title": title, "category": "oak", "price": 20 + n}
        for n, (one, title) in enumerate(TITLES.items())
    ]
    products.write_text("".join(json.dumps(one) + "\n" for one in sold))
    said = {"api": api.url, "token": TOKEN["Authorization"].removeprefix("Bearer ")}
    said |= {"customers": PEOPLE, "products": str(products), "currency": "GBP"}
    options = [
        word
        for name, value in said.items()
        for word in ("--set", f"collect.shop.{name}={json.dumps(value)}")
    ]
    with running_collector(folder, "--demo", *options) as collector:
        yield collector


@pytest.fixture
def browser(driver, shop):
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    wiped = {"origin": shop.url, "storageTypes": "all"}
    driver.execute_cdp_cmd("Storage.clearDataForOrigin", wiped)
    driver.get(f"{shop.url}/demo/live")
    driver.execute_script("sessionStorage.clear()")
    driver.get(f"{shop.url}/demo/")
    filled = "[data-sp-slot=picks][data-sp-state=filled]"
    eventually(lambda: driver.find_elements(By.CSS_SELECTOR, filled))
    yield driver
    driver.get("about:blank")


def titles(browser):
    # At once: what is found and then asked may have been replaced meanwhile.
    return browser.execute_script(TITLES_SHOWN)


def sign_in(browser, user_id):
    before = slot(browser, "hero").get_attribute("data-sp-decision")
    Select(browser.find_element(By.CSS_SELECTOR, "[data-sign-in]")).select_by_value(user_id)
    eventually(lambda: slot(browser, "hero").get_attribute("data-sp-decision") != before)


def test_two_customers_are_shown_different_modules_and_lists_and_nothing_jumps(shop, browser):
    decide(browser, "all")
    browser.execute_script(WATCH)
    seen = {}
    for user_id in PEOPLE:
        sign_in(browser, user_id)
        seen[user_id] = (slot(browser, "hero").text, titles(browser))
    assert seen["anna"][0].splitlines()[0] != seen["ben"][0].splitlines()[0]
    assert seen["anna"][1] == list(TITLES.values())
    assert seen["ben"][1] == list(TITLES.values())[::-1]
    assert browser.find_element(By.CSS_SELECTOR, "[data-shown-for]").text == "lapsing"
    assert browser.execute_script("return shifts") == []


def test_who_did_not_agree_is_shown_what_everybody_is_and_told_why(shop, browser):
    decide(browser, "necessary")
    hero, before = slot(browser, "hero").text, len(lines(shop))
    Select(browser.find_element(By.CSS_SELECTOR, "[data-sign-in]")).select_by_value("anna")
    told = browser.find_element(By.CSS_SELECTOR, "[data-needs-consent]")
    eventually(told.is_displayed)
    assert slot(browser, "hero").text == hero
    assert len(lines(shop)) == before


def test_a_product_has_its_title_price_and_picture_and_can_be_bought(shop, browser):
    decide(browser, "all")
    click(browser, "#all a[data-track=product_card]")
    page = eventually(lambda: browser.find_elements(By.CSS_SELECTOR, ".product"))[0]
    assert TITLES["i1"] in page.text
    assert "£20.00" in page.text
    picture = page.find_element(By.CSS_SELECTOR, "img.art")
    eventually(lambda: browser.execute_script("return arguments[0].naturalWidth", picture))
    eventually(lambda: slot(browser, "picks").text.startswith("Goes well with it"))
    assert titles(browser)[:2] == [TITLES["i2"], TITLES["i3"]]
    click(browser, ".product [data-add]")
    click(browser, "a[data-track=basket]")
    assert (
        "1 × £20.00"
        in eventually(lambda: browser.find_elements(By.CSS_SELECTOR, ".basket"))[0].text
    )
    eventually(lambda: [one for one in lines(shop) if one["event_type"] == "add_to_cart"])
    bought = [one for one in lines(shop) if one["event_type"] == "add_to_cart"][-1]
    assert (bought["item_id"], bought["currency"]) == ("i1", "GBP")


def test_what_is_sought_is_found_and_what_is_not_there_leads_home(shop, browser):
    browser.get(f"{shop.url}/demo/search?q=oak+lamp")
    eventually(lambda: "oak lamp" in browser.find_element(By.TAG_NAME, "main").text.lower())
    cards = browser.find_elements(By.CSS_SELECTOR, "main .card h3")
    assert [card.text for card in cards] == [TITLES["i1"]]
    browser.get(f"{shop.url}/demo/item/nothing")
    eventually(lambda: browser.find_elements(By.CSS_SELECTOR, "#all"))
