"""What the drawing of the alignment network shows, without a browser."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agents.persona import Persona
from ecosystem.app.debates.scenes import Scene
from ecosystem.app.debates.session import Session
from ecosystem.app.debates.view import View
from ecosystem.app.drawing.layout import node_radius
from ecosystem.app.drawing.network import NetworkWidget, agent_influence, network_data, network_names
from ecosystem.reading import load_scenario

Build = Callable[..., View]


@dataclass
class Shown:
    """A viewing of scenes made by hand."""

    scenes: list[Scene]
    weights: list[float]

    @property
    def setting(self) -> Any:
        personas = [Persona(f"a{k}", f"Agent {k}", "", (), weight=weight) for k, weight in enumerate(self.weights)]
        return SimpleNamespace(personas=personas, names=[persona.name for persona in personas])

    @property
    def course(self) -> Any:
        labels = {int(label) for scene in self.scenes for label in scene.partition if label >= 0}
        return SimpleNamespace(
            places=lambda step: self.scenes[step].places,
            colours={label: f"#0000{label:02x}" for label in labels},
        )

    def scene(self, step: int) -> Scene:
        return self.scenes[step]


@pytest.fixture(scope="module")
def opening() -> Iterator[Scene]:
    session = Session(load_scenario("climate-duet"))
    yield session.scene(0)
    session.close()


@pytest.fixture
def build(opening: Scene) -> Build:
    """Return a view of the last of some steps; ``taken[k]`` lists (listener, speaker) of step k + 1."""

    def view(
        n: int,
        taken: list[list[tuple[int, int]]] | None = None,
        weights: list[float] | None = None,
        places: list[Any] | None = None,
        spoke: bool = True,
        **now: Any,
    ) -> View:
        scenes = []
        for step, heard in enumerate([[], *(taken or [])]):
            speaker, accepted = np.full(n, -1), np.zeros(n, bool)
            for listener, source in heard:
                speaker[listener], accepted[listener] = source, True
            scene = replace(
                opening, step=step, speaker=speaker, accepted=accepted,
                utterances=np.full(n, 0 if spoke and step else -1), alignment=np.zeros((n, n), np.float32),
                partition=-1 - np.arange(n), present=np.ones(n, bool), arrived=np.ones(n, bool),
                places=np.asarray(places[step], np.float32) if places else np.full((n, 2), 0.5, np.float32),
            )  # fmt: skip
            scenes.append(scene)
        scenes[-1] = replace(scenes[-1], **now)
        viewing: Any = Shown(scenes, weights or [1.0] * n)
        return View(viewing, len(scenes) - 1, revision=7)

    return view


def symmetric(n: int, *pairs: tuple[int, int, float]) -> np.ndarray:
    alignment = np.zeros((n, n), np.float32)
    for one, other, weight in pairs:
        alignment[one, other] = alignment[other, one] = weight
    return alignment


def test_nodes_edges_and_coalitions_of_a_step(build: Build) -> None:
    alignment = symmetric(4, (0, 1, 0.5), (2, 3, 0.25), (0, 2, -0.4), (1, 3, -0.02))
    places = [[[0.1, 0.2], [0.9, 0.2], [0.1, 0.8], [0.9, 0.8]]] * 2
    view = build(4, [[(1, 0), (2, 0)]], places=places, alignment=alignment, partition=np.array([5, 5, -1, -2]))
    data = network_data(view)
    assert json.loads(json.dumps(data)) == data
    assert (data["revision"], data["step"]) == (7, 1)
    assert data["nodes"]["x"] == [0.1, 0.9, 0.1, 0.9]
    assert data["nodes"]["y"] == [0.2, 0.2, 0.8, 0.8]
    assert data["nodes"]["coalition"] == [5, 5, None, None]
    assert data["nodes"]["taken"] == [2, 0, 0, 0]
    assert data["nodes"]["spoke"] == [True] * 4
    assert data["coalitions"] == [{"label": 5, "colour": "#000005", "members": [0, 1], "arrived": [0, 1]}]
    # -0.02 is below a tenth of the strongest.
    assert data["edges"] == [[0, 1, 0.5], [0, 2, -0.4], [2, 3, 0.25]]
    assert [byte - 256 * (byte > 127) for byte in b64decode(data["pairs"])] == [50, -40, 0, 0, -2, 25]


def test_influence_is_what_was_taken_over_in_the_last_ten_steps(build: Build) -> None:
    steps = [[(0, 2)], [(0, 1)], *[[(2, 1), (1, 0)]] * 9]  # the first is the eleventh from the end
    view = build(3, steps)
    meaning, influence = agent_influence(view.viewing, view.scene)
    assert meaning == "taken"
    assert influence.tolist() == [9, 10, 0]
    radius = network_data(view)["nodes"]["radius"]
    assert radius[1] > radius[0] > radius[2]
    assert max(radius) <= round(node_radius(3), 4)


def test_weights_that_differ_are_the_influence(build: Build) -> None:
    view = build(3, [[(1, 0)]], weights=[1.0, 4.0, 1.0])
    assert network_data(view)["influence"] == "weight"
    assert network_data(view)["nodes"]["influence"] == [1, 4, 1]


def test_where_no_one_has_spoken_all_are_of_one_size(build: Build) -> None:
    data = network_data(build(3, [[], []], spoke=False))
    assert data["influence"] is None
    assert len(set(data["nodes"]["radius"])) == 1


def test_those_who_are_absent_have_no_edges(build: Build) -> None:
    alignment = symmetric(3, (0, 1, 0.5), (1, 2, 0.6))
    alignment[2] = alignment[:, 2] = np.nan
    data = network_data(build(3, [[]], alignment=alignment, present=np.array([True, True, False])))
    assert data["edges"] == [[0, 1, 0.5]]
    assert data["nodes"]["present"] == [True, True, False]
    assert list(b64decode(data["pairs"])) == [50, 0, 0]


@pytest.fixture
def close_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the frame close as far as the small drawings of these tests need."""
    monkeypatch.setattr("ecosystem.app.drawing.network._CLOSEST", 0.5)


