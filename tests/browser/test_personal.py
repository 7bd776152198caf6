"""personalize() in a real browser: who sees what, and what happens where nothing can be had."""

from __future__ import annotations

import time

import pytest
from selenium.webdriver.common.by import By
from tests.chromium import eventually
from tests.shop_site import TITLES, push
from tests.slot_page import of_decision, require_own_content, require_still, slot, titles

ODD = '{"decision_id": "d", "slots": {"hero": {"format": "html", "body": 7, "items": [1]}}}'
"""Each member is there, and each is of another type."""
FAULTS = [
    *("down", "slow", 404, 422, 500, "<!doctype html><title>Bad gateway</title>", "[]"),
    *('{"slots": 1}', ODD),
]


def agree(browser, user_id):
    browser.execute_script("sparkperso.consent.set({analytics: true, personalisation: true})")
    browser.execute_script("sparkperso.identify(arguments[0])", user_id)


def test_two_customers_see_different_modules_and_lists_and_nothing_jumps(visit):
    browser = visit("/shop/anna")
    hero = slot(browser, "hero").text
    assert hero.startswith(("Exclusive offers for you", "See it before anybody else"))
    assert slot(browser, "picks").find_element(By.TAG_NAME, "h3").text == "Picked for you"
    assert titles(browser) == list(TITLES.values()), "titles are text, whatever they look like"
    first = slot(browser, "picks").find_element(By.TAG_NAME, "li")
    assert first.get_attribute("data-item-id") == "i1"
    link = first.find_element(By.TAG_NAME, "a")
    assert link.get_attribute("href").endswith("/item/i1")
    assert link.get_attribute("title") == TITLES["i1"]
    require_still(browser)
    assert browser.execute_script("return told") == [["audiences-high-value-buyers"]]
    layer = browser.execute_script("return dataLayer")
    told = [entry["sparkperso"] for entry in layer if entry["event"] == "sparkperso.segments"]
    assert told == [{"segments": ["audiences-high-value-buyers"]}]
    browser = visit("/shop/ben")
    assert slot(browser, "hero").text.startswith("We have missed you")
    assert titles(browser) == list(TITLES.values())[::-1]
    assert slot(browser, "note").text == "No note"
    require_still(browser)


def test_exposure_and_click_reach_the_collector_with_the_decision_once(collector, visit):
    browser = visit("/shop/anna")
    decision_id = browser.execute_script("return answer.decision_id")
    shown = eventually(lambda: of_decision(collector, "exposure", decision_id)[1:]) and of_decision(
        collector, "exposure", decision_id
    )
    by_slot = {line["metadata"]["slot"]: line for line in shown}
    assert set(by_slot) == {"hero", "picks"}
    hero, picks = by_slot["hero"]["metadata"], by_slot["picks"]["metadata"]
    assert (hero["content_id"], hero["rule"]) == ("exclusive-offers", "high-value-hero")
    assert hero["variant"] in ("delivery", "early-access")
    assert picks["item_ids"] == list(TITLES)
    assert by_slot["hero"]["user_id"] == "anna"
    browser.execute_script("document.body.style.height = '4000px'")
    for y in (2000, 0):
        browser.execute_script("scrollTo(0, arguments[0])", y)
        time.sleep(1.3)
    browser.execute_script("addEventListener('click', (it) => it.preventDefault())")
    browser.execute_script("document.querySelector('li a').click()")
    browser.execute_script("return sparkperso.flush()")
    (pressed,) = eventually(lambda: of_decision(collector, "click", decision_id))
    assert pressed["item_id"] == "i1"
    assert pressed["metadata"]["slot"] == "picks"
    assert len(of_decision(collector, "exposure", decision_id)) == 2


@pytest.mark.parametrize(
    "fault",
    FAULTS,
    ids=lambda fault: str(fault)[:12],
)
def test_whatever_the_api_does_the_page_keeps_its_own(site, visit, fault):
    site.fault = fault
    started = time.monotonic()
    browser = visit("/shop/anna")
    if fault != ODD:
        require_own_content(browser)
    assert time.monotonic() - started < 2.4, "a slow API is not waited for"
    require_still(browser)
    if fault == "slow":
        time.sleep(2.6)
        require_own_content(browser)


def test_nobody_is_named_before_a_yes_and_after_a_no(site, visit):
    browser = visit("/asked/")
    assert slot(browser, "hero").text.startswith("Gifts for every occasion")
    assert browser.execute_script("return told") == []
    agree(browser, "anna")
    eventually(lambda: "hero-offers" in slot(browser, "hero").get_attribute("innerHTML"))
    assert browser.execute_script("return told") == [["audiences-high-value-buyers"]]
    browser.execute_script("sparkperso.consent.set({})")
    eventually(lambda: slot(browser, "hero").text.startswith("Gifts for every occasion"))
    assert browser.execute_script("return told") == [["audiences-high-value-buyers"], []]
    named = [asked.get("user_id") or asked.get("anonymous_id") for asked in site.asked]
    assert (named[0], named[-1]) == (None, None)
    assert "anna" in named
    require_still(browser)


def test_a_page_may_ask_for_nothing_without_consent(site, visit):
    browser = visit("/own/")
    require_own_content(browser)
    assert site.asked == []
    agree(browser, "ben")
    eventually(lambda: slot(browser, "hero").text.startswith("We have missed you"))
    browser.execute_script("sparkperso.consent.set({})")
    eventually(lambda: slot(browser, "hero").get_attribute("data-sp-state") == "kept")
    require_own_content(browser)
    require_still(browser)


def test_a_pushed_change_of_segments_changes_the_page(site, lake, visit):
    browser = visit("/shop/cleo")
    assert slot(browser, "hero").text.startswith("Gifts for every occasion")
    layer = (
        "return (window.dataLayer ?? []).filter((it) => it.event === 'sparkperso.segments')"
        ".map((it) => it.sparkperso.segments)"
    )
    eventually(lambda: site.streams)
    push(lake, "cleo", ["audiences-high-value-buyers"])
    eventually(lambda: "hero-offers" in slot(browser, "hero").get_attribute("innerHTML"))
    assert browser.execute_script("return told") == [["audiences-high-value-buyers"]]
    assert browser.execute_script(layer) == [["audiences-high-value-buyers"]]
    push(lake, "cleo", [])
    eventually(lambda: slot(browser, "hero").text.startswith("Gifts for every occasion"))
    assert browser.execute_script("return told") == [["audiences-high-value-buyers"], []]
    # No more than one stream, however often the page was filled; none of whom it forgot.
    assert len(site.streams) == 1
    browser.execute_script("sparkperso.reset()")
    eventually(lambda: not site.streams)
    require_still(browser)


def test_a_new_route_is_asked_for_and_what_stays_the_same_is_not_made_anew(site, visit):
    browser = visit("/shop/anna")
    browser.execute_script("window.first = document.querySelector('li')")
    browser.execute_script("history.pushState(null, '', '/shop/anna/two')")
    eventually(lambda: [it for it in site.asked if it["context"]["page"] == "/shop/anna/two"])
    old = browser.execute_script("return answer.decision_id")
    decision = "return document.querySelector('[data-sp-slot=picks]').dataset.spDecision"
    eventually(lambda: browser.execute_script(decision) != old)
    assert browser.execute_script("return first.isConnected")
