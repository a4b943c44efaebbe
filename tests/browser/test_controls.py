"""The controls in a real browser: what is entered takes effect, once and where it belongs, by mouse and keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Visitor, chromium
from serving import Server

Visit = Callable[..., Visitor]

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def page(visit: Visit) -> Any:
    return opened(visit())


def opened(visitor: Visitor) -> Any:
    visitor.page.wait_for_selector(".ec-groups", timeout=60_000)
    return visitor.page


def parameter(page: Any, name: str) -> Any:
    return page.locator(f"[data-parameter={name}]")


def step(page: Any) -> None:
    before = shown_step(page)
    page.get_by_role("button", name="Step (→)").click()
    page.wait_for_function("n => document.querySelector('.ec-pulse').dataset.step == n", arg=str(before + 1))


def shown_step(page: Any) -> int:
    return int(page.locator(".ec-pulse").get_attribute("data-step"))


def test_a_slider_takes_effect_when_it_is_let_go(page: Any) -> None:
    bias = parameter(page, "bias")
    slider, number = bias.locator("input[type=range]"), bias.locator("input[type=text]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 8.5 / 31, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    assert number.input_value() == "15"
    page.wait_for_timeout(500)
    assert bias.get_by_role("button").count() == 0  # nothing has changed yet
    page.mouse.up()
    bias.get_by_role("button", name="Set Bias back to 8").wait_for()
    assert number.input_value() == "15"
    bias.get_by_role("button", name="Set Bias back to 8").click()
    bias.get_by_role("button").wait_for(state="detached")
    assert (number.input_value(), slider.get_attribute("aria-valuetext")) == ("8", "8")


def test_the_keyboard_moves_a_slider_and_not_the_debate(page: Any) -> None:
    homophily = parameter(page, "homophily")
    homophily.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    homophily.get_by_role("button", name="Set Homophily back to 2").wait_for()
    page.keyboard.press("End")
    page.wait_for_function("document.querySelector('[data-parameter=homophily] input[type=text]').value == '15'")
    assert shown_step(page) == 0


def test_while_a_debate_goes_on_changes_say_when_they_take_effect(page: Any) -> None:
    step(page)
    homophily = parameter(page, "homophily")
    assert homophily.locator(".ec-badge").count() == 0
    homophily.locator("input[type=text]").fill("7.25")
    page.keyboard.press("Enter")
    homophily.get_by_text("next step").wait_for()
    step(page)
    homophily.get_by_text("next step").wait_for(state="detached")
    assert homophily.locator("input[type=text]").input_value() == "7.25"
    page.get_by_role("button", name="Run", exact=True).click()
    steps = parameter(page, "steps")
    steps.get_by_text("at restart").wait_for()
    assert "ec-waits" not in steps.locator(".ec-badge").get_attribute("class")
    steps.locator("input[type=text]").fill("20")
    page.keyboard.press("Enter")
    steps.locator(".ec-badge.ec-waits").wait_for()
    page.get_by_role("button", name="Begin anew").click()
    page.get_by_text("Step 0 of 20", exact=True).wait_for()


def test_a_new_seed_becomes_visible(page: Any) -> None:
    page.get_by_role("button", name="Run", exact=True).click()
    number = parameter(page, "seed").locator("input[type=text]")
    number.wait_for()
    before = number.input_value()
    page.get_by_role("button", name="New seed").click()
    page.wait_for_function("old => document.querySelector('[data-parameter=seed] input').value != old", arg=before)
    assert 0 <= int(number.input_value()) < 1_000_000


def test_what_cannot_be_is_said_beside_the_input_and_changes_nothing(page: Any) -> None:
    bias = parameter(page, "bias")
    number = bias.locator("input[type=text]")
    number.fill(HOSTILE)
    page.keyboard.press("Enter")
    bias.get_by_role("alert").wait_for()
    assert "a valid number" in bias.get_by_role("alert").inner_text()
    assert (number.input_value(), number.get_attribute("aria-invalid")) == (HOSTILE, "true")
    assert bias.locator("input[type=range]").get_attribute("aria-valuetext") == HOSTILE
    number.fill("12")
    page.keyboard.press("Enter")
    bias.get_by_role("alert").wait_for(state="detached")
    bias.get_by_role("button", name="Set Bias back to 8").wait_for()


def test_no_value_and_one_of_a_list(page: Any) -> None:
    page.get_by_role("button", name="Coalitions", exact=True).click()
    cap = parameter(page, "max_coalitions")
    no_cap = cap.get_by_role("checkbox", name="Most coalitions: No cap")
    no_cap.wait_for()
    assert no_cap.is_checked()
    assert cap.locator("input[type=text]").count() == 0
    no_cap.uncheck()
    cap.locator("input[type=text]").wait_for()
    assert cap.locator("input[type=text]").input_value() == "2"
    entry = page.get_by_label("Entry", exact=True)
    entry.select_option(label="Anyone may enter")
    parameter(page, "entry").get_by_role("button", name="Set Entry back to No member is hurt").wait_for()
    assert entry.input_value() == "nash"


def test_a_preset_begins_anew_and_is_marked(page: Any) -> None:
    step(page)
    assert page.get_by_role("radio", name="The scenario's own").get_attribute("aria-checked") == "true"
    page.get_by_role("radio", name="Consensus").click()
    page.get_by_text("Step 0 of 60", exact=True).wait_for()
    assert page.get_by_role("radio", name="Consensus").get_attribute("aria-checked") == "true"
    assert page.get_by_label("Kernel", exact=True).input_value() == "degroot"
    parameter(page, "bias").get_by_text("No effect under this kernel (DeGroot).").wait_for()


def test_another_scenario(page: Any) -> None:
    page.get_by_role("button", name="Choose another").click()
    page.get_by_role("radio", name="Sixteen tribes of the New Guinea highlands").click()
    page.get_by_text("Step 0 of 5", exact=True).wait_for()
    assert page.get_by_role("button", name="Say this").is_disabled()
    page.locator(".ec-options").get_by_text("Affinity is given: nothing is said.").first.wait_for()
    assert page.get_by_role("button", name="Remove someone").is_enabled()


def test_interventions_now_and_later_refused_and_taken_back(page: Any) -> None:
    page.get_by_role("button", name="Say this").click()
    form = page.get_by_role("form", name="Say this")
    form.get_by_role("button", name="Do it").click()
    form.get_by_role("alert").wait_for()
    assert form.get_by_role("alert").inner_text() == "is empty; a sentence is needed"
    form.get_by_label("Statement").fill(f"Coal must go. {HOSTILE}")
    form.get_by_label("Topic").select_option(label="Carbon pricing")
    form.get_by_role("radio", name="Some").check()
    form.get_by_label("Farmer").check()
    form.get_by_role("radio", name="At step", exact=True).check()
    form.get_by_label("Step", exact=True).fill("3")
    form.get_by_role("button", name="Schedule").click()
    coming = page.get_by_label("Interventions still to come")
    coming.wait_for(timeout=60_000)
    assert " ".join(coming.inner_text().split()) == f"Step 3 Farmer hears on Carbon pricing: Coal must go. {HOSTILE}"
    page.get_by_role("button", name="Debate this topic").click()
    page.get_by_label("Topic", exact=True).select_option(label="Green bonds")
    page.get_by_role("button", name="Do it").click()
    coming.get_by_text("The debate turns to").wait_for()
    step(page)
    assert page.locator(".ec-transport .ec-topic").inner_text() == "Green bonds"
    page.get_by_role("button", name="Take back, step 3").click()
    page.get_by_text("Nothing is scheduled.").wait_for()


def test_every_input_has_a_name_and_what_describes_it_is_there(page: Any) -> None:
    for group in ("Coalitions", "Agenda", "People", "Run"):
        page.get_by_role("button", name=group, exact=True).click()
    page.get_by_role("button", name="Change stubbornness").click()
    page.get_by_role("form").get_by_role("radio", name="Some").check()
    parameter(page, "checkpoint_every").wait_for()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll(".ec-controls input, .ec-controls select, .ec-controls textarea")]
            .filter((one) => !one.labels.length && !one.getAttribute("aria-label")).map((one) => one.outerHTML)"""
    )
    assert nameless == []
    described = page.evaluate(
        """() => [...document.querySelectorAll(".ec-groups [aria-describedby]")]
            .map((one) => (document.getElementById(one.getAttribute("aria-describedby")) || {}).textContent || "")"""
    )
    assert len(described) >= 19
    assert all(len(text.strip()) > 10 for text in described)
    assert len(page.query_selector_all("[data-parameter]")) == 19
    twice = page.evaluate(
        """() => { const ids = [...document.querySelectorAll(".ec-controls [id]")].map((one) => one.id);
            return ids.filter((id, number) => ids.indexOf(id) !== number); }"""
    )
    assert twice == []


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    chromium()
    folder = tmp_path_factory.mktemp("hostile")
    write_hostile(folder / "scenario")
    started = Server.start(folder, str(folder / "scenario"))
    yield started
    started.end()


