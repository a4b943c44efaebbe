"""How far agents move in the drawing of the network from step to step, on whole debates of the shipped scenarios.

``pytest -m statistical -s tests/statistical/test_layout_steadiness.py`` prints what was found. About a minute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ecosystem.app.drawing.layout import Layout, node_radius, place
from ecosystem.model import EcosystemModel
from ecosystem.scenario import Scenario

pytestmark = pytest.mark.statistical

DEBATES: tuple[tuple[str, int, int, dict[str, Any]], ...] = (
    *(("climate-debate", 100, seed, {}) for seed in range(6)),
    ("climate-debate", 100, 1, {"homophily": 9.0, "bias": 12.0}),
    ("climate-debate", 100, 1, {"entry": "nash"}),
    ("climate-debate", 100, 2, {"entry": "nash", "switching_cost": 0.0, "learning_rate": 0.3}),
    ("climate-debate", 100, 3, {"entry": "contractual"}),
    ("climate-debate", 100, 1, {"threshold": -0.1}),
    ("climate-debate", 100, 1, {"threshold": 0.1}),
    ("climate-debate", 100, 1, {"threshold_rule": "mean", "threshold": 0.0}),
    ("climate-debate", 100, 1, {"entry": "nash", "max_coalitions": 2, "threshold": 0.0, "switching_cost": 0.0}),
    ("climate-shock", 48, 0, {}),
    ("climate-duet", 48, 0, {}),
    ("highland-tribes", 5, 0, {}),
    ("unix-1988", 5, 0, {}),
)


@dataclass
class Moves:
    """What was seen of a debate; lengths in radii of the layout."""

    stayed: list[NDArray[np.float64]] = field(default_factory=list)
    changed: list[NDArray[np.float64]] = field(default_factory=list)
    travelling: list[float] = field(default_factory=list)
    nearest: float = np.inf

    def add(self, before: Layout, after: Layout, present: NDArray[np.bool_]) -> None:
        points = after.places.astype(np.float64)
        radius = np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean())
        way = np.hypot(*(points - before.places).T) / radius
        same = before.partition == after.partition
        self.stayed.append(way[same])
        self.changed.append(way[~same])
        self.travelling.append(float((present & ~after.arrived).mean()))
        apart = np.hypot(*(points[:, None] - points).transpose(2, 0, 1)) + np.eye(len(points))
        self.nearest = min(self.nearest, apart.min() / (2 * node_radius(len(points))))

    def print(self, name: str) -> None:
        stayed, changed = np.concatenate(self.stayed), np.concatenate(self.changed)
        worst = max(float(step.mean()) for step in self.stayed if len(step))
        print(
            f"\n{name}: {100 * stayed.mean():.2f} % (95th percentile {100 * np.quantile(stayed, 0.95):.1f}, most "
            f"{100 * stayed.max():.0f}), mean of the worst step {100 * worst:.2f} %; changed: mean "
            f"{100 * changed.mean() if len(changed) else 0:.0f} %, most {100 * changed.max(initial=0):.0f} %; "
            f"on their way {100 * np.mean(self.travelling):.1f} %",
            end="",
        )


def watch(scenario: str | Scenario, jepa: Any, steps: int, seed: int, **parameters: Any) -> Moves:
    model = EcosystemModel(scenario, jepa=jepa, rng=seed, **parameters)
    moves, before = Moves(), place(model.state.alignment, model.state.partition, model.state.present)
    for _ in range(steps):
        model.step()
        after = place(model.state.alignment, model.state.partition, model.state.present, before)
        moves.add(before, after, model.state.present)
        before = after
    return moves


@pytest.mark.parametrize(("scenario", "steps", "seed", "parameters"), DEBATES)
def test_shipped_scenarios(jepa: Any, scenario: str, steps: int, seed: int, parameters: dict[str, Any]) -> None:
    moves = watch(scenario, jepa, steps, seed, **parameters)
    moves.print(f"{scenario}, seed {seed}, {parameters}")
    assert max(step.mean() for step in moves.stayed if len(step)) < 0.05
    assert moves.nearest >= 0.999
    # Where changing costs nothing every sixth agent changes at every step, and about half are always on their way.
    assert np.mean(moves.travelling) < (0.6 if parameters.get("switching_cost") == 0.0 else 0.25)


@pytest.mark.parametrize("threshold", [0.03, 0.12])
def test_two_hundred_agents(debate: Scenario, jepa: Any, threshold: float) -> None:
    rng, raw = np.random.default_rng(0), debate.model_dump()
    kinds = list(raw["personas"].values())
    personas = {}
    for number in range(200):
        persona = kinds[number % len(kinds)]
        kept = rng.random(len(persona["corpus"])) < 0.8
        kept[rng.integers(len(kept))] = True
        corpus = [statement for statement, keep in zip(persona["corpus"], kept, strict=True) if keep]
        personas[f"agent-{number}"] = {**persona, "name": f"{persona['name']} {number}", "corpus": corpus}
    crowd = Scenario.model_validate({**raw, "personas": personas})
    moves = watch(crowd, jepa, 50, 0, threshold=threshold)
    moves.print(f"200 agents, threshold {threshold}")
    assert max(step.mean() for step in moves.stayed if len(step)) < 0.05
    assert moves.nearest >= 0.999
    assert np.mean(moves.travelling[10:]) < 0.15
