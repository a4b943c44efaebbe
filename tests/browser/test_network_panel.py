"""The drawing of the alignment network in a real browser: it shows, glides, answers, runs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from browsing import chromium
from serving import Server

HOSTILE = "<img src=x onerror=document.title=1>"
NAMES = (HOSTILE, "Ben", "N" + "ame" * 66, "{{ 1 + 1 }}", "مفاوض الجزيرة", "国际谈判代表", "Gwen")

PAGE = """
import solara
from ecosystem.app.drawing.network import Network
from ecosystem.app.server.served import served
from ecosystem.app.debates.session import Session
from ecosystem.app.debates.view import View


@solara.component
def Page():
    session = solara.use_memo(lambda: Session(served().scenario), [])
    step, set_step = solara.use_state(0)
    selected, set_selected = solara.use_state(None)
    drawn, set_drawn = solara.use_state(None)

    def go():
        session.step()
        set_step(session.now)

    solara.Button("Step", on_click=go, classes=["step"])
    solara.Text(f"selected {selected} drawn {drawn}", classes=["said"])
    with solara.Div(style="width: 640px; height: 480px"):
        Network(View(session, step, selected, revision=step), set_selected, set_drawn)
"""

WATCH = """
import sys
import ecosystem.app.server.web as web

web.PAGE = "panel_page"
sys.argv = ["ecosystem", "watch", *sys.argv[1:]]
from ecosystem.cli import main

