"""The built book, its notebooks and a browser, for the tests of this folder.

`make test` builds the book first. Outside it a missing book, and a missing browser on a reader's machine, skip aloud;
in CI (`CI=true`) either is a failure.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # for `ext`, wherever pytest was started


def missing(what: str):
    """Skip with instructions, or fail where nobody would read them."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def html():
    """The folder of the built book."""
    folder = ROOT / "_build" / "html"
    if not (folder / ".stamp").exists():
        missing("the book is not built: run `make book` first")
    return folder


@pytest.fixture(scope="session")
def notebooks():
    """The folder of the generated notebooks."""
    folder = ROOT / "_build" / "notebooks"
    if not (folder / ".stamp").exists():
        missing("the notebooks are not built: run `make notebooks` first")
    return folder


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium, Debian's own."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing("no browser for these tests: install one (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[dev]' for playwright")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()