def test_the_frame_begins_with_the_opening_and_widens_for_who_strays(build: Build, close_up: None) -> None:
    opening, far = [[0.2, 0.2], [0.8, 0.8]], [[0.0, 0.2], [0.8, 0.8]]
    frames = [
        network_data(build(2, [[]] * (len(places) - 1), places=places))["frame"]
        for places in ([opening], [opening] * 5, [opening, far], [opening, far, opening])
    ]
    assert frames[0] == frames[1] == [0.18, 0.18, 0.82, 0.82]
    # The middle goes half of the way from 0.5 to 0.4; from there it is 0.45 to the one who strays, by 6 % of the width.
    half = 0.45 / 1.12
    assert frames[2] == pytest.approx([0.45 - half, 0.18, 0.45 + half, 0.82], abs=1e-4)
    middle = (0.5 + 0.4 + 0.5) / 3
    half += (0.32 - half) / 40  # and slowly closes again
    assert frames[3] == pytest.approx([middle - half, 0.18, middle + half, 0.82], abs=1e-4)


def test_the_frame_closes_slowly_around_those_who_come_together(build: Build, close_up: None) -> None:
    wide, close = [[0.1, 0.1], [0.9, 0.9]], [[0.2, 0.2], [0.8, 0.8]]
    widths = []
    for step in (0, 1, 10, 200):
        left, _, right, _ = network_data(build(2, [[]] * step, places=[wide] + [close] * step))["frame"]
        widths.append(right - left)
    assert widths[0] == pytest.approx(0.84, abs=1e-3)
    assert widths[0] - widths[1] == pytest.approx(0.2 / 40, abs=1e-3)
    assert widths[2] == pytest.approx(0.64 + 0.2 * (39 / 40) ** 10, abs=1e-3)
    assert widths[3] == pytest.approx(0.64, abs=3e-3)


def test_the_frame_follows_slowly_where_all_go(build: Build, close_up: None) -> None:
    places = [[[0.2, 0.2 + 0.001 * min(step, 50)], [0.8, 0.6 + 0.001 * min(step, 50)]] for step in range(120)]
    tops = [network_data(build(2, [[]] * step, places=places))["frame"][1] for step in (0, 1, 40, 119)]
    assert tops[1] - tops[0] == pytest.approx(0.0005, abs=1e-4)
    assert tops[2] - tops[0] == pytest.approx(np.mean(range(1, 41)) / 1000, abs=1e-4)
    assert tops[3] - tops[0] == pytest.approx(0.05, abs=0.011)  # there, and a little wider for who was ahead


