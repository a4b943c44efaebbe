"""What the README of the scenario with interventions says that it does over seeds."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from ecosystem.dynamics.state import Step
from ecosystem.model import EcosystemModel
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario

pytestmark = pytest.mark.statistical

SEEDS = range(20)


def histories(scenario: Scenario, jepa: Any) -> list[list[Step]]:
    found = []
    for seed in SEEDS:
        model = EcosystemModel(scenario, jepa=jepa, rng=seed)
        steps = []
        for _ in range(scenario.parameters.steps):
            model.step()
            assert model.last is not None
            steps.append(model.last)
        found.append(steps)
    return found


def without(scenario: Scenario, kind: str, field: str = "kind") -> Scenario:
    """Return the scenario with the interventions of a kind put off until after its end."""
    raw = scenario.model_dump(exclude_none=True)
    for event in raw["interventions"]:
        if event["kind"] == kind and field in event:
            event["step"] = scenario.parameters.steps + 1
    return Scenario.model_validate(raw)


def joined(steps: list[Step], one: int, other: int) -> int | None:
    """Return the step at which two agents first stood together, if they did."""
    return next((s.step for s in steps if s.partition[one] == s.partition[other]), None)


def heard_friends(steps: list[Step], threshold: float) -> float:
    """Return the share of hearings of someone aligned above the threshold."""
    pairs = [(s, i, j) for s in steps for i, j in enumerate(s.heard.speaker) if j >= 0]
    return float(np.mean([s.alignment[i, j] > threshold for s, i, j in pairs]))


def test_figures_of_the_readme(jepa: Any) -> None:
    scenario = load_scenario("climate-shock")
    keys = list(scenario.personas)
    engineer, steelworker = keys.index("reactor-engineer"), keys.index("steelworker")
    runs = histories(scenario, jepa)
    met = [joined(steps, engineer, steelworker) for steps in runs]
    never = [joined(steps, engineer, steelworker) for steps in histories(without(scenario, "topic"), jepa)]
    takers = Counter(keys[a] for steps in runs for a in steps[9].interventions[0].accepted)
    gamma = scenario.parameters.threshold
    calm = histories(without(scenario, "shock", "homophily"), jepa)
    share = [
        np.mean([heard_friends(steps[first:last], gamma) for steps in group])
        for group, first, last in ((runs, 24, 30), (runs, 30, 39), (calm, 30, 39))
    ]
    print(f"\nengineer meets steelworker at {met}; without the topic at {never}")
    print(f"message taken over: {dict(takers)}; friends heard: {[f'{value:.2f}' for value in share]}")
    assert all(step is None or step >= 19 for step in met)
    assert sum(step is not None and step <= 21 for step in met) >= 3
    assert not any(step is not None for step in never)
    assert takers["energy-minister"] + takers["climate-striker"] <= 1
    assert sum(takers.values()) >= 15
    assert share[1] > share[0] + 0.2
    assert abs(share[2] - share[0]) < 0.1
