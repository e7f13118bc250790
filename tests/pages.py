"""Pages opened in a real browser, Debian's Chromium, for tests of what a reader sees and does.

A test takes the fixture `open_page` and calls it: `opened = open_page(path, width=360, scheme="dark", address="#x")`.
What it gets has the Playwright page (`opened.page`) and questions that every page must answer (`violations`,
`overflow_px`). After the test, a page that asked any host for anything, or complained on the console, fails it.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

GRAVE = ("serious", "critical")


@dataclass
class Opened:
    """A page, and what it did while it was open."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def violations(self) -> list[str]:
        """What axe-core finds of serious or critical violations: the rule and the first elements of each."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}"
            for one in found
            if one["impact"] in GRAVE
        ]

    def overflow_px(self) -> int:
        """By how much the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def strangers(self) -> list[str]:
        """Requests for anything but the file itself and what is written in it."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, one for a module of tests."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("There is no chromium to open pages in; .ci/run installs it (apt-get install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Opened]]:
    """A function that opens a file of HTML; of its pages none may complain or ask anybody for anything."""
    contexts, all_opened = [], []

    def opening(path: Path, width: int = 1200, height: int = 900, scheme: str = "light", address: str = "") -> Opened:
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        context.set_default_timeout(20_000)
        opened = Opened(context.new_page())
        all_opened.append(opened)
        context.on("request", lambda request: opened.requests.append(request.url))
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on(
            "console",
            lambda told: opened.complaints.append(told.text) if told.type in ("error", "warning") else None,
        )
        opened.page.goto(path.resolve().as_uri() + address)
        return opened

    yield opening
    for context in contexts:
        context.close()
    for opened in all_opened:
        assert opened.complaints == []
        assert opened.strangers() == []
