"""The tabs with charts in a real browser: drawn from this machine, kept in place, text as text, saved as pictures."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Visitor, chromium
from serving import Server

HOSTILE = "<img src=x onerror=alert(1)>"
BRACES = "{marker0|x} {c}"

PANELS = {
    "Coalitions": "Who stood with whom",
    "Affinity": "Who agrees with whom",
    "Positions": "Where agents stand",
    "Measures": "Measures over time",
    "Forecast": "Did the forecasts come true?",
}
"""Heading of the chart of each tab."""

DRAWN = """() => {
window.drawn = [];
const draw = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  window.drawn.push(text);
  return draw.call(this, text, ...rest);
};
}"""
"""Notes every text that is drawn on a canvas."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    chromium()
    folder = tmp_path_factory.mktemp("charts")
    corpus = ["Coal must go, and soon.", "Solar power is cheap.", "<b>Taxes</b> are theft."]
    names = [HOSTILE, BRACES, "<script>alert(2)</script>", "Ben"]
    described = {
        "title": "<i>Marked up</i>",
        "topics": [{"id": "coal", "title": "<u>Coal</u>"}],
        "personas": {
            f"p{k}": {"name": name, "corpus": [{"topic": "coal", "text": text} for text in corpus[k % 2 :]]}
            for k, name in enumerate(names)
        },
        "parameters": {"steps": 6, "threshold": -1.0, "switching_cost": 0.0},
        "interventions": [{"kind": "leave", "step": 2, "persona": "p3"}],
    }
    (folder / "scenario.yaml").write_text(json.dumps(described))
    server = Server.start(folder, str(folder))
    yield server
    server.end()


def shown_step(page: Any) -> int:
    return int(page.locator(".ec-pulse").get_attribute("data-step"))


def wait_for_step(page: Any, step: int) -> None:
    page.locator(f'.ec-pulse[data-step="{step}"]').wait_for(state="attached")


def advance(page: Any, count: int) -> None:
    """Take some steps."""
    now = shown_step(page)
    for step in range(now + 1, now + count + 1):
        page.get_by_label("Step (→)").click()
        wait_for_step(page, step)


def open_tab(page: Any, name: str) -> Any:
    """Open a tab, and return its first chart once it is drawn."""
    page.get_by_role("tab", name=name).click()
    chart = page.get_by_role("region", name=PANELS[name]).locator(".ec-chart").first
    chart.locator("canvas").wait_for()
    page.wait_for_timeout(300)
    return chart


def fresh(page: Any) -> str:
    """Return all text that was drawn since the last call."""
    return str(page.evaluate("() => window.drawn.splice(0).join('\\n')"))


def begin(visit: Callable[..., Visitor], server: Server | None, steps: int) -> Any:
    """Open the page, noting what is drawn, and take some steps."""
    visitor = visit(server)
    visitor.page.on("dialog", lambda dialog: visitor.errors.append(f"dialog: {dialog.message}"))
    visitor.page.locator(".ec-pulse").wait_for(state="attached")
    visitor.page.evaluate(DRAWN)
    advance(visitor.page, steps)
    return visitor.page


def test_every_tab_is_drawn_and_fits_the_window(visit: Callable[..., Visitor]) -> None:
    page = begin(visit, None, 3)
    for tab, words in {
        "Coalitions": "Climate scientist",
        "Affinity": "Farmer",
        "Positions": "First principal axis",
        "Measures": "0.5",
        "Forecast": "Observed affinity",
    }.items():
        fresh(page)
        chart = open_tab(page, tab)
        assert words in fresh(page), tab
        box = chart.bounding_box()
        assert box["height"] > 100, tab
        assert box["y"] + box["height"] <= 768, tab
        assert chart.get_by_role("img").get_attribute("aria-label"), tab
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), tab


