"""Whatever a visitor does to a debate: the run that is saved runs again, from its config alone, to the same bytes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecosystem
from ecosystem.app.debates.session import Session
from ecosystem.errors import InputError
from ecosystem.reading import load_scenario
from ecosystem.scenario import Discovery, Enter, Intervention, Leave, Message, Scenario, Shock, Turn

pytestmark = pytest.mark.statistical

SCENARIOS = ["climate-debate", "climate-shock", "climate-duet", "unix-1988"]
AT_THE_START: dict[str, list[Any]] = {
    "kernel": ["argument", "degroot", "fj", "deffuant", "hk"],
    "policy": ["random", "salient", "responsive"],
    "agenda": ["rotate", "random"],
    "memory_size": [None, 1, 10],
    "learn": ["none", "adapt", "online"],
    "checkpoint_every": [1, 3, 10],
    "topic_duration": [1, 3],
}
LATER: dict[str, list[Any]] = {
    "homophily": [0.0, 1.5, 12.0],
    "bias": [0.0, 25.0],
    "kernel": AT_THE_START["kernel"],
    "policy": AT_THE_START["policy"],
    "threshold": [0.0, 0.03, 0.2],
    "threshold_rule": ["fixed", "mean"],
    "entry": ["nash", "individual", "contractual"],
    "max_coalitions": [None, 3],
}


class Visitor:
    """Does at random what a visitor can do; what is refused is refused."""

    def __init__(self, session: Session, rng: np.random.Generator) -> None:
        self.session, self.rng = session, rng
        self.people = list(session.setting.keys)
        self.topics = [topic.id for topic in session.setting.scenario.topics]

    def act(self) -> None:
        acts = [self.session.step] * 5 + [self.change] * 2 + [self.intervene] * 3 + [self.cancel, self.look]
        with suppress(InputError):
            self.pick(acts)()

    def change(self) -> None:
        name = self.pick(list(LATER))
        self.session.change(**{name: self.pick(LATER[name])})

    def intervene(self) -> None:
        step = self.session.now + int(self.pick([1, 1, 2, 5, 40]))
        some = tuple(self.rng.choice(self.people, self.rng.integers(1, len(self.people) + 1), replace=False).tolist())
        topic, text = self.pick(self.topics), f"Word number {self.rng.integers(5)} on this matter."
        events: list[Intervention] = [
            Message(kind="message", step=step, text=text, topic=topic),
            Message(kind="message", step=step, text=text, topic=topic, personas=some),
            Discovery(kind="statement", step=step, text=text, topic=topic, personas=some),
            Turn(kind="turn", step=step, topic=topic),
            Leave(kind="leave", step=step, persona=some[0]),
            Enter(kind="enter", step=step, persona=some[0]),
            Shock(kind="shock", step=step, stubbornness=float(self.rng.random()), personas=some),
        ]
        self.session.intervene(self.pick(events))

    def cancel(self) -> None:
        if self.session.by_hand:
            self.session.cancel(self.pick(list(self.session.by_hand)))

    def look(self) -> None:
        assert self.session.scene(int(self.rng.integers(self.session.now + 1))).step <= self.session.now

    def pick(self, some: list[Any]) -> Any:
        return some[int(self.rng.integers(len(some)))]


def scenario_of(rng: np.random.Generator) -> Scenario:
    names = rng.choice(list(AT_THE_START), 2, replace=False).tolist()
    parameters = {name: AT_THE_START[name][int(rng.integers(len(AT_THE_START[name])))] for name in names}
    return load_scenario(str(rng.choice(SCENARIOS)), seed=int(rng.integers(100)), **parameters)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_saved_runs_again(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    session = Session(scenario_of(rng))
    visitor = Visitor(session, rng)
    for _ in range(30):
        visitor.act()
    session.step()
    saved = session.save(tmp_path / "saved").path
    session.close()
    again = ecosystem.run(saved / "config.yaml", out=tmp_path / "again").path
    files = [path.relative_to(saved) for path in saved.rglob("*") if path.suffix in (".parquet", ".safetensors")]
    assert len(files) > 12
    differing = [str(path) for path in files if (saved / path).read_bytes() != (again / path).read_bytes()]
    assert not differing
