"""What is put into a slot runs nothing, under a strict policy too, and its box stays as it is."""

from __future__ import annotations

import json

import pytest
from selenium.webdriver.common.by import By
from tests.chromium import eventually
from tests.shop_site import TITLES
from tests.slot_page import fill, require_own_content, require_still, settled, slot, titles

HOSTILE = """<p style="position:fixed" onclick="hacked=1">Hello</p><script>hacked=1</script>
<img src="/x.png" onerror="hacked=1"><a id="bad" href=" java\tscript:hacked=1">bad</a>
<a href="https://shop.example/x?y=1">good</a><style>body{display:none}</style>
<iframe srcdoc="x"></iframe><svg><a xlink:href="javascript:hacked=1"><text>x</text></a>
<set attributeName="href" to="javascript:hacked=1"/></svg><form action="javascript:hacked=1">
<button formaction="javascript:hacked=1">go</button></form><template><script>hacked=1</script>
</template><base href="https://evil.example/"><math><mi onclick="hacked=1"/></math>
<object data="data:text/html,x"></object><link rel="stylesheet" href="/style.css">"""
GONE = (
    "style",
    "script",
    "onclick",
    "onerror",
    "srcdoc",
    "iframe",
    "<set",
    "object",
    "base",
    "link",
)
HREFS = """return [...document.querySelectorAll("[data-sp-slot=picks] a")]
  .map((it) => it.getAttribute("href"))"""
ITEMS = [
    {"item_id": "../../x?y#z", "title": "<img src=x onerror=hacked=1>"},
    {"item_id": "javascript:hacked=1", "title": "javascript:hacked=1"},
    {"item_id": "plain"},
]


@pytest.mark.parametrize("kind", ["shop", "strict"])
def test_what_a_content_holds_runs_nothing(site, visit, kind):
    slots = {"hero": {"content_id": "c", "format": "html", "body": HOSTILE}}
    slots["picks"] = {"content_id": "c", "format": "html", "body": "<h3>Yours</h3>", "items": ITEMS}
    site.fault = json.dumps({"decision_id": "d1", "slots": slots})
    browser = visit(f"/{kind}/anna")
    for element in browser.find_elements(By.CSS_SELECTOR, "[data-sp-slot=hero] *"):
        browser.execute_script("arguments[0].dispatchEvent(new Event('click'))", element)
    settled(browser)
    assert browser.execute_script("return window.hacked") is None
    html = slot(browser, "hero").get_attribute("innerHTML")
    assert "Hello" in html
    assert not [word for word in GONE if word in html], html
    links = [
        one.get_attribute("href")
        for one in browser.find_elements(By.CSS_SELECTOR, "[data-sp-slot=hero] a")
    ]
    assert "https://shop.example/x?y=1" in links
    assert titles(browser) == [ITEMS[0]["title"], ITEMS[1]["title"], "plain"]
    assert browser.execute_script(HREFS) == [
        "/item/..%2F..%2Fx%3Fy%23z",
        "/item/javascript%3Ahacked%3D1",
        "/item/plain",
    ]
    assert browser.execute_script("return faults") == []


def test_a_page_with_a_strict_policy_and_trusted_types_is_personalised(visit):
    browser = visit("/strict/ben")
    assert slot(browser, "hero").text.startswith("We have missed you")
    assert titles(browser) == list(TITLES.values())[::-1]
    require_still(browser)
    assert browser.execute_script("return violations") == []


def test_a_page_that_allows_no_html_at_all_keeps_its_own(visit):
    browser = visit("/forbidding/anna")
    require_own_content(browser)
    assert "hero" in browser.execute_script("return warned.join()")
    require_still(browser)


def test_a_box_keeps_its_height_where_it_is_in_view_until_the_window_is_another(site, visit):
    browser = visit("/shop/")
    note = slot(browser, "note")
    assert note.rect["y"] < 900
    before = note.rect["height"]
    many = "".join(f"<p>Line {n}</p>" for n in range(30))
    fill(site, browser, "note", body=many)
    assert note.rect["height"] == before
    assert note.value_of_css_property("overflow-y") == "auto"
    fill(site, browser, "note", body="<b>short</b>")
    assert (note.rect["height"], note.value_of_css_property("overflow-y")) == (before, "visible")
    require_still(browser)
    fill(site, browser, "note", body=many)
    narrow = {"width": 500, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    eventually(lambda: note.rect["height"] > 500)
    assert note.value_of_css_property("overflow-y") == "visible"


def test_below_the_window_a_slot_may_grow(site, visit):
    browser = visit("/shop/")
    browser.execute_script("document.querySelector('header').style.height = '2000px'")
    settled(browser)
    browser.execute_script("shifts.length = 0")
    fill(site, browser, "note", body="<p>A</p>" * 30)
    assert slot(browser, "note").rect["height"] > 500
    assert browser.execute_script("return shifts") == []


def test_json_is_the_pages_to_show(site, visit):
    browser = visit("/shop/")
    fill(site, browser, "note", format="json", body={"text": "Hello"})
    assert slot(browser, "note").text == "No note"
    browser.execute_script(
        "addEventListener('sparkperso:slot', (it) => {"
        " it.target.textContent = it.detail.body.text; it.preventDefault(); })"
    )
    fill(site, browser, "note", format="json", body={"text": "Hello"})
    note = slot(browser, "note")
    assert (note.text, note.get_attribute("data-sp-decision")) == ("Hello", "d")


def test_what_is_documented_works_as_it_stands(driver, site):
    driver.get(f"{site.url}/documented/")
    eventually(lambda: slot(driver, "hero").text.startswith("We have missed you"))
    assert [title.strip() for title in titles(driver)] == list(TITLES.values())[::-1]
    picture = slot(driver, "picks").find_element(By.TAG_NAME, "img")
    assert picture.get_attribute("src").endswith("/pictures/i8.jpg")
    assert slot(driver, "hero").value_of_css_property("visibility") == "visible"
    require_still(driver)
