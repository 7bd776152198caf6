"""The way out of mails in a real browser: a link that asks, a button that withdraws."""

from __future__ import annotations

import os

import httpx
from selenium.webdriver.common.by import By
from tests.chromium import click, eventually, lines, running_browser

from sparkperso.config import load_settings
from sparkperso.email.tokens import make_links
from sparkperso.testing.collector import basic, running_collector


def test_who_presses_the_button_gets_no_more_mails(tmp_path):
    with running_collector(tmp_path / "lake") as collector:
        made = [f"links.base_url={collector.url}"]
        links = make_links(load_settings("local", assignments=made), os.environ)
        with running_browser(tmp_path / "profile") as browser:
            browser.get(links.unsubscribe_url("u-17", "spring"))
            eventually(lambda: browser.find_elements(By.CSS_SELECTOR, "form button"))
            assert lines(collector) == []
            # A page that may load nothing still sends its form (Content-Security-Policy).
            click(browser, "form button")
            eventually(lambda: "no more of our mails" in browser.page_source)
        (event,) = lines(collector)
        assert event["metadata"]["purposes"] == {"marketing": False}
        assert event["metadata"]["method"] == "unsubscribe_page"
        asked = {"params": {"user_id": "u-17"}, "auth": basic("local-server-key")}
        answer = httpx.get(f"{collector.url}/v1/consent", **asked)
        assert answer.json()["purposes"]["marketing"] is False
