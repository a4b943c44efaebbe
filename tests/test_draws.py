"""Random numbers by purpose and step: what differs in one thing shares all other draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecosystem.dynamics.draws import Draws
from ecosystem.model import EcosystemModel
from ecosystem.scenario import Scenario


def test_every_step_and_purpose_has_draws_of_its_own() -> None:
    draws = Draws.of(np.random.default_rng(3))
    drawn = [draws.at(step, purpose).random() for step in (0, 1, 2) for purpose in ("speech", "exchange", "regrouping")]
    assert len(set(drawn)) == len(drawn)
    assert Draws(draws.entropy).at(2, "speech").random() == draws.at(2, "speech").random()
    assert Draws.of(np.random.default_rng(4)).at(2, "speech").random() != draws.at(2, "speech").random()


def test_the_entry_rule_changes_coalitions_and_nothing_else(debate: Scenario, jepa: Any) -> None:
    models = [EcosystemModel(debate, jepa=jepa, rng=1, entry=entry) for entry in ("nash", "contractual")]
    apart = False
    for _ in range(25):
        for model in models:
            model.step()
        one, other = (model.last for model in models)
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one.utterances, other.utterances)
        np.testing.assert_array_equal(one.alignment, other.alignment)
        apart |= not np.array_equal(one.partition, other.partition)
    assert apart


def test_a_silent_agent_leaves_the_draws_of_the_others_alone(debate: Scenario, jepa: Any) -> None:
    raw = debate.model_dump()
    raw["personas"]["farmer"]["traits"]["talkativeness"] = 0.0
    free = EcosystemModel(debate, jepa=jepa, rng=1, policy="salient")
    hushed = EcosystemModel(Scenario.model_validate(raw), jepa=jepa, rng=1, policy="salient")
    for model in (free, hushed):
        model.step()
    assert free.last is not None
    assert hushed.last is not None
    others = np.array([persona.key != "farmer" for persona in free.personas])
    np.testing.assert_array_equal(free.last.utterances[others], hushed.last.utterances[others])
