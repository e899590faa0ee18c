"""One browser for all tests of a process; they are skipped where there is none."""

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium():
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("needs a browser (apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the playwright package (pip install -e '.[dev]')")
    with sync_api.sync_playwright() as playwright:
        # A browser that runs as root has to do without a sandbox; it sees only pages of these tests.
        quiet = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=[*quiet, "--disable-gpu"])
        yield browser
        browser.close()
