"""Take the pictures of the browser view that the documentation shows: every page, light and dark.

python docs/take_screenshots.py         writes docs/images/watch-<page>-<light|dark>.png

Needs Playwright (in the test extra) and Chromium.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).parent / "images"
VIEWPORT = {"width": 1366, "height": 768}
STEPS = 32
COLOURS = 256
COMMAND = ("watch", "climate-debate", "--seed", "1", "--no-open", "--port", "0")


def main() -> None:
    """Play a debate in a real browser and take a picture of every page."""
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser_path is None:
        raise SystemExit("no chromium on this machine")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ecosystem.cli", *COMMAND, "--out", folder]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command
        assert server.stdout is not None
        address = re.findall(r"http://\S+", server.stdout.readline())[0]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
            for scheme in ("light", "dark"):
                context = browser.new_context(viewport=VIEWPORT, color_scheme=scheme, reduced_motion="reduce")
                picture(context.new_page(), address, scheme)
                context.close()
            browser.close()
        server.send_signal(signal.SIGINT)
        server.wait()


def picture(page: Any, address: str, scheme: str) -> None:
    """Take the pictures of one visit."""
    page.goto(address)
    page.wait_for_selector(".ec-pulse", state="attached")
    for step in range(1, STEPS + 1):
        page.get_by_label("Step (→)").click()
        page.wait_for_function("step => +document.querySelector('.ec-pulse').dataset.step === step", arg=step)
    for room in ("Debate", "Coalitions", "Affinity", "Positions", "Measures", "Forecast"):
        page.get_by_role("tab", name=room).click()
        if room == "Coalitions":
            page.get_by_text("Why?").first.click()
        keep(page, room.lower(), scheme)
    page.get_by_role("tab", name="Debate").click()
    page.locator(".ec-network [role=option]").filter(has_text="").nth(1).click()
    page.mouse.move(5, 400)
    keep(page, "agent", scheme)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Say this").click()
    page.locator("form.ec-form").scroll_into_view_if_needed()
    keep(page, "steer", scheme)


def keep(page: Any, name: str, scheme: str) -> None:
    """Take a picture of what the page shows, with few colours, so that it stays small."""
    from PIL import Image

    page.wait_for_timeout(1500)
    path = IMAGES / f"watch-{name}-{scheme}.png"
    page.screenshot(path=path)
    with Image.open(path) as taken:
        small = taken.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
