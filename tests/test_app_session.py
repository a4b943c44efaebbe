"""A visitor's debate: what is done by hand in its course, and that what is saved of it runs again to the same bytes."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

import ecosystem
from ecosystem.app.debates.observer import REMEMBERED
from ecosystem.app.debates.scenes import Scene
from ecosystem.app.debates.session import Session, one_blas_thread
from ecosystem.errors import InputError
from ecosystem.reading import load_scenario
from ecosystem.record.manifest import CONFIG
from ecosystem.report.explain import Explainer
from ecosystem.scenario import Discovery, Enter, Intervention, Leave, Message, NewTopic, Scenario, Shock, Turn

NEWS = "A report says that the cables will be laid by summer."
CLAIM = "Wind pays for itself within eight years, as our own village found."

Begin = Callable[..., Session]


@pytest.fixture(scope="module")
def winter() -> Scenario:
    """A debate of six with interventions of its own, one agent among them who comes later."""
    return load_scenario("climate-shock", seed=3, checkpoint_every=4)


@pytest.fixture
def begin() -> Iterator[Begin]:
    opened: list[Session] = []

    def session(scenario: Scenario, steps: int = 0) -> Session:
        opened.append(Session(scenario))
        for _ in range(steps):
            opened[-1].step()
        return opened[-1]

    yield session
    for one in opened:
        one.close()


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out figures and report, which take seconds and follow from the tables."""
    for place in ("gallery.write_figures", "document.write_report", "odd.write_odd"):
        monkeypatch.setattr(f"ecosystem.report.{place}", lambda *_: None)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every table and checkpoint of a run."""
    files = [*folder.glob("*.parquet"), *folder.glob("checkpoints/*")]
    return {path.name: path.read_bytes() for path in sorted(files)}


def assert_runs_again(session: Session, out: Path) -> None:
    """Assert that what is saved of a session is, byte for byte, what its configuration runs to."""
    saved = session.save(out / "saved")
    again = ecosystem.run(saved.path / CONFIG, out=out / "again")
    one, other = contents(saved.path), contents(again.path)
    assert len(one) > 12
    assert list(one) == list(other)
    assert not [name for name in one if one[name] != other[name]]


def differences(one: Scene, other: Scene) -> set[str]:
    """Return the fields in which two scenes differ, by a single bit or by type."""

    def raw(value: Any) -> Any:
        return (value.dtype, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value

    names = [field.name for field in fields(Scene)]
    return {name for name in names if raw(getattr(one, name)) != raw(getattr(other, name))}


@pytest.mark.parametrize("name", ["climate-shock", "highland-tribes"])
def test_a_saved_session_is_the_run_of_its_scenario(name: str, begin: Begin, tmp_path: Path, no_report: None) -> None:
    scenario = load_scenario(name, steps=14, seed=5, checkpoint_every=4)
    saved = begin(scenario, 14).save(tmp_path / "saved")
    run = ecosystem.run(scenario, out=tmp_path / "run")
    assert contents(saved.path) == contents(run.path)
    assert saved.path.name.split("-")[1:] == run.path.name.split("-")[1:]  # seed and hash of the configuration
    assert not list(tmp_path.rglob("*.partial"))
    assert not list(saved.path.glob("parts"))


BY_HAND: dict[str, tuple[Intervention, ...]] = {
    "words": (
        Message(kind="message", step=8, topic="wind-farms", text=NEWS),
        Discovery(kind="statement", step=12, topic="gas-terminals", text=NEWS, personas=("pensioner",)),
        Discovery(kind="statement", step=9, topic="wind-farms", text=CLAIM, personas=("steelworker", "pensioner")),
        Message(kind="message", step=9, topic="gas-terminals", text=NEWS, personas=("pensioner",)),
    ),
    "coming and going": (
        Enter(kind="enter", step=8, persona="reactor-engineer"),
        Leave(kind="leave", step=8, persona="energy-minister"),
        Enter(kind="enter", step=11, persona="energy-minister"),
    ),
    "turns and shocks": (
        Turn(kind="turn", step=9, topic="nuclear-power"),
        Shock(kind="shock", step=8, stubbornness=0.5, personas=("pensioner",)),
        Shock(kind="shock", step=10, bias=4.0, threshold=0.1),
        Turn(kind="turn", step=12, topic="wind-farms"),
    ),
}


@pytest.mark.parametrize("events", BY_HAND.values(), ids=list(BY_HAND))
def test_what_is_done_by_hand_runs_again_to_the_same_bytes(
    events: tuple[Intervention, ...], winter: Scenario, begin: Begin, tmp_path: Path, no_report: None
) -> None:
    session = begin(winter, 7)
    for event in events:
        session.intervene(event)
    for _ in range(9):
        session.step()
    assert session.by_hand == events
    told = [one for one in session.course.told if one.kind == "intervention"]
    assert {event.step for event in events} <= {one.step for one in told}
    assert_runs_again(session, tmp_path)


def test_parameters_change_in_mid_debate(winter: Scenario, begin: Begin, tmp_path: Path, no_report: None) -> None:
    session = begin(winter, 3)
    session.change(homophily=9)
    session.change(threshold_rule="mean", threshold=0.05)
    session.change(bias=session.live("bias") + 1)
    session.change(bias=session.model.live("bias"))  # changed back: nothing changes
    assert session.pending == {"homophily": 9.0, "threshold_rule": "mean", "threshold": 0.05}
    assert (session.live("homophily"), session.model.live("homophily")) == (9.0, winter.parameters.homophily)
    session.step()
    assert (session.pending, session.model.live("homophily")) == ({}, 9.0)
    assert session.by_hand == (Shock(kind="shock", step=4, homophily=9, threshold_rule="mean", threshold=0.05),)
    here = session.scene(4)
    pairs = here.alignment[np.ix_(here.present, here.present)][np.triu_indices(int(here.present.sum()), 1)]
    assert here.threshold == pytest.approx(float(pairs.mean()) + 0.05, abs=1e-6)
    session.change(policy="random", kernel="deffuant", topic_duration=2)
    session.step()
    session.change(entry="nash", max_coalitions=2, agenda="random")
    for _ in range(4):
        session.step()
    assert_runs_again(session, tmp_path)


def test_what_is_cancelled_leaves_no_trace(winter: Scenario, begin: Begin, tmp_path: Path, no_report: None) -> None:
    session, plain = begin(winter, 4), begin(winter, 9)
    later = Discovery(kind="statement", step=12, topic="wind-farms", text=CLAIM, personas=("pensioner",))
    message = Message(kind="message", step=6, topic="gas-terminals", text=NEWS)
    entry = Enter(kind="enter", step=8, persona="reactor-engineer")
    session.intervene(later)
    session.intervene(message)
    session.intervene(entry)
    session.step()
    session.step()
    session.cancel(later)  # after the message, which is newer, was heard
    session.cancel(entry)  # the scenario's own, which it overruled, holds again
    assert session.by_hand == (message,)
    for _ in range(8):
        session.step()
    assert session.course.present[:, list(session.setting.keys).index("reactor-engineer")].argmax() == 13
    assert_runs_again(session, tmp_path)
    with pytest.raises(InputError, match="step: found 6"):
        session.cancel(message)
    assert plain.scene(5).alignment.tobytes() == session.scene(5).alignment.tobytes()


def test_what_has_been_cannot_be_made_otherwise(winter: Scenario, begin: Begin) -> None:
    session = begin(winter, 5)
    for event, complaint in (
        (Message(kind="message", step=5, topic="wind-farms", text=NEWS), "step: found 5; a step from 6 on"),
        (Enter(kind="enter", step=7, persona="pensioner"), "is there already"),
        (Leave(kind="leave", step=7, persona="reactor-engineer"), "'reactor-engineer' is not there"),
        (NewTopic(kind="topic", step=7, topic="wind-farms"), "'wind-farms' is there already"),
        (Turn(kind="turn", step=7, topic="tides"), "tides"),
        (Shock(kind="shock", step=7, bias=2.0, personas=()), None),
    ):
        if complaint is None:
            session.intervene(event)
            continue
        with pytest.raises(InputError, match=complaint) as caught:
            session.intervene(event)
        assert "\n" not in str(caught.value)
    assert len(session.by_hand) == 1
    for parameters, complaint in (
        ({"memory_size": 4}, "memory_size: cannot change"),
        ({"homophilie": 4}, "did you mean 'homophily'"),
        ({"homophily": -1}, "homophily"),
        ({"threshold_rule": "quantile", "threshold": -0.5}, "threshold"),
    ):
        with pytest.raises(InputError, match=complaint) as caught:
            session.change(**parameters)
        assert "\n" not in str(caught.value)
    assert session.pending == {}
    with pytest.raises(InputError, match="no step has been taken"):
        begin(winter).save("nowhere")


def test_before_the_first_step_everything_may_change(
    winter: Scenario, begin: Begin, tmp_path: Path, no_report: None
) -> None:
    session = begin(winter)
    session.change(memory_size=8, seed=11, checkpoint_every=3)
    assert (session.model.parameters.seed, session.now) == (11, 0)
    session.intervene(Enter(kind="enter", step=2, persona="pensioner"))
    assert not session.scene(0).present[list(session.setting.keys).index("pensioner")]
    session.intervene(Message(kind="message", step=1, topic="wind-farms", text=NEWS))
    for _ in range(4):
        session.step()
    assert_runs_again(session, tmp_path)


@pytest.mark.parametrize("name", ["climate-shock", "climate-debate"])
def test_a_step_recalled_is_as_it_was(name: str, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    session = begin(load_scenario(name, checkpoint_every=4, memory_size=6, max_coalitions=4))
    live = [session.scene(0)]
    for step in range(1, 19):
        if step == 7:
            session.intervene(Message(kind="message", step=9, topic=session.setting.scenario.topics[0].id, text=NEWS))
            session.change(threshold=0.1)
        live.append(session.step())
    for step, scene in enumerate(live):
        session.observer._scenes.clear()
        recalled = session.scene(step)
        assert recalled.held_at == step // 4 * 4
        assert differences(scene, recalled) <= ({"held", "held_at"} if step % 4 else set())
        assert recalled.held == live[recalled.held_at].held


def test_why_is_what_the_saved_run_explains(begin: Begin, tmp_path: Path, no_report: None) -> None:
    session = begin(load_scenario("climate-shock", checkpoint_every=4), 10)
    session.intervene(Message(kind="message", step=12, topic="wind-farms", text=NEWS))
    for _ in range(5):
        session.step()
    explainer = Explainer(session.save(tmp_path))
    events = [one.event for one in session.course.told if one.event is not None]
    assert len(events) >= 2
    for event in events:
        assert session.why(event) == explainer.explain(event).parts
    with pytest.raises(InputError, match="event"):
        session.why(10_000)


def test_sessions_do_not_disturb_each_other(winter: Scenario, begin: Begin) -> None:
    def go(session: Session, changes: dict[str, Any]) -> None:
        for _ in range(6):
            session.step()
        session.change(**changes)
        for _ in range(6):
            session.step()

    changes = [{"homophily": 30.0}, {"bias": 0.0}]
    alone, beside = [begin(winter) for _ in changes], [begin(winter) for _ in changes]
    for session, change in zip(alone, changes, strict=True):
        go(session, change)
    threads = [threading.Thread(target=go, args=pair) for pair in zip(beside, changes, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, beside, strict=True):
        assert not differences(one.scene(12), other.scene(12))
        assert one.course.told == other.course.told
    assert differences(alone[0].scene(12), alone[1].scene(12)) >= {"alignment", "observed"}
    assert alone[0].observer.folder != alone[1].observer.folder


def test_a_session_goes_on_after_it_was_saved(winter: Scenario, begin: Begin, tmp_path: Path, no_report: None) -> None:
    session = begin(winter, 6)
    first = session.save(tmp_path)
    before = contents(first.path)
    for _ in range(3):
        session.step()
    assert contents(first.path) == before
    assert_runs_again(session, tmp_path)
    assert session.scene(9).step == 9


def test_close_leaves_nothing_behind(winter: Scenario) -> None:
    session = Session(winter)
    for _ in range(5):
        session.step()
    folder = session.observer.folder
    assert list(folder.rglob("*.parquet"))
    session.close()
    assert not folder.exists()
    session.close()


def test_it_ends_where_it_was_to_end_and_can_go_on(winter: Scenario, begin: Begin) -> None:
    session = begin(winter.with_parameters(steps=3))
    running = []
    for _ in range(3):
        running.append(session.running)
        session.step()
    assert [*running, session.running] == [True, True, True, False]
    session.go_on(2)
    assert (session.running, session.end) == (True, 5)


def test_blas_threads_are_let_go_when_the_last_is_done() -> None:
    def threads() -> list[int]:
        found = ThreadpoolController().select(user_api="blas").info()
        return [library["num_threads"] for library in found]

    with ThreadpoolController().limit(limits=2, user_api="blas"), ExitStack() as first, ExitStack() as second:
        before = threads()
        first.enter_context(one_blas_thread())
        second.enter_context(one_blas_thread())
        first.close()
        assert set(threads()) == {1}
        second.close()
        assert threads() == before


def test_memory_stays_flat(debate: Scenario, begin: Begin) -> None:
    session = begin(debate.with_parameters(steps=400, checkpoint_every=10))
    tracemalloc.start(1)
    try:
        grown = []
        for steps in (70, 40):
            for _ in range(steps):
                session.step()
            gc.collect()
            grown.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(session.observer._scenes) <= REMEMBERED < 70
    # Bytes a step: what the course keeps of it (2,700 to 4,100), and no scene (3,900 more in arrays alone).
    assert grown[1] - grown[0] < 40 * 5_500
