"""Photographs pages of the dashboard into docs/pictures/dashboard-*.png.

    .venv/bin/python scripts/photograph_dashboard.py LAKE [--simulated LAKE]

The pictures of experiments, KPIs and a promoted model are of the second lake, which `sparkperso
simulate` made. Needs Chromium (on Debian: apt-get install chromium chromium-driver) and selenium.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from sparkperso.testing.api import running_dashboard

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
QUIET = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--hide-scrollbars",
]
DESK, PHONE = 1100, 360
COLOURS = 64


@dataclass(frozen=True)
class Picture:
    """A page as it is photographed: so many pixels wide and high, of its beginning."""

    name: str
    path: str
    width: int
    height: int
    scheme: str = "light"


OF_DEMO = [
    Picture("dashboard-overview", "/", DESK, 1180),
    Picture("dashboard-segments", "/segments?segmentation=behaviour&with=audiences", DESK, 2400),
    Picture("dashboard-phone", "/recommendations", PHONE, 1100, "dark"),
]
OF_SIMULATION = [
    Picture("dashboard-experiments", "/experiments?experiment=personal-lists", DESK, 2360),
    Picture("dashboard-kpis", "/kpis?kpi=conversion", DESK, 1150),
    Picture("dashboard-promoted", "/recommendations", DESK, 1330),
]


def main() -> None:
    """Takes all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lake", type=Path)
    parser.add_argument("--simulated", type=Path, help="A lake of sparkperso simulate.")
    given = parser.parse_args()
    photograph(given.lake, OF_DEMO)
    if given.simulated is not None:
        conf = given.simulated / "_simulation" / "conf"
        photograph(given.simulated, OF_SIMULATION, "--conf-dir", str(conf))


def photograph(lake: Path, pictures: list[Picture], *options: str) -> None:
    """Takes pictures of a lake's pages."""
    with running_dashboard(lake, *options) as dashboard, browser() as driver:
        driver.get(f"{dashboard.url}/sign-in")
        driver.find_element(By.ID, "token").send_keys("local-dev-token")
        driver.find_element(By.CSS_SELECTOR, "main button").click()
        for picture in pictures:
            take(driver, dashboard.url, picture)


def take(driver: webdriver.Chrome, url: str, picture: Picture) -> None:
    """Takes one picture, of few colours."""
    features = [{"name": "prefers-color-scheme", "value": picture.scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": picture.width, "height": 900, "deviceScaleFactor": 1}
    is_phone = picture.width == PHONE
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, "mobile": is_phone})
    driver.get(url + picture.path)
    whole = driver.execute_script("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": picture.width, "height": min(picture.height, whole)}
    shot = driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": {**clip, "scale": 1}}
    )
    image = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
    target = PICTURES / f"{picture.name}.png"
    image.quantize(COLOURS).save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size:,} bytes")


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Runs Chromium with an empty profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*QUIET, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            yield driver
        finally:
            driver.quit()


if __name__ == "__main__":
    main()
