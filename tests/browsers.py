"""A real browser for tests of pages: the system's Chromium without a window, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    """Return the path of a Chromium: ``SUSHI_LG_BROWSER``, else the first one installed."""
    named = os.environ.get("SUSHI_LG_BROWSER")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Yield a browser; the test is skipped where there is none, or none that starts."""
    path = find_browser()
    if path is None:
        pytest.skip("no Chromium here: `make browser` installs one, or SUSHI_LG_BROWSER names it")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra `dev`)")
    with playwright.sync_playwright() as driver:
        # containers of continuous integration have no user namespaces and little shared memory; the pages are our own
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        try:
            browser = driver.chromium.launch(executable_path=path, args=flags)
        except playwright.Error as error:
            pytest.skip(f"{path} does not start: {error.message.splitlines()[0]}")
        try:
            yield browser
        finally:
            browser.close()
