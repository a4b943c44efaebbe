"""What a visitor's page does, without a browser: going on, looking back, steering, keeping, and what goes wrong."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecosystem.app.visit import Visit
from ecosystem.errors import InputError
from ecosystem.scenario import Leave, Message, Scenario


@pytest.fixture
def visit(debate: Scenario, tmp_path: Path) -> Iterator[Visit]:
    one = Visit(debate.with_parameters(steps=8, seed=3), tmp_path / "runs")
    yield one
    one.close()


def wait_until_idle(visit: Visit) -> None:
    deadline = time.monotonic() + 60
    while visit.busy.value and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not visit.busy.value


def folder_of(visit: Visit) -> Path:
    return visit.session.observer.folder


def test_steps_are_taken_and_looked_back_upon(visit: Visit) -> None:
    for _ in range(4):
        visit.advance()
    assert (visit.session.now, visit.view(False).step, visit.view(False).live) == (4, 4, True)
    visit.back()
    visit.back()
    assert visit.view(False).step == 2
    visit.advance()
    assert (visit.view(False).step, visit.session.now) == (3, 4)  # what is there already is shown, not taken anew
    visit.advance()
    assert visit.step.value is None
    visit.advance()
    assert visit.session.now == 5
    visit.show(0)
    assert visit.view(False).scene.topic is None


def test_play_stops_at_the_end_and_goes_on_when_asked(visit: Visit) -> None:
    visit.speed.value = 1000.0
    visit.toggle_play()
    answer = threading.Thread(target=lambda: [visit.saw(k) for k in range(500)])
    answer.start()
    visit.play(threading.Event())
    answer.join()
    assert (visit.session.now, visit.playing.value, visit.at_end) == (8, False, True)
    visit.toggle_play()
    assert not visit.playing.value
    visit.go_on()
    assert not visit.at_end
    visit.advance()
    assert visit.session.now == 9


def test_play_waits_for_the_browser(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecosystem.app.visit.PATIENCE", 0.2)
    visit.speed.value = 1000.0
    visit.toggle_play()
    began = time.monotonic()
    visit.play(threading.Event())  # no browser answers
    assert time.monotonic() - began > 7 * 0.2


def test_a_live_change_is_made_at_the_next_step_and_kept_for_the_next_debate(visit: Visit) -> None:
    visit.advance()
    visit.set("homophily", 7.0)
    assert visit.session.pending == {"homophily": 7.0}
    assert visit.session.model.live("homophily") == 2.0
    visit.advance()
    assert visit.session.model.live("homophily") == 7.0
    assert visit.session.pending == {}
    assert [told.text for told in visit.session.course.told if told.kind == "intervention"] == [
        "Homophily was set to 7."
    ]
    visit.set("memory_size", 3)  # cannot change while a debate goes on
    assert visit.session.model.parameters.memory_size is None
    visit.restart()
    assert (visit.session.now, visit.session.model.parameters.memory_size) == (0, 3)
    assert visit.session.model.parameters.homophily == 7.0
    assert not visit.session.setting.scenario.interventions


def test_before_the_first_step_every_parameter_simply_changes(visit: Visit) -> None:
    visit.set("seed", 11)
    visit.set("homophily", 9.0)
    assert visit.session.model.parameters.seed == 11
    visit.advance()
    assert all(told.kind != "intervention" for told in visit.session.course.told)
    assert visit.session.model.live("homophily") == 9.0


@pytest.mark.parametrize(("name", "value"), [("homophily", -1), ("seed", "x"), ("entry", "open")])
def test_a_value_that_is_not_accepted_changes_nothing_and_says_so(visit: Visit, name: str, value: object) -> None:
    visit.advance()
    before = dict(visit.values)
    with pytest.raises(InputError) as complaint:
        visit.set(name, value)
    assert name in str(complaint.value)
    assert "\n" not in str(complaint.value)
    assert visit.values == before
    assert visit.session.pending == {}


def test_an_intervention_that_makes_no_sense_is_refused_in_one_line(visit: Visit) -> None:
    visit.advance()
    someone = visit.session.setting.keys[0]
    visit.intervene(Leave(kind="leave", step=2, persona=someone))
    visit.advance()
    with pytest.raises(InputError, match="is not there"):
        visit.intervene(Leave(kind="leave", step=3, persona=someone))
    visit.advance()
    assert visit.session.now == 3


def test_another_scenario_begins_with_its_own_parameters_and_frees_the_old_debate(visit: Visit) -> None:
    visit.set("homophily", 9.0)
    visit.advance()
    visit.select(12)
    old = folder_of(visit)
    visit.open_scenario("climate-duet", own=True)
    assert visit.view(False).viewing.setting.title != "Climate debate"
    assert visit.session.model.parameters.homophily == visit.base.parameters.homophily
    assert visit.view(False).selected is None
    assert not old.exists()
    visit.open_scenario("no-such-scenario", own=True)
    assert visit.message.value is not None
    assert "no-such-scenario" in visit.message.value[1]
    assert visit.base.name == "climate-duet"


def test_what_is_saved_is_replayed(visit: Visit) -> None:
    for _ in range(3):
        visit.advance()
    visit.intervene(Message(kind="message", step=4, text="The dam has <b>burst</b>.", topic=visit.base.topics[0].id))
    wait_until_idle(visit)
    visit.advance()
    visit.save()
    wait_until_idle(visit)
    assert visit.message.value is not None
    assert visit.message.value[0] == "done", visit.message.value
    (folder,) = (visit.out / "climate-debate").iterdir()
    live = [visit.session.scene(step) for step in range(5)]
    visit.open_run(f"climate-debate/{folder.name}")
    wait_until_idle(visit)
    assert visit.replay is not None
    assert visit.view(False).step == 0
    visit.toggle_play()
    visit.speed.value = 1000.0
    threading.Thread(target=lambda: [visit.saw(k) for k in range(500)]).start()
    visit.play(threading.Event())
    assert visit.view(False).step == 4
    for step, scene in enumerate(live):
        again = visit.replay.scene(step)
        assert again.partition.tolist() == scene.partition.tolist()
        assert [told.text for told in again.told] == [told.text for told in scene.told]
    visit.close_run()
    assert visit.view(False).viewing is visit.session


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "no-such-run", ""])
def test_a_run_is_opened_by_its_name_alone(visit: Visit, name: str) -> None:
    visit.open_run(name)
    wait_until_idle(visit)
    assert visit.replay is None
    assert visit.message.value is not None
    assert visit.message.value[0] == "error"


def test_nothing_is_saved_before_the_first_step(visit: Visit) -> None:
    visit.save()
    wait_until_idle(visit)
    assert visit.message.value is not None
    assert "no step" in visit.message.value[1]
    assert not visit.out.exists()


def test_two_visits_do_not_meet(debate: Scenario, tmp_path: Path) -> None:
    one, other = (Visit(debate, tmp_path) for _ in range(2))
    one.set("homophily", 9.0)
    one.advance()
    other.advance()
    other.advance()
    assert (one.session.now, other.session.now) == (1, 2)
    assert other.session.live("homophily") == debate.parameters.homophily
    assert one.session.model is not other.session.model
    folders = [folder_of(one), folder_of(other)]
    one.close()
    other.close()
    assert not any(folder.exists() for folder in folders)


def test_no_step_is_taken_beyond_the_end_unasked(visit: Visit) -> None:
    for _ in range(12):
        visit.advance()
    assert visit.session.now == 8


def test_a_recorded_run_that_vanishes_gives_way_to_the_live_debate(visit: Visit) -> None:
    for _ in range(3):
        visit.advance()
    visit.save()
    wait_until_idle(visit)
    (folder,) = (visit.out / "climate-debate").iterdir()
    visit.open_run(f"climate-debate/{folder.name}")
    wait_until_idle(visit)
    assert visit.replay is not None
    shutil.rmtree(folder)
    visit.advance()
    view = visit.view(False)
    assert visit.replay is None
    assert view.viewing is visit.session
    assert visit.message.value is not None
    assert visit.message.value[0] == "error"


def test_what_is_scheduled_before_the_first_step_outlives_a_change(visit: Visit) -> None:
    someone = visit.session.setting.keys[0]
    visit.intervene(Leave(kind="leave", step=2, persona=someone))
    visit.set("seed", 5)
    visit.set("homophily", 4.0)
    assert (visit.session.model.parameters.seed, visit.session.live("homophily")) == (5, 4.0)
    visit.advance()
    visit.advance()
    assert not visit.view(False).scene.present[0]
