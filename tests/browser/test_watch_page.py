"""The whole page in a real browser: everything a visitor can do, by mouse and by keyboard."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Visitor, step_of, take_steps, wait_for_step, wait_until_drawn
from serving import Server

Visit = Callable[..., Visitor]

HOSTILE = "<img src=x onerror=alert(1)>"
ROOMS = ["Debate", "Coalitions", "Affinity", "Positions", "Measures", "Forecast"]


def opened(visit: Visit, server: Server | None = None, **options: Any) -> Any:
    """Return a page that shows a debate."""
    return wait_until_drawn(visit(server, **options).page)


def parameter(page: Any, name: str) -> Any:
    """Return the field of a parameter, with its part of the form opened."""
    field = page.locator(f"[data-parameter={name}]")
    closed = page.locator(".v-expansion-panel:not(.v-expansion-panel--active) > .v-expansion-panel-header")
    while not field.is_visible() and closed.count():
        closed.first.click()
        page.wait_for_timeout(350)
    field.wait_for(state="visible")
    return field


def texts(page: Any, selector: str) -> list[str]:
    return [text.strip() for text in page.locator(selector).all_inner_texts()]


def test_fifty_steps_are_played_paused_looked_back_upon_and_begun_anew(visit: Visit) -> None:
    page = opened(visit)
    assert step_of(page) == 0
    page.get_by_label("Speed").click(force=True)
    page.get_by_text("fastest").click()
    page.get_by_label("Play (space)").click()
    wait_for_step(page, 12)
    page.get_by_label("Pause (space)").click()
    page.get_by_label("Play (space)").wait_for()
    page.wait_for_timeout(600)
    paused = step_of(page)
    page.wait_for_timeout(1000)
    assert step_of(page) == paused
    take_steps(page, 1)
    assert step_of(page) == paused + 1
    page.get_by_label("Play (space)").click()
    wait_for_step(page, 50)
    page.get_by_text("Go on for 50 more").wait_for()
    assert step_of(page) == 50
    page.get_by_label("Step back (←)").click()
    page.wait_for_function("() => document.querySelector('.ec-pulse').dataset.step == 49")
    slider = page.get_by_role("slider", name="Step shown")
    box = page.locator(".ec-scrub .v-slider").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    page.wait_for_function("() => Math.abs(document.querySelector('.ec-pulse').dataset.step - 15) <= 1")
    assert slider.count() == 1
    page.get_by_label("To the last step (End)").click()
    page.wait_for_function("() => document.querySelector('.ec-pulse').dataset.step == 50")
    page.get_by_text("Go on for 50 more").click()
    take_steps(page, 1)
    assert step_of(page) == 51
    page.get_by_label("Begin anew").click()
    page.wait_for_function("() => document.querySelector('.ec-pulse').dataset.step == 0")


def test_the_keyboard_plays_steps_and_looks_back(visit: Visit) -> None:
    page = opened(visit)
    for _ in range(3):
        before = step_of(page)
        page.keyboard.press("ArrowRight")
        wait_for_step(page, before + 1)
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('.ec-pulse').dataset.step == 2")
    page.keyboard.press("Home")
    page.wait_for_function("() => document.querySelector('.ec-pulse').dataset.step == 0")
    page.keyboard.press("End")
    page.wait_for_function("() => document.querySelector('.ec-pulse').dataset.step == 3")
    page.keyboard.press("Space")
    wait_for_step(page, 5)
    page.keyboard.press("Space")
    page.get_by_label("Play (space)").wait_for()
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate(
                "() => (document.activeElement.getAttribute('aria-label') || '') + document.activeElement.tagName"
            )
        )
    assert {"Begin anewBUTTON", "Play (space)BUTTON", "Step (→)BUTTON"} <= seen


def test_every_room_shows_something_at_the_opening_and_later(visit: Visit) -> None:
    page = opened(visit)
    for steps in (0, 4):
        take_steps(page, steps)
        for room in ROOMS:
            page.get_by_role("tab", name=room).click()
            page.wait_for_timeout(400)
            card = page.locator(".ec-room .ec-card").first
            box = card.bounding_box()
            assert box["height"] > 400, room
            assert box["y"] + box["height"] <= 768, room
            assert len(card.inner_text()) + 100 * card.locator("svg, canvas").count() > 20, room
    assert page.evaluate("() => document.scrollingElement.scrollHeight <= innerHeight")
    assert page.evaluate("() => document.scrollingElement.scrollWidth <= innerWidth")


def test_an_agent_is_selected_by_mouse_and_by_keyboard_and_its_card_closed(visit: Visit) -> None:
    page = opened(visit)
    take_steps(page, 5)
    agent = page.get_by_role("option", name=re.compile("Oil executive"))
    agent.click()
    card = page.locator(".ec-card", has=page.get_by_text("Why it is"))
    card.first.wait_for()
    assert "Oil executive" in card.first.inner_text()
    page.keyboard.press("Escape")
    card.first.wait_for(state="detached")
    page.locator(".ec-network [role=listbox]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    card.first.wait_for()


def test_live_and_later_parameters(visit: Visit) -> None:
    page = opened(visit)
    take_steps(page, 2)
    field = parameter(page, "homophily").locator("input[type=text]")
    field.fill("9")
    field.press("Enter")
    take_steps(page, 1)
    page.get_by_text("Homophily was set to 9.").first.wait_for()
    slider = parameter(page, "bias").locator("input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    entry = parameter(page, "entry").locator("select")
    entry.select_option("nash")
    take_steps(page, 1)
    page.get_by_text(re.compile("Bias was set to .* entry was set to nash|entry was set to nash")).first.wait_for()
    seed = parameter(page, "seed").locator("input[type=text]")
    seed.fill("77")
    seed.press("Enter")
    steps = parameter(page, "steps").locator("input[type=text]")
    steps.fill("9")
    steps.press("Enter")
    bad = parameter(page, "homophily").locator("input[type=text]")
    bad.fill("-3")
    bad.press("Enter")
    complaint = parameter(page, "homophily").get_by_role("alert")
    complaint.wait_for()
    assert "-3" in complaint.inner_text()
    page.get_by_label("Begin anew").click()
    page.wait_for_function("() => document.querySelector('.ec-pulse').dataset.step == 0")
    assert "of 9" in page.locator(".ec-where").inner_text()
    assert parameter(page, "seed").locator("input[type=text]").input_value() == "77"


def test_presets_and_scenarios(visit: Visit) -> None:
    page = opened(visit)
    take_steps(page, 1)
    for preset in ("Consensus", "Bi-polarization", "Fragmentation"):
        page.get_by_role("radio", name=preset).click()
        page.wait_for_function("() => document.querySelector('.ec-pulse').dataset.step == 0")
        page.wait_for_function(
            "name => [...document.querySelectorAll('[aria-checked=true]')].some(one => one.ariaLabel == name)",
            arg=preset,
        )
        take_steps(page, 2)
    page.get_by_text("Choose another").click()
    for title in ("winter the gas", "highlands", "Unix"):
        if page.get_by_text("Choose another").count():
            page.get_by_text("Choose another").click()
        page.get_by_role("radio", name=re.compile(title, re.IGNORECASE)).click()
        page.wait_for_function("() => document.querySelector('.ec-pulse').dataset.step == 0")
        take_steps(page, 2)


def test_interventions_by_hand(visit: Visit) -> None:
    page = opened(visit)
    take_steps(page, 1)
    page.get_by_role("button", name=re.compile("^Say this", re.I)).first.click()
    form = page.locator("form.ec-form")
    form.locator("textarea").fill("The dam has <b>burst</b> & the valley is under water.")
    form.get_by_role("button").last.click()
    page.get_by_text(re.compile("Step 2")).first.wait_for()
    page.wait_for_function("() => !document.querySelector('.ec-notice')")
    take_steps(page, 1)
    page.get_by_text(re.compile(r"<b>burst</b>")).first.wait_for()
    page.get_by_role("button", name=re.compile("Remove", re.I)).first.click()
    page.locator("form.ec-form select").first.select_option(index=1)
    page.locator("form.ec-form").get_by_role("button").last.click()
    take_steps(page, 1)
    page.get_by_text(re.compile("left the debate")).first.wait_for()
    page.get_by_role("button", name=re.compile("Debate this topic", re.I)).first.click()
    page.locator("form.ec-form select").first.select_option(index=5)
    page.locator("form.ec-form").get_by_role("button").last.click()
    take_steps(page, 1)
    page.get_by_text(re.compile("The debate turned to")).first.wait_for()


def test_a_run_is_saved_and_replayed(visit: Visit, server: Server) -> None:
    page = opened(visit)
    take_steps(page, 3)
    page.get_by_role("button", name="Keep").click()
    page.get_by_text("Save as a run").click()
    saved = page.get_by_text(re.compile("Saved as")).first
    saved.wait_for(timeout=60_000)
    folder = Path(saved.inner_text().removeprefix("Saved as ").strip())
    assert (folder if folder.is_absolute() else server.folder / folder).joinpath("report.html").exists()
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Keep").click()
    page.get_by_text("Open a recorded run").click()
    page.locator(".v-dialog .v-list-item").first.click()
    page.get_by_text("Recorded run of").wait_for()
    page.wait_for_function("() => document.querySelector('.ec-pulse').dataset.step == 0")
    take_steps(page, 3)
    assert page.get_by_label("Step (→)").is_disabled()
    assert page.locator("[data-parameter]").count() == 0
    page.get_by_text("Back to the live debate").click()
    page.wait_for_function("() => document.querySelector('.ec-pulse').dataset.step == 3")


def test_pictures_are_downloaded(visit: Visit) -> None:
    page = opened(visit)
    take_steps(page, 3)
    page.get_by_role("button", name="Keep").click()
    with page.expect_download() as download:
        page.get_by_text("Network as PNG").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    page.keyboard.press("Escape")  # the menu may be closing by itself: it is closed before it is opened again
    page.get_by_text("Make an animation").wait_for(state="hidden")
    page.get_by_role("button", name="Keep").click()
    page.get_by_text("Make an animation").click()
    page.get_by_text("The animation is ready").first.wait_for(timeout=60_000)
    page.get_by_role("button", name="Keep").click()
    with page.expect_download() as download:
        page.get_by_text(re.compile("Download .*gif")).click()
    assert Path(download.value.path()).read_bytes().startswith(b"GIF89a")


def test_two_windows_do_not_disturb_each_other(visit: Visit) -> None:
    one, other = opened(visit), opened(visit)
    field = parameter(one, "homophily").locator("input[type=text]")
    field.fill("7")
    field.press("Enter")
    take_steps(one, 3)
    take_steps(other, 1)
    assert (step_of(one), step_of(other)) == (3, 1)
    assert parameter(other, "homophily").locator("input[type=text]").input_value() == "2"
    one.get_by_role("radio", name="Consensus").click()
    one.wait_for_function("() => document.querySelector('.ec-pulse').dataset.step == 0")
    assert step_of(other) == 1
    other.get_by_label("Play (space)").click()
    wait_for_step(other, 4)
    assert step_of(one) == 0


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "scenario.yaml").write_text(
        f"title: '{HOSTILE} title'\n"
        "topics: [{id: coal, title: '<b>coal</b>', motion: '<i>Coal must go.</i>'}]\n"
        f"personas:\n  ada:\n    name: '{HOSTILE}'\n    description: '<script>alert(2)</script>'\n"
        "    corpus: ['<script>alert(3)</script> Coal must go.', '<b>Solar</b> power is cheap.']\n"
        "  ben:\n    name: 'javascript:alert(4)'\n"
        "    corpus: ['Coal must go, and soon.', '<iframe src=//example.org></iframe> Yes. {{constructor}}']\n"
        "  cem:\n    name: 'Cem \u202egnirts'\n    corpus: ['Keep the coal. [link](javascript:alert(5))', 'No.']\n"
        "parameters: {steps: 12, threshold: -1.0, switching_cost: 0.0}\n"
    )
    started = Server.start(tmp_path_factory.mktemp("watch"), str(folder))
    yield started
    started.end()


def test_hostile_text_is_text_everywhere(visit: Visit, hostile: Server) -> None:
    page = opened(visit, hostile)
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    take_steps(page, 4)
    for room in ROOMS:
        page.get_by_role("tab", name=room).click()
        page.wait_for_timeout(500)
        for why in page.get_by_text("Why?").all()[:2]:
            why.click()
        for element in (
            "img",
            "script",
            "iframe",
            "b:text-is('coal')",
            "a[href^=javascript]",
        ):
            assert page.locator(f".ecosystem {element}").count() == 0, (room, element)
    page.get_by_role("tab", name="Debate").click()
    page.wait_for_timeout(300)
    option = page.locator(".ec-network [role=option]").first
    option.hover()
    option.click()
    page.get_by_text("Why it is").first.wait_for()
    body = page.locator(".ecosystem").inner_text()
    assert HOSTILE in body
    assert "<script>alert(2)</script>" in body
    assert page.locator(".ecosystem img, .ecosystem iframe").count() == 0
    assert HOSTILE in page.title()


def test_the_page_is_dark_when_the_system_is(visit: Visit) -> None:
    page = opened(visit, color_scheme="dark")
    page.wait_for_function("() => document.querySelector('.theme--dark .ecosystem')")
    background = page.evaluate("() => getComputedStyle(document.querySelector('.ecosystem')).backgroundColor")
    assert background == "rgb(20, 23, 26)"


def test_closing_a_window_frees_its_debate_and_so_does_the_end(visit: Visit, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    server = Server.start(tmp_path, "climate-duet", TMPDIR=str(temporary))

    def wait_for_debates(n: int) -> None:
        deadline = time.monotonic() + 40
        while len(list(temporary.glob("ecosystem-*"))) != n and time.monotonic() < deadline:
            time.sleep(0.2)
        assert len(list(temporary.glob("ecosystem-*"))) == n

    page = opened(visit, server)
    take_steps(page, 1)
    wait_for_debates(1)
    other = visit(server)
    wait_for_debates(2)
    page.close(run_before_unload=True)
    wait_for_debates(1)
    server.end()
    wait_for_debates(0)
    other.page.wait_for_timeout(500)
    other.errors.clear()  # of a page that has lost its server
