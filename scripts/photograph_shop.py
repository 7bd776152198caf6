"""Photographs the demo shop as two customers see it, into docs/pictures/shop.png.

    .venv/bin/sparkperso shop                              (after `make demo`, beside it)
    .venv/bin/python scripts/photograph_shop.py http://127.0.0.1:8080

Needs Chromium with its driver (on Debian: apt-get install chromium chromium-driver).
"""

from __future__ import annotations

import io
import shutil
import sys
import time
from pathlib import Path

import httpx
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "shop.png"
WIDTH, HEIGHT, GAP = 1100, 800, 24
"""Pixels of one page, and between two."""
GROUND = "#d9ddd9"
SETTLED_SECONDS = 2


def main() -> None:
    """Signs in as the first and the last customer that the shop offers, and takes pictures."""
    url = sys.argv[1]
    customers = httpx.get(f"{url}/demo/api/config", trust_env=False).json()["customers"]
    driver = started()
    try:
        driver.get(f"{url}/demo/")
        time.sleep(SETTLED_SECONDS)
        driver.find_element(By.CSS_SELECTOR, "#cc-main [data-role=all]").click()
        time.sleep(SETTLED_SECONDS)
        pages = [page_of(driver, one["user_id"]) for one in (customers[1], customers[-1])]
    finally:
        driver.quit()
    both = Image.new("RGB", (2 * WIDTH + GAP, HEIGHT), GROUND)
    for n, page in enumerate(pages):
        both.paste(page, (n * (WIDTH + GAP), 0))
    both.quantize(96).save(PICTURE, optimize=True)


def page_of(driver: webdriver.Chrome, user_id: str) -> Image.Image:
    """Returns the first page as a customer sees it."""
    choice = driver.find_element(By.CSS_SELECTOR, "[data-sign-in]")
    Select(choice).select_by_value(user_id)
    driver.execute_script("arguments[0].blur()", choice)
    driver.execute_script("document.querySelector('[data-live]').hidden = true")
    time.sleep(SETTLED_SECONDS)
    shot = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    return shot.crop((0, 0, WIDTH, HEIGHT))


def started() -> webdriver.Chrome:
    """Returns a browser of the pictures' size, which says of itself what people's does."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
    for flag in (*flags, "--disable-blink-features=AutomationControlled"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    return driver


if __name__ == "__main__":
    main()
