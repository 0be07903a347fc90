"""A headless Chromium: the one on PATH, else Playwright's own."""

import os
import shutil

import pytest
from evaluate.page import specimens

ABSENT = "no Chromium: `make browser` finds or installs one"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]


def _chromium(playwright):
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None) or _own(playwright)


def _own(playwright):
    path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


def _without(reason):
    """XENT_BROWSER=required, as in continuous integration: a test that does not run is a test that fails."""
    (pytest.fail if os.environ.get("XENT_BROWSER") == "required" else pytest.skip)(reason)


@pytest.fixture(scope="module")  # while it runs, the thread has an event loop, which other tests would trip over
def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _without("no Playwright: it comes with the extra `test`")
    with sync_playwright() as playwright:
        path = _chromium(playwright)
        if path is None:
            _without(ABSENT)
        running = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield running
        running.close()


@pytest.fixture(scope="session")
def pages():
    """Record and page of every kind."""
    from xent.evaluate.page import render

    return {kind: (record := make(), render(record)) for kind, make in specimens.ALL.items()}
