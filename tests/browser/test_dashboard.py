"""The dashboard in a real browser: every page, on a phone and a desk, by keyboard, in print."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from tests.chromium import eventually, running_browser
from tests.small_lake import HOSTILE, write_lake

from sparkperso.services.dashboard.registry import PAGES
from sparkperso.testing.api import running_dashboard

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
PATHS = [
    *(entry.path for entry in PAGES),
    *("/people?user=u00", "/people?user=nobody", "/segments?segmentation=levels"),
    *("/experiments?experiment=nobody", "/kpis?by=variant:hero", "/recommendations?kind=again"),
]
PHONE, DESK = (360, 740), (1280, 900)
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {runOnly: {type: 'tag', values: arguments[0]}}).then(
  (found) => done(found.violations.map((one) =>
    one.id + ': ' + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | '))),
  (error) => done([String(error)]));
"""
"""Names of broken rules, and where."""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    root = tmp_path_factory.mktemp("lake")
    write_lake(root)
    with running_dashboard(root) as running:
        yield running


@pytest.fixture(scope="module")
def driver(tmp_path_factory, dashboard):
    with running_browser(tmp_path_factory.mktemp("profile")) as driver:
        driver.set_script_timeout(60)
        yield driver


@pytest.fixture
def browser(driver, dashboard):
    """A browser that is signed in, in light, on a desk."""
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    show(driver, DESK)
    media(driver)
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    sign_in(driver, dashboard)
    driver.get_log("browser")
    return driver


def show(driver, size):
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def media(driver, kind="", scheme="light"):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": features})


def sign_in(driver, dashboard):
    driver.get(f"{dashboard.url}/sign-in")
    driver.find_element(By.ID, "token").send_keys("local-dev-token")
    driver.find_element(By.CSS_SELECTOR, "main button").click()
    eventually(lambda: driver.title.startswith("Overview"))


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("path", PATHS)
def test_a_page_fits_and_says_what_it_is(browser, dashboard, path, size):
    show(browser, size)
    browser.get(dashboard.url + path)
    assert len(browser.find_elements(By.TAG_NAME, "h1")) == 1
    assert browser.title.startswith(browser.find_element(By.TAG_NAME, "h1").text)
    wide, inner = browser.execute_script(
        "return [document.documentElement.scrollWidth, innerWidth]"
    )
    assert wide <= inner, "it scrolls sideways"
    beyond = browser.execute_script(
        """return [...document.querySelectorAll('main *, header *')].filter((one) =>
             !one.closest('.scroll') && one.checkVisibility() && !one.closest('.unseen')
             && one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML)"""
    )
    assert not beyond, beyond[:2]
    assert not browser.get_log("browser")
    small = browser.execute_script(
        """return [...document.querySelectorAll('main *')].filter((one) =>
             one.checkVisibility() && parseFloat(getComputedStyle(one).fontSize) < 12)
             .map((one) => one.outerHTML)"""
    )
    assert not small, small[:2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [*PATHS, "/sign-in"])
def test_axe_finds_nothing(browser, dashboard, path, scheme):
    if not AXE.is_file():
        pytest.fail("axe-core is not installed: run make web")
    media(browser, scheme=scheme)
    show(browser, PHONE if scheme == "dark" else DESK)
    browser.get(dashboard.url + path)
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    found = browser.execute_async_script(RUN_AXE, TAGS)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plots_stand_out_from_their_ground(browser, dashboard, scheme):
    """Graphics have a contrast of 3 to 1, letters in them of 4.5 (WCAG 2.2, 1.4.11 and 1.4.3)."""
    media(browser, scheme=scheme)
    browser.get(f"{dashboard.url}/segments")
    colours = browser.execute_script(
        """const seen = (value) => {
             const box = document.createElement('i'); box.style.color = `var(${value})`;
             document.body.append(box); const text = getComputedStyle(box).color; box.remove();
             return text.match(/[\\d.]+/g).map(Number); };
           return Object.fromEntries(['--paper', '--ground', '--ink', '--quiet', '--focus',
             ...Array.from({length: 8}, (_, n) => `--c${n}`)].map((name) => [name, seen(name)]))"""
    )

    def light(colour):
        parts = (part / 255 for part in colour[:3])
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one, other):
        low, high = sorted((light(colours[one]), light(colours[other])))
        return (high + 0.05) / (low + 0.05)

    for name in ("--focus", *(f"--c{number}" for number in range(8))):
        for ground in ("--paper", "--ground"):
            assert contrast(name, ground) >= 3, (name, ground)
    for name in ("--ink", "--quiet"):
        for ground in ("--paper", "--ground"):
            assert contrast(name, ground) >= 4.5, (name, ground)


