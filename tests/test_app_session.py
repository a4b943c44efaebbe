"""A visitor's debate: what is done by hand in its course, and that what is saved of it runs again to the same bytes."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecosystem
from ecosystem.app.observer import REMEMBERED
from ecosystem.app.scenes import Scene
from ecosystem.app.session import Session
from ecosystem.errors import InputError
from ecosystem.reading import load_scenario
from ecosystem.record.manifest import CONFIG
from ecosystem.report.explain import Explainer
from ecosystem.scenario import (
    Discovery, Enter, Intervention, Leave, Message, NewTopic, Scenario, Shock, Turn,
)  # fmt: skip

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


@pytest.mark.parametrize("name", ["climate-debate", "climate-shock", "highland-tribes"])
def test_a_saved_session_is_the_run_of_its_scenario(
    name: str, begin: Begin, tmp_path: Path, no_report: None
) -> None:
    scenario = load_scenario(name, steps=14, seed=5, checkpoint_every=4)
    saved = begin(scenario, 14).save(tmp_path / "saved")
    run = ecosystem.run(scenario, out=tmp_path / "run")
    assert contents(saved.path) == contents(run.path)
    assert saved.path.name.split("-")[1:] == run.path.name.split("-")[1:]  # seed and hash of the configuration
    assert not list(tmp_path.rglob("*.partial"))
    assert not list(saved.path.glob("parts"))


BY_HAND: dict[str, tuple[Intervention, ...]] = {
    "message": (Message(kind="message", step=8, topic="wind-farms", text=NEWS),),
    "message to some": (Message(kind="message", step=8, topic="wind-farms", text=NEWS, personas=("pensioner",)),),
    "statement": (
        Discovery(kind="statement", step=8, topic="wind-farms", text=CLAIM, personas=("steelworker", "pensioner")),
    ),
    "statements at once and later": (
        Discovery(kind="statement", step=11, topic="gas-terminals", text=NEWS, personas=("pensioner",)),
        Discovery(kind="statement", step=8, topic="wind-farms", text=CLAIM, personas=("pensioner",)),
    ),
    "leave": (Leave(kind="leave", step=8, persona="energy-minister"),),
    "leave and come back": (
        Leave(kind="leave", step=8, persona="energy-minister"),
        Enter(kind="enter", step=11, persona="energy-minister"),
    ),
    "enter": (Enter(kind="enter", step=8, persona="reactor-engineer"),),
    "turn": (Turn(kind="turn", step=8, topic="wind-farms"),),
    "turn to a topic to come": (Turn(kind="turn", step=8, topic="nuclear-power"),),
    "shock of stubbornness": (Shock(kind="shock", step=8, stubbornness=0.5, personas=("pensioner",)),),
    "shock of a parameter": (Shock(kind="shock", step=9, bias=4.0, threshold=0.1),),
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
