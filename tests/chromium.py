"""Chromium for tests: its start, and what they ask it and the collector's spool."""

from __future__ import annotations

import json
import shutil
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from sparkperso.services.collect.routes.web import BUILT

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # The banner does not show itself to robots.
    *("--disable-blink-features=AutomationControlled", "--window-size=1200,900"),
)


@contextmanager
def running_browser(profile):
    """Runs Chromium with an empty profile until the block ends."""
    if not (BUILT / "sdk" / "sparkperso.js").is_file():
        pytest.fail("The browser's files are not built: install node and npm, then run: make web")
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.fail("This test needs a browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(programs[1]))
    try:
        yield driver
    finally:
        driver.quit()


@contextmanager
def running_pages(page_of):
    """Serves `page_of(path)`, HTML, at any path; gives the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Pages, page_of))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Pages(BaseHTTPRequestHandler):
    def __init__(self, page_of, *rest):
        self._page_of = page_of
        super().__init__(*rest)

    def do_GET(self):
        body = self._page_of(self.path).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Is quiet."""


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
    """Clicks on the first element, once there is one."""
    element = eventually(lambda: browser.find_elements(By.CSS_SELECTOR, selector))[0]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def lines(collector, folder=""):
    """Returns the lines of a collector's spool."""
    return [json.loads(line) for line in collector.lines(folder)]


def films(collector):
    """Returns the text of all recordings."""
    return "".join(line["metadata"]["text"] for line in lines(collector, "recordings"))
