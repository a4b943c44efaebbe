"""The model: the step, its invariants, Mesa's ways of using it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.debater import Debater
from agents.policies import SILENT, Floor
from ecosystem.errors import InputError
from ecosystem.model import EcosystemModel
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario


def run(model: EcosystemModel, steps: int) -> EcosystemModel:
    for _ in range(steps):
        model.step()
    return model


def test_parts_of_a_step_come_in_order(debate: Scenario, jepa: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    for name in ("predict", "speak", "listen", "align", "regroup", "record"):
        original = getattr(EcosystemModel, name)

        def spy(self: Any, *args: Any, _name: str = name, _original: Any = original) -> Any:
            called.append(_name)
            return _original(self, *args)

        monkeypatch.setattr(EcosystemModel, name, spy)
    EcosystemModel(debate, jepa=jepa).step()
    assert called == ["predict", "speak", "listen", "align", "regroup", "record"]


def test_same_seed_same_history(debate: Scenario, jepa: Any) -> None:
    one, two, other = (run(EcosystemModel(debate, jepa=jepa, rng=seed), 6) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.state.alignment, two.state.alignment)
    np.testing.assert_array_equal(one.state.memory.held, two.state.memory.held)
    np.testing.assert_array_equal(one.state.partition, two.state.partition)
    assert (one.state.memory.held != other.state.memory.held).any()


@pytest.mark.parametrize("policy", ["random", "salient", "responsive"])
def test_speakers_say_what_they_hold_on_the_topic(debate: Scenario, jepa: Any, policy: str) -> None:
    model = EcosystemModel(debate, jepa=jepa, rng=1, policy=policy)
    for _ in range(8):
        held = model.state.memory.held.copy()
        model.step()
        assert model.last is not None
        for agent, statement in enumerate(model.last.utterances):
            on_topic = {s for s in held[agent] if s >= 0 and model.statements.topic_of[s] == model.last.topic}
            own = on_topic & set(model.personas[agent].corpus)
            assert statement in (own or on_topic or {SILENT})


def stubborn(scenario: Scenario) -> Scenario:
    """Return the scenario with personas who never give up a statement."""
    raw = scenario.model_dump()
    for persona in raw["personas"].values():
        persona["traits"]["stubbornness"] = 1.0
    return Scenario.model_validate(raw)


def test_speakers_go_through_their_arguments_before_they_repeat_one(debate: Scenario, jepa: Any) -> None:
    for policy in ("random", "salient", "responsive"):
        model = EcosystemModel(stubborn(debate), jepa=jepa, rng=1, policy=policy, topic_duration=2)
        said = []
        for _ in range(2):
            model.step()
            assert model.last is not None
            said.append(model.last.utterances)
        assert (said[0] != said[1]).all()


def test_forecast_looks_at_nothing_that_is_said(debate: Scenario, jepa: Any) -> None:
    model = run(EcosystemModel(debate, jepa=jepa, rng=1), 3)
    before = model.state.memory.held.copy()
    forecast, _ = model.predict()
    np.testing.assert_array_equal(model.state.memory.held, before)
    model.state.topic = (model.state.topic + 1) % 16
    other, _ = model.predict()
    assert np.nanmax(np.abs(forecast - other)) > 0.01


def test_forecast_is_the_mean_over_what_may_be_said(debate: Scenario, jepa: Any) -> None:
    """Naive against vectorised, for a few pairs."""
    model = run(EcosystemModel(debate, jepa=jepa, rng=1), 4)
    forecast, _ = model.predict()
    table, held = model.statements, model.state.memory.held

    def receives(listener: int, statement: int) -> float:
        mine = [s for s in held[listener] if s >= 0]
        weight = table.relevance[statement, mine].astype(float)
        return float((weight * table.affinity[statement, mine]).sum() / weight.sum()) if weight.sum() else float("nan")

    assert np.isfinite(forecast).any()
    for speaker, listener in ((0, 1), (3, 10), (13, 5), (8, 2), (5, 8)):
        on_topic = [s for s in held[speaker] if s >= 0 and table.topic_of[s] == model.state.topic]
        may_say = [s for s in on_topic if s in model.personas[speaker].corpus] or on_topic
        expected = np.mean([receives(listener, s) for s in may_say]) if may_say else float("nan")
        assert forecast[speaker, listener] == pytest.approx(expected, abs=1e-5, nan_ok=True)


def test_alignment_stays_symmetric_and_bounded(debate: Scenario, jepa: Any) -> None:
    model = run(EcosystemModel(debate, jepa=jepa, rng=2), 10)
    alignment = model.state.alignment
    np.testing.assert_array_equal(alignment, alignment.T)
    assert np.abs(alignment).max() <= 1
    assert not alignment.diagonal().any()


def test_partition_is_stable_at_the_end_of_a_step(debate: Scenario, jepa: Any) -> None:
    model = EcosystemModel(debate, jepa=jepa, rng=2)
    for _ in range(10):
        model.step()
        assert model.last is not None
        assert model.last.settled
        assert model.last.stability.individual
        assert model.last.metrics["defectors"] == 0


def test_silence(debate: Scenario, jepa: Any) -> None:
    raw = debate.model_dump()
    for persona in raw["personas"].values():
        persona["traits"]["talkativeness"] = 0.0
    model = run(EcosystemModel(Scenario.model_validate(raw), jepa=jepa, rng=1), 3)
    assert model.last is not None
    assert (model.last.utterances == SILENT).all()
    assert not model.state.alignment.any()
    assert not model.last.heard.accepted.any()


def test_stubborn_agents_keep_their_corpora(debate: Scenario, jepa: Any) -> None:
    model = EcosystemModel(stubborn(debate), jepa=jepa, rng=1)
    start = model.state.memory.held.copy()
    run(model, 6)
    np.testing.assert_array_equal(model.state.memory.held, start)


def test_an_agent_with_a_mind_of_its_own(debate: Scenario, jepa: Any) -> None:
    class Parrot(Debater):
        def speak(self, floor: Floor, rng: np.random.Generator) -> int:
            return int(floor.heard[self.index])

    model = EcosystemModel(debate, jepa=jepa, rng=1, agent_classes={"farmer": Parrot})
    index = [persona.key for persona in model.personas].index("farmer")
    model.step()
    assert model.last is not None
    assert model.last.utterances[index] == SILENT
    heard = model.state.heard[index]
    model.step()
    assert model.last.utterances[index] == heard


def test_alignment_graph(debate: Scenario, jepa: Any) -> None:
    model = run(EcosystemModel(debate, jepa=jepa, rng=1), 3)
    graph = model.alignment_graph
    assert list(graph.nodes) == list(debate.personas)
    assert graph.nodes["farmer"]["name"] == "Farmer"
    weight = graph.edges["farmer", "city-mayor"]["weight"]
    keys = list(debate.personas)
    assert weight == model.state.alignment[keys.index("farmer"), keys.index("city-mayor")]


def test_plain_scalars_make_a_model() -> None:
    model = EcosystemModel(scenario="climate-duet", homophily=5, rng=1)
    assert model.parameters.homophily == 5
    model.step()
    assert model.steps == 1


def test_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(InputError, match="homophilly: is not a parameter; did you mean 'homophily'"):
        EcosystemModel("climate-duet", homophilly=5)


def test_the_seed_parameter_makes_a_model_repeatable(debate: Scenario, jepa: Any) -> None:
    one, two = (run(EcosystemModel(debate, jepa=jepa, seed=5), 3) for _ in range(2))
    np.testing.assert_array_equal(one.state.memory.held, two.state.memory.held)


def test_memory_smaller_than_the_corpus(debate: Scenario, jepa: Any) -> None:
    model = run(EcosystemModel(debate, jepa=jepa, rng=1, memory_size=6), 20)
    assert model.state.memory.held.shape == (14, 6)
    assert ((model.state.memory.held >= 0).sum(1) <= 6).all()


def test_scenario_without_topics_runs(tmp_path: Any, jepa: Any) -> None:
    (tmp_path / "ada.txt").write_text("Solar power is cheap.\nCoal should go.\n")
    (tmp_path / "ben.txt").write_text("Solar power is dear.\nCoal keeps the lights on.\n")
    model = run(EcosystemModel(load_scenario(tmp_path), jepa=jepa, rng=1), 5)
    assert model.last is not None
    assert np.isfinite(model.last.metrics["mean_alignment"])
