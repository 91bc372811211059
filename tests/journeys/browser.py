"""A real browser without a screen, for tests and for the pictures of the documentation."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

# Without them it asks its maker's hosts, which tests do not.
_QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
# Far more than it takes: a busy machine only makes the tests slower.
PATIENCE = 120


def need_browser() -> tuple[str, str]:
    """Chromium and its driver; without them tests are skipped here, and fail where all of them have to run."""
    found = tuple(
        next(filter(None, map(shutil.which, names)), None)
        for names in (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",))
    )
    if None in found:
        reason = "no Chromium with its driver here: install Debian's chromium and chromium-driver"
        if os.environ.get("CI") or os.environ.get("VLJEPA_CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found  # type: ignore[return-value]


class Browser:
    """One window, with waits in place of sleeps."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        self.driver.get("about:blank")  # an address that differs behind its # alone would not be loaded anew
        self.driver.get(address)

    def find(self, selector: str) -> WebElement:
        return self.wait(lambda: next(iter(self.all(selector)), None))

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, true: Callable[[], Any]) -> Any:
        return WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05).until(lambda _: true())

    def size(self, width: int, height: int) -> None:
        shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)

    def dark(self, wanted: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if wanted else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def complaints(self) -> list[str]:
        """What the page's scripts complained of."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, closed at the end."""
    program, driver = need_browser()
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*_QUIET, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        opened.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
        yield Browser(opened)
    finally:
        opened.quit()