def test_outlines_are_drawn_around_those_who_have_arrived(build: Build) -> None:
    arrived = np.array([True, False, True, False, False])
    view = build(5, [[]], partition=np.array([1, 1, 1, 2, 2]), arrived=arrived)
    assert [block["arrived"] for block in network_data(view)["coalitions"]] == [[0, 2], [3, 4]]


def test_two_agents_close_together_are_not_blown_up(build: Build) -> None:
    left, top, right, bottom = network_data(build(2, places=[[[0.45, 0.5], [0.55, 0.5]]]))["frame"]
    assert (right - left, bottom - top) == pytest.approx((0.8, 0.6), abs=1e-3)


def test_two_hundred_agents_are_a_small_message(build: Build) -> None:
    rng = np.random.default_rng(1)
    n = 200
    alignment = np.triu(rng.uniform(-1, 1, (n, n)), 1).astype(np.float32)
    partition = np.r_[np.repeat(np.arange(100, 130), 6), -1 - np.arange(20)]
    heard = [[(k, (k * 7) % n) for k in range(n)]] * 12
    view = build(n, heard, alignment=alignment + alignment.T, partition=partition, places=list(rng.random((13, n, 2))))
    data = network_data(view)
    assert len(json.dumps(data, separators=(",", ":"))) < 60_000
    assert len(data["edges"]) <= 120
    assert {np.sign(weight) for _, _, weight in data["edges"]} == {-1, 1}


def test_beyond_256_agents_only_what_is_drawn_is_sent(build: Build) -> None:
    assert network_data(build(257))["pairs"] == ""
    assert len(b64decode(network_data(build(256))["pairs"])) == 256 * 255 // 2


def test_names_stay_text_on_one_line_in_their_own_order() -> None:
    names = ["<img src=x onerror=alert(1)>", "two\nlines", "\u202eevil", "x" * 300]
    setting: Any = SimpleNamespace(names=names)
    assert network_names(setting) == ["<img src=x onerror=alert(1)>", "two lines", "evil", "x" * 199 + "…"]


def test_what_no_drawing_sends_selects_no_one() -> None:
    heard: list[Any] = []
    widget = NetworkWidget(names='["a", "b"]', on_select=heard.append, on_drawn=heard.append)
    for agent in (1, None, 2, -1, True, "0", {"agent": 0}):
        widget.vue_select(agent)
    assert heard == [1, None]
    widget.vue_drawn(12)
    widget.vue_drawn("12")
    assert heard == [1, None, 12]
    widget.close()


@pytest.mark.parametrize("name", ["climate-duet", "climate-shock", "highland-tribes"])
def test_shipped_scenarios_are_drawn(name: str) -> None:
    session = Session(load_scenario(name))
    for _ in range(2):
        session.step()
    data = network_data(View(session, 2))
    n = len(session.setting.names)
    assert {len(column) for column in data["nodes"].values()} == {n}
    left, top, right, bottom = data["frame"]
    across, down = 0.061 * (right - left), 0.061 * (bottom - top)
    assert all(left - across <= x <= right + across for x in data["nodes"]["x"])
    assert all(top - down <= y <= bottom + down for y in data["nodes"]["y"])
    assert sum(len(block["members"]) for block in data["coalitions"]) == sum(
        label is not None for label in data["nodes"]["coalition"]
    )
    assert np.isfinite(data["nodes"]["radius"]).all()
    session.close()


def test_as_drawn_those_whose_coalition_stays_hardly_move() -> None:
    session = Session(load_scenario("climate-debate", seed=1, steps=40))
    drawn, coalitions = [], []
    for _ in range(40):
        scene = session.step()
        data = network_data(View(session, scene.step))
        left, top, right, _ = data["frame"]
        drawn.append((np.column_stack([data["nodes"]["x"], data["nodes"]["y"]]) - [left, top]) / (right - left))
        coalitions.append(np.maximum(scene.partition, -1))
    session.close()
    shares = []
    for (before, after), (one, other) in zip(pairwise(drawn), pairwise(coalitions), strict=True):
        radius = np.sqrt(((after - after.mean(0)) ** 2).sum(1).mean())
        shares.append(np.hypot(*(after - before)[one == other].T).mean() / radius)
    assert np.mean(shares) < 0.05
    assert max(shares) < 0.1
