"""A real browser for tests: where it is, what it is watched for, and fixtures that open pages in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from serving import Server

VIEWPORT = {"width": 1366, "height": 768}
OPTIONS = ("--no-sandbox", "--disable-gpu")
_LOCAL = ("data", "blob", "about")


def chromium() -> str:
    """Return the browser of this machine; without one a test skips, or fails where browsers are required."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return found if found is not None else lacking("no chromium on this machine")


def lacking(what: str) -> Any:
    """Skip a test for want of something; fail it where ``ECOSYSTEM_REQUIRE_BROWSER`` is set."""
    if os.environ.get("ECOSYSTEM_REQUIRE_BROWSER"):
        pytest.fail(what)
    pytest.skip(what)


@dataclass
class Visitor:
    """A page in a browser context of its own, and all that was heard from it.

    Attributes
    ----------
    page : playwright.sync_api.Page
    origin : str
        The server's own; a request to any other is a fault.
    errors : list of str
        Errors on the console, uncaught exceptions, requests that failed.
    warnings : list of str
        Warnings on the console.
    requests : list of str
        Every address that was asked for, WebSockets included.
    """

    page: Any
    origin: str
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        self.page.on("requestfailed", self._on_failure)
        self.page.on("response", self._on_response)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))

    def strangers(self) -> list[str]:
        """Return the addresses that are not the server's."""
        host = urlsplit(self.origin).netloc
        return [
            url
            for url in self.requests
            if urlsplit(url).scheme not in _LOCAL
            and (urlsplit(url).scheme not in ("http", "ws") or urlsplit(url).netloc != host)
        ]

    def check(self) -> None:
        """Assert that all went well, and that nothing left the machine."""
        assert not self.errors, self.errors
        assert not self.strangers()

    def _on_console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            kept = self.errors if message.type == "error" else self.warnings
            kept.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _on_failure(self, request: Any) -> None:
        # A beacon is sent while its page goes away, so that its answer never arrives.
        if "/_solara/api/close/" not in request.url:
            self.errors.append(f"failed: {request.url} ({request.failure})")

    def _on_response(self, response: Any) -> None:
        if response.status >= 400:
            self.errors.append(f"{response.status}: {response.url}")


def wait_until_drawn(page: Any) -> Any:
    """Wait until a page shows a debate; return the page."""
    page.wait_for_function("() => document.querySelector('.ec-pulse[data-revision]')?.dataset.revision >= 0")
    return page


def step_of(page: Any) -> int:
    """Return the step that a page shows."""
    return int(page.locator(".ec-pulse").get_attribute("data-step"))


def wait_for_step(page: Any, step: int, timeout: float = 60_000) -> None:
    """Wait until a page shows a step, or a later one."""
    page.wait_for_function(
        "step => +document.querySelector('.ec-pulse').dataset.step >= step", arg=step, timeout=timeout
    )


def take_steps(page: Any, steps: int) -> None:
    """Click on Step, as often as that, and wait for each."""
    for _ in range(steps):
        before = step_of(page)
        page.get_by_label("Step (→)").click()
        wait_for_step(page, before + 1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`ecosystem watch climate-debate`, ended with Ctrl-C when all tests are through."""
    chromium()
    started = Server.start(tmp_path_factory.mktemp("watch"), "climate-debate", "--seed", "1")
    yield started
    started.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium under Playwright.

    For one module and not the whole session: Playwright keeps an event loop running in the thread of the tests, and
    nothing else there could start its own.
    """
    path = chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("playwright is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Visitor]]:
    """Open a page as a new visitor: ``visit()``, or ``visit(server, path="/", **options of the browser's context)``.

    When the test is over, nothing may have gone wrong in any of the pages, and nothing may have left the machine.
    """
    visitors: list[Visitor] = []

    def visit(server: Server | None = None, path: str = "/", **options: Any) -> Visitor:
        if server is None:
            server = request.getfixturevalue("server")
        context = browser.new_context(**{"viewport": VIEWPORT, **options})
        visitor = Visitor(context.new_page(), server.origin)
        visitors.append(visitor)
        visitor.page.goto(server.origin + path)
        return visitor

    yield visit
    for visitor in visitors:
        visitor.page.context.close()
    for visitor in visitors:
        visitor.check()
