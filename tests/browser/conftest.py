"""Fixtures of pages with slots: a site with a real collector and a real API behind it."""

from __future__ import annotations

import pytest
from tests.chromium import eventually, running_browser
from tests.shop_site import publish, running_site
from tests.slot_page import page_of

from sparkperso.testing.api import running_api
from sparkperso.testing.collector import running_collector


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    with running_collector(tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = tmp_path_factory.mktemp("api")
    publish(lake)
    return lake


@pytest.fixture(scope="module")
def api(lake):
    with running_api(lake, "--set", "api.streams.heartbeat_seconds=0.5") as running:
        yield running


@pytest.fixture(scope="module")
def running(collector, api):
    with running_site(collector.url, api.url, page_of) as site:
        yield site


@pytest.fixture
def site(running):
    running.fault, running.asked = None, []
    return running


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with running_browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def visit(driver, site):
    """Opens a page in a browser that knows nothing, and waits for what slots show."""
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    origin = {"origin": site.url, "storageTypes": "all"}
    driver.execute_cdp_cmd("Storage.clearDataForOrigin", origin)

    def open_page(path):
        driver.get(site.url + path)
        eventually(lambda: driver.execute_script("return window.answer"))
        return driver

    yield open_page
    driver.get("about:blank")