main()
"""
"""`ecosystem watch` with a page that shows nothing but the drawing."""

SAMPLE = """
(revision) => {
  const nodes = [...document.querySelectorAll("g[role=option]")], svg = document.querySelector("svg[data-revision]");
  const seen = nodes.map(() => []);
  window.sampled = new Promise((resolve) => {
    let drawn = Infinity;
    const look = (now) => {
      nodes.forEach((node, agent) => {
        const { e, f } = node.transform.baseVal.consolidate().matrix;
        seen[agent].push([e, f]);
      });
      if (svg.dataset.revision === String(revision)) drawn = Math.min(drawn, now);
      if (now - drawn < 900) requestAnimationFrame(look); else resolve(seen);
    };
    requestAnimationFrame(look);
  });
}
"""
"""Keeps where every node is in every frame until a revision has been drawn, and some time after."""


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    chromium()
    folder = tmp_path_factory.mktemp("network")
    corpora = ("Coal must go now.", "Coal must stay.", "A carbon tax is fair.", "A carbon tax is theft.")
    personas = "".join(
        f"  p{k}:\n    name: '{name}'\n    corpus: ['{corpora[k % 4]}', '{corpora[(k + 2) % 4]}']\n"
        for k, name in enumerate(NAMES)
    )
    parameters = "parameters: {steps: 30, seed: 2, threshold: 0.02, switching_cost: 0.0}\n"
    (folder / "scenario.yaml").write_text(f"title: Odd names\npersonas:\n{personas}{parameters}")
    (folder / "panel_page.py").write_text(PAGE)
    server = Server.start(folder, str(folder), command=(sys.executable, "-c", WATCH))
    yield server
    server.end()


@pytest.fixture
def page(panel: Server, visit: Callable[..., Any]) -> Any:
    return drawn(visit(panel).page, 0)


def drawn(page: Any, revision: int) -> Any:
    page.wait_for_selector(f".ec-network svg[data-revision='{revision}']", timeout=60_000)
    page.get_by_text(f"drawn {revision}").wait_for(timeout=10_000)
    return page


def step(page: Any, revision: int) -> None:
    page.click(".step")
    drawn(page, revision)


def watched(page: Any, revision: int) -> list[list[list[float]]]:
    """Take a step and return where every node was in every frame."""
    page.evaluate(SAMPLE, revision)
    step(page, revision)
    seen: list[list[list[float]]] = page.evaluate("window.sampled")
    return seen


def active(page: Any) -> str | None:
    found = page.get_attribute(".ec-network svg[role=listbox]", "aria-activedescendant")
    return None if found is None else str(page.get_attribute(f"#{found}", "data-agent"))


def test_agents_are_there_by_name_and_text_stays_text(page: Any) -> None:
    step(page, 1)
    labels = [node.get_attribute("aria-label") for node in page.query_selector_all("g[role=option]")]
    assert [label.rsplit(", ", 2 if "coalition" in label else 1)[0] for label in labels] == list(NAMES)
    words = [word.text_content() for word in page.query_selector_all(".ec-network-word")]
    assert words[1] == "Ben"
    assert words[0].startswith("<img src=x")
    assert words[3] == "{{ 1 + 1 }}"
    assert words[2].endswith("…")
    page.hover("g[data-agent='0']")
    assert page.inner_text(".ec-network-tip strong") == HOSTILE
    assert page.query_selector(".ec-network img") is None
    assert page.title() != "1"


def test_everything_is_inside_the_drawing(page: Any) -> None:
    for k in range(1, 5):
        step(page, k)
    page.wait_for_timeout(600)
    box = page.query_selector(".ec-network-stage").bounding_box()
    for one in page.query_selector_all(".ec-network-word, .ec-network-badge, g[role=option]"):
        inner = one.bounding_box()
        assert inner["x"] >= box["x"] - 1
        assert inner["y"] >= box["y"] - 1
        assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 1
        assert inner["y"] + inner["height"] <= box["y"] + box["height"] + 1


def test_a_click_selects_and_one_beside_clears(page: Any) -> None:
    page.click("g[data-agent='1']")
    page.get_by_text("selected 1").wait_for()
    assert page.get_attribute("g[data-agent='1']", "aria-selected") == "true"
    page.click(".ec-network svg[role=listbox]", position={"x": 4, "y": 4})
    page.get_by_text("selected None").wait_for()
    assert page.query_selector_all("[aria-selected=true]") == []


def test_keys_go_from_agent_to_agent_and_select(page: Any) -> None:
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.getAttribute('role')") != "listbox":
        page.keyboard.press("Tab")
    assert active(page) is not None
    page.keyboard.press("End")
    last = active(page)
    reached = {last}
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
        reached.add(active(page))
    assert len(reached) >= 4
    page.keyboard.press("Home")
    assert active(page) != last
    page.keyboard.press("Enter")
    page.get_by_text(f"selected {active(page)}").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("selected None").wait_for()


def test_nodes_glide_and_nothing_is_made_anew(page: Any) -> None:
    page.evaluate("() => { window.before = [...document.querySelectorAll('.ec-network svg, g[role=option]')]; }")
    furthest, path = 0.0, []
    for seen in (one for k in range(1, 6) for one in watched(page, k)):
        (x0, y0), (x1, y1) = seen[0], seen[-1]
        if (length := ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5) > furthest:
            furthest, path = length, [((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length**2 for x, y in seen]
    assert furthest > 4
    assert all(later >= earlier - 1e-3 for earlier, later in pairwise(path))
    assert len({round(share, 3) for share in path}) > 4  # it is seen on its way, not only at both ends
    assert page.evaluate("window.before.every((one) => one.isConnected)")


def test_edges_and_outlines_keep_to_their_nodes(page: Any) -> None:
    for k in range(1, 4):
        step(page, k)
    page.wait_for_timeout(600)
    ends = page.evaluate("""() => {
      const at = [...document.querySelectorAll("g[role=option]")].map((node) => {
        const { e, f } = node.transform.baseVal.consolidate().matrix;
        return [e, f];
      });
      const near = (x, y) => Math.min(...at.map(([a, b]) => Math.hypot(a - x, b - y)));
      return [...document.querySelectorAll(".ec-network-lines line")].flatMap((line) => [
        near(line.x1.baseVal.value, line.y1.baseVal.value), near(line.x2.baseVal.value, line.y2.baseVal.value)]);
    }""")
    assert ends
    assert max(ends) < 0.05


def test_pointing_at_an_agent_shows_all_its_alignments(page: Any) -> None:
    step(page, 1)
    page.hover("g[data-agent='1']")
    page.wait_for_selector("svg.ec-focused")
    rays = page.query_selector_all("svg.ec-focused g:nth-of-type(3) line")
    assert 0 < len(rays) <= len(NAMES) - 1
    assert page.inner_text(".ec-network-tip strong") == "Ben"
    page.mouse.move(5, 700)
    page.wait_for_selector("svg.ec-focused", state="detached")


def test_who_wants_no_motion_sees_none(panel: Server, visit: Callable[..., Any]) -> None:
    page = drawn(visit(panel, reduced_motion="reduce").page, 0)
    step(page, 1)
    seen = watched(page, 2)
    assert any(len({tuple(at) for at in one}) == 2 for one in seen)
    assert all(len({tuple(at) for at in one}) <= 2 for one in seen)