def test_a_step_is_drawn_in_place(visit: Callable[..., Visitor]) -> None:
    page = begin(visit, None, 2)
    open_tab(page, "Measures")
    page.evaluate("() => document.querySelectorAll('canvas').forEach((one, k) => { one.kept = k; })")
    fresh(page)
    advance(page, 1)
    page.wait_for_timeout(400)
    assert fresh(page)  # drawn anew,
    kept = page.evaluate("() => [...document.querySelectorAll('canvas')].map((one) => one.kept)")
    assert kept == list(range(6))  # on the same canvases
    open_tab(page, "Affinity")
    assert page.locator("canvas").count() == 1


def test_a_click_on_the_timeline_goes_to_its_step(visit: Callable[..., Visitor]) -> None:
    page = begin(visit, None, 5)
    chart = open_tab(page, "Coalitions")
    plot = chart.get_by_role("img")
    box = plot.bounding_box()
    fresh(page)
    for share in (0.45, 0.5, 0.55, 0.6):  # somewhere in steps 1 to 4 of an axis that ends at 10
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        page.wait_for_timeout(100)
    assert ", step " in fresh(page)
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + box["height"] / 2)
    page.locator('.ec-pulse:not([data-step="5"])').wait_for(state="attached")
    shown = shown_step(page)
    assert shown in (1, 2, 3, 4)
    plot.focus()
    page.keyboard.press("ArrowLeft")
    wait_for_step(page, shown - 1)


def test_text_of_a_scenario_is_drawn_as_it_is_written(visit: Callable[..., Visitor], hostile: Server) -> None:
    page = begin(visit, hostile, 3)
    for tab in ("Coalitions", "Affinity", "Positions", "Measures", "Forecast"):
        fresh(page)
        chart = open_tab(page, tab)
        box = chart.bounding_box()
        for across in range(1, 16):
            for down in (0.05, 0.2, 0.35, 0.5, 0.65):
                page.mouse.move(box["x"] + across / 16 * box["width"], box["y"] + down * box["height"])
        page.wait_for_timeout(200)
        words = fresh(page).replace("\u200b", "")
        if tab not in ("Measures", "Forecast"):
            assert HOSTILE[:12] in words, tab
        if tab in ("Affinity", "Positions"):
            assert BRACES in words, tab
    # What is hovered over a cell: who, whom, and how far.
    chart = open_tab(page, "Affinity")
    box = chart.bounding_box()
    fresh(page)
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.3 * box["height"])
    page.wait_for_timeout(200)
    assert " → " in fresh(page)
    assert page.locator("img[src='x']").count() == 0
    assert page.locator(".ec-room script").count() == 0


def test_before_the_first_step_the_tabs_say_how_to_begin(visit: Callable[..., Visitor]) -> None:
    page = visit().page
    for tab in ("Coalitions", "Affinity", "Measures", "Forecast"):
        page.get_by_role("tab", name=tab).click()
        page.get_by_text("Press Play or Step to begin the debate.").wait_for()
    chart = open_tab(page, "Positions")
    assert chart.bounding_box()["height"] > 300


def test_a_chart_is_saved_as_a_picture(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    page = begin(visit, None, 2)
    chart = open_tab(page, "Affinity")
    chart.hover()
    with page.expect_download() as waiting:
        chart.get_by_role("button", name="Save as PNG").click()
    assert waiting.value.suggested_filename == "climate-debate-who-agrees-with-whom-step-2.png"
    waiting.value.save_as(tmp_path / "chart.png")
    data = (tmp_path / "chart.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 1500
    assert height > 700


def test_what_can_be_chosen_is_chosen_by_keyboard(visit: Callable[..., Visitor]) -> None:
    page = begin(visit, None, 2)
    open_tab(page, "Affinity")
    button = page.get_by_role("button", name="Alignment")
    assert button.get_attribute("aria-pressed") == "false"
    button.focus()
    page.keyboard.press("Enter")
    page.locator("[aria-pressed=true]", has_text="Alignment").wait_for()
    assert page.get_by_role("button", name="This step").count() == 0
    page.get_by_text("the running mean of affinity both ways").wait_for()
