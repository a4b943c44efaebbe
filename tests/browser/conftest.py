"""Fixtures of tests in a real browser: `server`, `browser` and `visit`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import browsing
import pytest
from browsing import OPTIONS, VIEWPORT, Visitor
from serving import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`ecosystem watch climate-debate`, ended with Ctrl-C when all tests are through."""
    browsing.chromium()
    started = Server.start(tmp_path_factory.mktemp("watch"), "climate-debate", "--seed", "1")
    yield started
    started.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium under Playwright.

    For one module and not the whole session: Playwright keeps an event loop running in the thread of the tests, and
    nothing else there could start its own.
    """
    path = browsing.chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        browsing.lacking("playwright is not installed")
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
