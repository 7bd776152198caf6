"""A page with slots, for tests of personalize() in Chromium; and what they ask it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from selenium.webdriver.common.by import By
from tests.chromium import lines

STRICT = "default-src 'self'; require-trusted-types-for 'script'; trusted-types {}"
DOCS = Path(__file__).parents[1] / "docs"
HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title>
<link rel="icon" href="/icon.png"><link rel="stylesheet" href="/style.css">
<script src="/watch.js"></script>
<script defer src="/sdk/sparkperso.js" data-key="local-dev-key" data-consent="{consent}"></script>
<script defer src="/start.js"></script>"""
BODY = """<header>Shop</header>
<section data-sp-slot="hero"><h1>Everything of oak</h1><p>Since 1954.</p></section>
<section data-sp-slot="picks"><div data-sp-body><h2>Bestsellers</h2></div>
<ul><template data-sp-item><li><a href="/item/{item_id}" title="{title}"><b>{title}</b></a></li>
</template><li>The usual lamp</li><li>The usual mug</li></ul></section>
<section data-sp-slot="note">No note</section>
<footer>The end</footer>"""
STYLE = """body { margin: 0; font: 16px sans-serif; }
[data-sp-slot=hero] { height: 220px; overflow: hidden; }
[data-sp-slot=picks] { min-height: 330px; display: flow-root; }
[data-sp-slot=note] { display: flow-root; }
li { line-height: 24px; }"""
WATCH = """Object.assign(window, {shifts: [], violations: [], faults: [], told: [], warned: []});
new PerformanceObserver((list) => list.getEntries().forEach((it) => shifts.push(it.value)))
  .observe({type: "layout-shift", buffered: true});
addEventListener("securitypolicyviolation", (it) => violations.push(it.violatedDirective));
addEventListener("error", (it) => faults.push(it.message));
addEventListener("unhandledrejection", (it) => faults.push(String(it.reason)));
console.warn = (text) => warned.push(text);"""
START = """const [, kind, user] = location.pathname.split("/");
if (user) sparkperso.identify(user);
window.done = sparkperso.personalize({tokenUrl: "/token", slots: ["hero", "picks"],
  onSegments: (ids) => told.push(ids), whenRefused: kind === "own" ? "nothing" : "unpersonalised"});
done.then((answer) => (window.answer = answer ?? "none"));"""


def page_of(path):
    """Returns the headers and the text of a path of the shop."""
    kind = path.split("/")[1]
    files = {"style.css": ("text/css", STYLE), "watch.js": ("text/javascript", WATCH)}
    files["start.js"] = ("text/javascript", START)
    if kind in files:
        return {"Content-Type": files[kind][0]}, files[kind][1]
    policies = {"strict": "sparkperso", "forbidding": "'none'"}
    headers = {"Content-Security-Policy": STRICT.format(policies[kind])} if kind in policies else {}
    consent = "opt-in" if kind in ("asked", "own") else "assumed"
    if kind == "documented":
        return {}, documented_page()
    return headers, HEAD.replace("{consent}", consent) + BODY


def documented_page():
    """Returns a page of what docs/slots.md and docs/browser.md show."""
    slots, browser = ((DOCS / f"{name}.md").read_text() for name in ("slots", "browser"))
    early = browser.partition("### Before the script")[2]
    (snippet,) = re.findall(r"```html\n(.*?)```", early, re.DOTALL)[:1]
    html, css = (
        re.search(rf"```{kind}\n(.*?)```", slots, re.DOTALL)[1] for kind in ("html", "css")
    )
    here = {"https://collect.shop.example": "", "https://api.shop.example": ""}
    here |= {"/sparkperso-token": "/token", "cartItems()": "[]"}
    page = f"""<!doctype html><html lang="en"><style>{css}</style><script src="/watch.js"></script>
{snippet}<script>sparkperso.init({{key: "local-dev-key", consent: "assumed"}});
sparkperso.identify("ben")</script>{html}"""
    for there, where in here.items():
        page = page.replace(there, where)
    return page


def slot(browser, name):
    return browser.find_element(By.CSS_SELECTOR, f"[data-sp-slot={name}]")


def titles(browser):
    found = slot(browser, "picks").find_elements(By.TAG_NAME, "li")
    return [one.get_attribute("textContent") for one in found]


def of_decision(collector, kind, decision_id):
    found = [line for line in lines(collector) if line["event_type"] == kind]
    return [line for line in found if line["metadata"].get("decision_id") == decision_id]


def settled(browser):
    """Waits for two frames: what was shown has been painted, and its shifts are known."""
    frames = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
    browser.execute_async_script(frames)


def require_still(browser):
    """Asserts that nothing jumped, and nothing failed."""
    settled(browser)
    assert browser.execute_script("return shifts") == []
    assert browser.execute_script("return faults") == []


def require_own_content(browser):
    assert slot(browser, "hero").text == "Everything of oak\nSince 1954."
    assert titles(browser) == ["The usual lamp", "The usual mug"]
    assert slot(browser, "hero").get_attribute("data-sp-state") == "kept"


def fill(site, browser, name, **content):
    """Has the page ask for one slot, which shows this content."""
    content = {"content_id": "c", "format": "html", **content}
    site.fault = json.dumps({"decision_id": "d", "slots": {name: content}})
    call = "sparkperso.personalize({slots: [arguments[0]]}).then(() => arguments[1]())"
    browser.execute_async_script(call, name)
    settled(browser)
