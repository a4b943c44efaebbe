"""The report in a real browser: it renders, asks for nothing, runs nothing."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from browsing import chromium

import ecosystem

OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chromium()
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "scenario.yaml").write_text(
        "title: '<script>document.title = 1</script>'\n"
        "personas:\n"
        "  ada:\n    name: '<img src=x onerror=\"document.body.id=1\">'\n"
        "    corpus: ['<script>document.body.id = 2</script> Coal must go.', 'Solar power is cheap.']\n"
        "  ben:\n    name: Ben\n    corpus: ['Coal must go, and soon.', '<iframe src=//example.org></iframe> Yes.']\n"
        "parameters: {steps: 6, threshold: -1.0, switching_cost: 0.0}\n"
    )
    return ecosystem.run(folder, out=tmp_path_factory.mktemp("runs")).path / "report.html"


def browse(page: Path, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [chromium(), *OPTIONS, *QUIET, f"--user-data-dir={profile}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def test_hostile_text_is_text_in_the_page_that_results(page: Path, tmp_path: Path) -> None:
    done = browse(page, tmp_path / "profile", "--dump-dom")
    dom = done.stdout
    assert "&lt;img src=x" in dom
    for element in ('<img src="x', "<iframe", "<script", "<body id"):
        assert element not in dom
    assert "CONSOLE" not in done.stderr, done.stderr


def test_figures_are_shown(page: Path, tmp_path: Path) -> None:
    shot = tmp_path / "page.png"
    browse(page, tmp_path / "profile", f"--screenshot={shot}", "--window-size=1100,3000")
    width, height = struct.unpack(">II", shot.read_bytes()[16:24])
    assert (width, height) == (1100, 3000)
    assert shot.stat().st_size > 100_000