def write_hostile(folder: Path) -> None:
    folder.mkdir()
    (folder / "scenario.yaml").write_text(
        f"title: '<b>Title</b> {HOSTILE}'\n"
        "description: '<script>document.body.id = 1</script> A debate.'\n"
        "topics: [{id: coal, title: '<i>Coal</i>'}, sun]\n"
        "personas:\n"
        f"  ada: {{name: '{HOSTILE}', corpus: [{{text: 'Coal must go.', topic: coal}}]}}\n"
        f"  ben: {{name: '{'endless' * 25}', corpus: [{{text: 'Coal is cheap.', topic: coal}}]}}\n"
        "interventions:\n"
        f"  - {{step: 9, kind: message, topic: coal, text: '{HOSTILE} coal'}}\n"
        "  - {step: 12, kind: leave, persona: ada}\n"
    )


def test_text_of_a_scenario_is_text_and_stays_in_its_column(visit: Visit, hostile: Server) -> None:
    page = opened(visit(hostile))
    page.get_by_role("button", name="Tell some of them").click()
    page.get_by_role("form").get_by_label(HOSTILE).wait_for()
    side = page.locator(".ec-side")
    assert f"<b>Title</b> {HOSTILE}" in side.inner_text()
    assert f"{HOSTILE} leaves" in " ".join(side.inner_text().split())
    assert side.locator("img, script, b b").count() == 0
    assert side.evaluate("one => one.scrollWidth - one.clientWidth") == 0
    over = side.evaluate(
        """side => [...side.querySelectorAll("*")].filter((one) => one.scrollWidth > one.clientWidth + 1
            && getComputedStyle(one).overflowX === "visible" && getComputedStyle(one).display !== "inline"
            && one.getBoundingClientRect().right > side.getBoundingClientRect().right).map((one) => one.outerHTML)"""
    )
    assert over == []
