"""Panels to read in a real browser: they show, open, lead from one to another, and run nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browsing import Visitor, chromium
from serving import Server

IMAGE = "<img src=x onerror=alert(1)>"
RIGHT_TO_LEFT = "عائشة من القرية"
LONG = f"{IMAGE} Coal must go. " + "And so on and on. " * 270
TITLE = "<b>Coal</b>"

HOSTILE = f"""
title: '<script>alert(2)</script>'
topics:
  - {{id: coal, title: '{TITLE}', motion: '<i>Coal</i> must be phased out.'}}
personas:
  ada:
    name: '{IMAGE}'
    description: '<u>described</u>'
    bloc: '<s>left</s>'
    corpus:
      - {{topic: coal, text: '{LONG.strip()}'}}
      - {{topic: coal, text: '<iframe src=//example.org></iframe> Close it.'}}
  ben:
    name: '{RIGHT_TO_LEFT}'
    corpus: [{{topic: coal, text: 'يجب أن نوقف الفحم فورا.'}}, {{topic: coal, text: 'Coal must go, and soon.'}}]
  cem:
    name: '{{{{ constructor.constructor("alert(3)")() }}}}'
    corpus: [{{topic: coal, text: 'Coal keeps our lights on.'}}]
parameters: {{steps: 6, threshold: -1.0, switching_cost: 0.0}}
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`ecosystem watch` with a scenario that would like to run scripts."""
    chromium()
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "scenario.yaml").write_text(HOSTILE, encoding="utf-8")
    started = Server.start(folder, str(folder / "scenario.yaml"))
    yield started
    started.end()


def advance(page: Any, steps: int) -> None:
    page.locator(".ec-reading").first.wait_for(timeout=60_000)
    now = int(page.locator(".ec-pulse").get_attribute("data-step"))
    for step in range(now + 1, now + steps + 1):
        page.get_by_label("Step (→)").click()
        page.locator(f'.ec-pulse[data-step="{step}"]').wait_for(state="attached")


def open_card(page: Any) -> Any:
    name = page.locator(".ec-reading-said .ec-reading-strong").first
    called = name.inner_text()
    name.click()
    card = page.get_by_role("region", name=called)
    card.wait_for()
    return card


def overflowing(page: Any) -> list[str]:
    """Return which panels are wider than their place."""
    wide = "panels => panels.filter(p => p.scrollWidth > p.clientWidth).map(p => p.getAttribute('aria-label'))"
    return list(page.locator(".ec-reading").evaluate_all(wide))


def test_what_is_said_is_shown_with_who_took_it_over(visit: Callable[..., Visitor]) -> None:
    page = visit().page
    page.get_by_text("No one has spoken yet. 14 agents will debate Climate impacts for 3 steps").wait_for()
    advance(page, 3)
    feed = page.get_by_role("region", name="What is being said")
    assert "Climate impacts" in feed.inner_text()
    assert feed.locator("blockquote").count() == 14
    taken = feed.get_by_role("button", name="taken over by").first
    taken.click()
    listeners = feed.locator(".ec-reading-listeners").first
    assert "Took it over" in listeners.inner_text()
    assert listeners.locator("dd").first.locator("[role=button]").count() == int(
        taken.inner_text().split()[3].strip(",")
    )
    standing = page.get_by_role("region", name="How the debate stands")
    assert "Polarization" in standing.inner_text()
    assert overflowing(page) == []


def test_an_agents_card(visit: Callable[..., Visitor]) -> None:
    page = visit().page
    advance(page, 4)
    card = open_card(page)
    assert "Threshold 0.03, switching cost 0.02" in card.inner_text()
    assert overflowing(page) == []
    cells = card.locator(".ec-reading-cells td")
    assert cells.count() == 16 * 13
    cells.first.hover()
    assert cells.first.get_attribute("title") == card.locator(".ec-reading-scale").inner_text()
    other = card.locator(".ec-reading-ties [role=button]").first
    called = other.inner_text()
    other.focus()
    page.keyboard.press("Enter")
    page.get_by_role("region", name=called).wait_for()
    page.get_by_role("region", name=called).get_by_text("What it holds").click()
    assert page.get_by_text("its own", exact=True).count() > 10
    page.keyboard.press("Escape")
    page.get_by_role("region", name=called).wait_for(state="detached")
    page.get_by_role("region", name="What is being said").wait_for()


def test_why_something_happened(visit: Callable[..., Visitor]) -> None:
    page = visit().page
    advance(page, 8)
    page.get_by_role("tab", name="Coalitions").click()
    ledger = page.get_by_role("region", name="What happened")
    why = ledger.get_by_role("button", name="Why?")
    why.first.wait_for()
    told = why.count()
    assert told > 0
    why.last.click()
    ledger.get_by_text("What moved it most").wait_for()
    assert ledger.get_by_role("button", name="Hide why").count() == 1
    assert "under debate" in ledger.locator(".ec-reading-why").inner_text()
    form = ledger.locator("button[aria-pressed]").filter(has_text="form")
    formed = int(form.inner_text().split()[-1])
    assert formed > 0
    form.click()
    page.wait_for_function("n => document.querySelectorAll('.ec-reading-told > li').length === n", arg=told - formed)
    assert form.get_attribute("aria-pressed") == "false"


def test_text_from_a_scenario_is_text(visit: Callable[..., Visitor], hostile: Server) -> None:
    page = visit(hostile).page
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    advance(page, 5)
    feed = page.get_by_role("region", name="What is being said")
    assert feed.locator("h2").inner_text() == TITLE
    speakers = feed.locator(".ec-reading-strong").all_inner_texts()
    assert {IMAGE, RIGHT_TO_LEFT} <= set(speakers)
    assert any(speaker.startswith("{{ constructor") for speaker in speakers)
    feed.locator(".ec-reading-strong", has_text=IMAGE).click()
    card = page.get_by_role("region", name=IMAGE)
    card.wait_for()
    shown = card.inner_text()
    assert "<u>described</u>" in shown
    assert "Known bloc: <s>left</s> (used for validation only)" in shown
    card.get_by_text("What it holds").click()
    page.get_by_role("tab", name="Coalitions").click()
    page.get_by_role("region", name="What happened").get_by_role("button", name="Why?").first.click()
    page.locator(".ec-reading-why").get_by_text("At step 1, with").wait_for()
    assert overflowing(page) == []
    for element in ("img[src=x]", "iframe", ".ec-reading b b", ".ec-reading u", ".ec-reading s", ".ec-reading h2 b"):
        assert page.locator(element).count() == 0
    assert alerts == []


def test_a_long_statement_is_cut_to_three_lines_until_it_is_opened(
    visit: Callable[..., Visitor], hostile: Server
) -> None:
    page = visit(hostile).page
    advance(page, 1)
    page.locator(".ec-reading-strong", has_text=IMAGE).click()
    card = page.get_by_role("region", name=IMAGE)
    card.get_by_text("What it holds").click()
    text = card.locator("[data-text]", has_text="And so on").first
    more = card.get_by_role("button", name="more", exact=True).first
    more.wait_for()
    line = float(text.evaluate("e => parseFloat(getComputedStyle(e).lineHeight)"))
    assert text.bounding_box()["height"] == pytest.approx(3 * line, abs=2)
    more.click()
    card.get_by_role("button", name="less", exact=True).wait_for()
    assert text.bounding_box()["height"] > 20 * line
    assert text.inner_text() == LONG.strip()


def test_text_is_shown_in_its_own_direction(visit: Callable[..., Visitor], hostile: Server) -> None:
    page = visit(hostile).page
    advance(page, 1)
    page.locator(".ec-reading-strong", has_text=RIGHT_TO_LEFT).click()
    card = page.get_by_role("region", name=RIGHT_TO_LEFT)
    card.get_by_text("What it holds").click()
    directions = "texts => texts.map(text => getComputedStyle(text).direction)"
    assert set(card.locator("[data-text]").evaluate_all(directions)) == {"rtl", "ltr"}
