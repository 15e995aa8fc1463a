"""One browser for all tests of pages that a worker runs."""

import shutil

import pytest
from browser import NAMES, Browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A headless Chromium with one page; its tests are skipped where none is installed."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser is here (looked for {', '.join(NAMES)})")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    try:
        browser.start()
        yield browser
    finally:
        browser.close()