def test_by_keyboard_alone(browser, dashboard):
    browser.get(f"{dashboard.url}/runs")
    active = browser.switch_to.active_element
    active.send_keys(Keys.TAB)
    skip = browser.switch_to.active_element
    assert skip.get_attribute("class") == "skip"
    assert skip.rect["x"] >= 0, "it comes into sight"
    skip.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "content"
    seen = []
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        one = browser.switch_to.active_element
        if one.tag_name == "body":
            break
        style = browser.execute_script(
            "const s = getComputedStyle(arguments[0]); return [s.outlineStyle, s.outlineWidth]", one
        )
        assert style == ["solid", "3px"], one.get_attribute("outerHTML")[:200]
        seen.append(one.get_attribute("name") or one.get_attribute("class") or one.tag_name)
    assert seen[:3] == ["job", "status", "button"]
    assert "scroll" in seen, "what scrolls can be reached"


def test_a_form_is_filled_and_sent_by_keyboard(browser, dashboard):
    browser.get(f"{dashboard.url}/people")
    field = browser.find_element(By.NAME, "user")
    field.send_keys("u00", Keys.ENTER)
    assert "user=u00" in browser.current_url
    assert "a cake stand" in browser.find_element(By.TAG_NAME, "main").text


def test_without_scripts_everything_works(driver, dashboard):
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        sign_in(driver, dashboard)
        driver.find_element(By.LINK_TEXT, "Runs").click()
        driver.find_element(By.CSS_SELECTOR, "select[name=status] option[value=failed]").click()
        driver.find_element(By.CSS_SELECTOR, ".filters button").click()
        assert "status=failed" in driver.current_url
        driver.find_element(By.CSS_SELECTOR, ".out button").click()
        assert driver.current_url.endswith("/sign-in")
        driver.get(f"{dashboard.url}/runs")
        assert "/sign-in?next=" in driver.current_url
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_no_script_can_read_the_cookie(browser):
    assert browser.execute_script("return document.cookie") == ""


@pytest.mark.parametrize("path", ["/", "/experiments", "/segments"])
def test_in_print_there_is_all_of_it_and_nothing_to_click(browser, dashboard, path):
    media(browser, "print", "dark")
    browser.get(dashboard.url + path)
    for selector in ("nav", ".filters", ".export", ".out"):
        for one in browser.find_elements(By.CSS_SELECTOR, selector):
            assert not one.is_displayed(), selector
    cut = browser.execute_script(
        """return [...document.querySelectorAll('.scroll')].filter((one) =>
             getComputedStyle(one).overflowX !== 'visible'
             || one.scrollHeight > one.clientHeight + 2).length"""
    )
    assert cut == 0
    paper, ink = browser.execute_script(
        "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    )
    assert (paper, ink) == ("rgb(255, 255, 255)", "rgb(0, 0, 0)")
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF")


def test_a_text_that_somebody_sent_is_shown_as_it_is(browser, dashboard):
    browser.get(f"{dashboard.url}/runs")
    assert HOSTILE in browser.find_element(By.TAG_NAME, "main").text
    assert not browser.find_elements(By.TAG_NAME, "script")


def test_a_screen_reader_has_landmarks_headings_and_heads_of_tables(browser, dashboard):
    browser.get(f"{dashboard.url}/segments")
    for tag in ("header", "nav", "main", "footer"):
        assert len(browser.find_elements(By.TAG_NAME, tag)) == 1, tag
    heads = browser.find_elements(By.CSS_SELECTOR, "main section[aria-labelledby] > h2")
    assert len(heads) == len(browser.find_elements(By.CSS_SELECTOR, "main section"))
    assert not browser.find_elements(By.CSS_SELECTOR, "th:not([scope])")
    for table in browser.find_elements(By.TAG_NAME, "table"):
        assert table.find_element(By.TAG_NAME, "caption").text
    for plot in browser.find_elements(By.CSS_SELECTOR, "svg[role=img]"):
        beside = plot.find_element(By.XPATH, "ancestor::section//table")
        assert beside is not None, "the same numbers stand in a table"
    here = browser.find_elements(By.CSS_SELECTOR, "nav a[aria-current=page]")
    assert [one.text for one in here] == ["Segments"]
