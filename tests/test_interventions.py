"""Interventions: what each changes and what it leaves alone, in the model, in a run and at its edges."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import ecosystem
from agents.policies import POLICIES, SILENT, choose
from ecosystem.cli import main
from ecosystem.dynamics.events import lone_label
from ecosystem.dynamics.positions import held_opinions
from ecosystem.dynamics.state import Step
from ecosystem.jepa.statements import held_matrix
from ecosystem.model import EcosystemModel
from ecosystem.record.folder import RunWriter
from ecosystem.record.manifest import write_config
from ecosystem.scenario import LIVE, Parameters, Scenario, Shock

KEYS = ["ada", "ben", "cem", "dee"]
SAID = {
    "ada": ["Gas is no bridge; we must not build terminals.", "A high carbon price is fair.", "Build more wind farms."],
    "ben": ["We need new gas terminals.", "A carbon price only hurts workers.", "No more turbines in our hills."],
    "cem": ["Every new gas plant heats the planet.", "The price on carbon must rise.", "Wind farms are cheap."],
    "dee": ["Gas keeps us warm, so build terminals.", "Taxing carbon costs jobs.", "Turbines spoil the land."],
}
NEWS = "Gas plants leak so much methane that building them makes no sense."


def debate(*events: dict[str, Any], traits: dict[str, float] | None = None, **parameters: Any) -> Scenario:
    """Return a debate of four on gas, carbon and wind, two steps a topic, with some interventions."""
    topics = ["gas", "carbon", "wind"]
    return Scenario.model_validate(
        {
            "name": "small",
            "topics": [{"id": topic} for topic in topics],
            "personas": {
                key: {
                    "name": key.title(),
                    "traits": traits or {},
                    "corpus": [{"topic": topic, "text": text} for topic, text in zip(topics, texts, strict=True)],
                }
                for key, texts in SAID.items()
            },
            "interventions": events,
            "parameters": {"topic_duration": 2, "memory_size": 6, **parameters},
        }
    )


def friends(*events: dict[str, Any], **parameters: Any) -> Scenario:
    """Return a game without words, in which all four like one another: each pair is aligned at .5."""
    return Scenario.model_validate(
        {
            "name": "friends",
            "topics": [{"id": "all"}],
            "personas": {key: {"name": key.title()} for key in KEYS},
            "affinity": {one: {other: 0.5 for other in KEYS if other != one} for one in KEYS},
            "interventions": events,
            "parameters": parameters,
        }
    )


def history(scenario: Scenario, jepa: Any, steps: int = 12, rng: int = 1) -> list[Step]:
    model = EcosystemModel(scenario, jepa=jepa, rng=rng)
    found = []
    for _ in range(steps):
        model.step()
        assert model.last is not None
        found.append(model.last)
    return found


def event(step: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"step": step, "kind": kind, **fields}


# Who is there.


def test_a_turn_is_debated_at_once_and_changes_nothing_before_it(jepa: Any) -> None:
    plain, turned = (history(debate(*events), jepa, 12) for events in ((), (event(4, "turn", topic="gas"),)))
    topics = [step.topic for step in turned]
    assert [step.topic for step in plain[:5]] == [0, 0, 1, 1, 2]
    assert topics[:6] == [0, 0, 1, 0, 1, 1]  # the turn of carbon ends early, and comes again after gas
    for before, now in zip(plain[:3], turned[:3], strict=True):
        np.testing.assert_array_equal(before.utterances, now.utterances)
        np.testing.assert_array_equal(before.alignment, now.alignment)


def test_a_turn_to_a_topic_off_the_agenda_puts_it_there(jepa: Any) -> None:
    steps = history(debate(event(2, "turn", topic="wind"), event(11, "topic", topic="wind")), jepa, 10)
    assert [step.topic for step in steps][:8] == [0, 2, 0, 0, 1, 1, 2, 2]


def test_those_who_are_absent_appear_nowhere(jepa: Any) -> None:
    steps = history(debate(event(4, "enter", persona="ben"), event(9, "leave", persona="ben")), jepa)
    for step in steps:
        here = 4 <= step.step < 9
        assert step.present.tolist() == [True, here, True, True]
        for matrix in (step.forecast, step.cosine, step.heard.affinity):
            assert np.isnan(matrix[1]).all() != here
            assert np.isnan(matrix[:, 1]).all() != here
        assert (step.utterances[1] != SILENT) == here
        if not here:
            assert step.heard.speaker[1] == -1
            assert not step.heard.accepted[1]
            assert 1 not in step.heard.speaker
            assert step.partition[1] == lone_label(1)
    assert not any(step.alignment[1].any() for step in steps[:3])
    assert steps[3].alignment[1].any()
    for step in steps[8:]:
        np.testing.assert_array_equal(step.alignment[1], steps[7].alignment[1])
        assert (step.alignment[0, 2:] != steps[7].alignment[0, 2:]).any()
    told = [(step.step, done.intervention.kind, done.agents) for step in steps for done in step.interventions]
    assert told == [(4, "enter", (1,)), (9, "leave", (1,))]


def test_a_coalition_loses_and_regains_a_member(jepa: Any) -> None:
    steps = history(friends(event(3, "leave", persona="ben"), event(5, "enter", persona="ben")), jepa, 6)
    assert [step.partition.tolist() for step in steps] == [[1] * 4] * 2 + [[1, -2, 1, 1]] * 2 + [[1] * 4] * 2
    told = [(step.step, e.event.kind, e.event.agents, e.event.partners) for step in steps for e in step.events]
    assert told == [
        (1, "form", (0, 1, 2, 3), (0, 1, 2, 3)),
        (3, "leave", (1,), (0, 2, 3)),
        (5, "join", (1,), (0, 2, 3)),
    ]
    assert [step.metrics["largest"] for step in steps] == [1.0] * 6  # of those who are there


def test_a_coalition_of_two_dissolves_when_one_leaves(jepa: Any) -> None:
    gone = [event(1, "leave", persona=key) for key in ("cem", "dee")]
    steps = history(friends(*gone, event(3, "leave", persona="ben")), jepa, 4)
    assert [step.partition.tolist() for step in steps] == [[1, 1, -3, -4]] * 2 + [[-1, -2, -3, -4]] * 2
    assert [(step.step, e.event.kind) for step in steps for e in step.events] == [(1, "form"), (3, "dissolve")]
    assert [step.metrics["coalitions"] for step in steps] == [1, 1, 0, 0]


@pytest.mark.parametrize("kernel", ["argument", "degroot", "fj", "deffuant", "hk"])
@pytest.mark.parametrize("rule", ["fixed", "mean", "quantile"])
def test_a_debate_goes_on_with_one_who_is_left(kernel: str, rule: str, jepa: Any) -> None:
    gone = [event(3, "leave", persona=key) for key in ("ada", "ben", "cem")]
    scenario = debate(*gone, event(6, "enter", persona="cem"), kernel=kernel, threshold_rule=rule)
    steps = history(scenario, jepa, 8)
    assert all(np.isnan(step.heard.affinity).all() for step in steps[2:5])
    assert not any(step.heard.accepted.any() for step in steps[2:5])
    np.testing.assert_array_equal(steps[4].alignment, steps[1].alignment)
    assert np.isfinite(steps[5].heard.affinity[2, 3])


def test_a_handover_at_one_step(jepa: Any) -> None:
    moves = [event(4, "enter", persona="dee"), event(4, "leave", persona="ada")]
    steps = history(debate(*moves), jepa, 5)
    assert [step.present.tolist() for step in steps[2:4]] == [[True, True, True, False], [False, True, True, True]]


# What becomes known.


@pytest.mark.parametrize("memory_size", [3, 6], ids=["memory full", "memory with room"])
def test_a_statement_is_said_by_those_who_learned_of_it(memory_size: int, jepa: Any) -> None:
    learned = event(4, "statement", topic="gas", text=NEWS, personas=["ada", "dee"])
    scenario = debate(learned, traits={"openness": 0.0}, memory_size=memory_size)  # no one takes it over
    model = EcosystemModel(scenario, jepa=jepa, rng=1)
    row = model.statements.texts.index(NEWS)
    speakers = set()
    for _ in range(20):
        before = model.state.memory.held.copy()
        model.step()
        assert model.last is not None
        said = np.flatnonzero(model.last.utterances == row)
        assert not len(said) or model.last.step >= 4
        speakers |= set(said.tolist())
        if model.last.step == 4:
            gained = [set(now) - set(then) for now, then in zip(model.state.memory.held, before, strict=True)]
            assert gained == [{row}, set(), set(), {row}]
            assert model.last.interventions[0].agents == (0, 3)
    assert speakers == {0, 3}
    assert model.state.corpus[:, row].tolist() == [True, False, False, True]


def test_one_who_is_absent_brings_along_what_it_learned(jepa: Any) -> None:
    learned = event(3, "statement", topic="gas", text=NEWS, personas=["ben"])
    model = EcosystemModel(debate(learned, event(7, "enter", persona="ben")), jepa=jepa, rng=1)
    row = model.statements.texts.index(NEWS)
    said = []
    for _ in range(20):
        model.step()
        assert model.last is not None
        said += [model.last.step] if model.last.utterances[1] == row else []
    assert said
    assert min(said) >= 7


def broadcast(scenario: Scenario, jepa: Any, rng: int = 1) -> tuple[EcosystemModel, Any]:
    """Return a model before its first step with its only intervention applied, and what came of that."""
    model = EcosystemModel(scenario, jepa=jepa, rng=rng)
    applied = model.stage.apply(scenario.interventions[0], model.state, model.rng)
    return model, applied


@pytest.mark.parametrize("openness", [0.0, 1.0])
def test_a_message_is_taken_over_by_those_who_agree(openness: float, jepa: Any) -> None:
    """With all the bias there is, agreement decides: the message is against gas, as Ada and Cem are."""
    message = event(1, "message", topic="gas", text=NEWS)
    model, applied = broadcast(debate(message, traits={"openness": openness}, bias=1000), jepa)
    row = model.statements.texts.index(NEWS)
    own = [SAID[key][0] for key in KEYS]
    affinity = jepa.affinity([NEWS] * 4, own)
    assert (affinity > 0).tolist() == [True, False, True, False]
    assert applied.agents == (0, 1, 2, 3)
    assert applied.accepted == ((0, 2) if openness else ())
    assert (model.state.memory.held == row).any(1).tolist() == [bool(openness), False, bool(openness), False]
    np.testing.assert_allclose(model.state.heard_affinity, affinity, atol=1e-5)
    assert (model.state.heard == row).all()
    assert not model.state.corpus[:, row].any()


def test_without_bias_openness_alone_decides(jepa: Any) -> None:
    """P = openness / 2: of 200 broadcasts to four, 400 ± 3 standard deviations of 14.1."""
    scenario = debate(event(1, "message", topic="gas", text=NEWS), traits={"openness": 1.0}, bias=0)
    model = EcosystemModel(scenario, jepa=jepa, rng=1)
    message = scenario.interventions[0]
    accepted = sum(len(model.stage.apply(message, model.state, model.rng).accepted) for _ in range(200))
    assert 400 - 43 <= accepted <= 400 + 43


def test_a_message_to_some_reaches_no_one_else(jepa: Any) -> None:
    message = event(4, "message", topic="gas", text=NEWS, personas=["ben", "cem"])
    steps = history(debate(message, event(2, "leave", persona="cem"), traits={"openness": 1.0}, bias=0), jepa, 4)
    assert steps[3].interventions[0].agents == (1,)
    assert set(steps[3].interventions[0].accepted) <= {1}


@pytest.mark.parametrize(
    ("kernel", "traits", "share"),
    [
        ("degroot", {"openness": 0.4}, 0.4),
        ("fj", {"openness": 0.4, "stubbornness": 0.75}, 0.1),
        ("deffuant", {"openness": 0.4}, 0.25),
        ("hk", {"openness": 0.4}, 0.25),
    ],
)
def test_a_message_moves_opinions_under_a_reference_kernel(
    kernel: str, traits: dict[str, float], share: float, jepa: Any
) -> None:
    message = event(1, "message", topic="gas", text=NEWS, personas=["ada", "ben", "cem"])
    scenario = debate(message, traits=traits, kernel=kernel, confidence=0.8, convergence=0.25)
    model, applied = broadcast(scenario, jepa)
    position = model.stage.positions[model.statements.texts.index(NEWS)]
    before, after = model.state.initial, model.state.opinions
    gap = position - before[:, 0]
    moved = np.array([True, True, True, False])
    if kernel in ("deffuant", "hk"):
        moved &= np.abs(gap) <= 0.8
        assert moved.tolist() == [True, False, True, False]  # Ben is for gas, too far away
    np.testing.assert_allclose(after[:, 0], before[:, 0] + share * gap * moved)
    np.testing.assert_array_equal(after[:, 1:], before[:, 1:])
    assert applied.accepted == tuple(np.flatnonzero(moved))


# What is debated, and how.


def test_a_topic_is_debated_at_once_and_in_its_turn(jepa: Any) -> None:
    steps = history(debate(event(4, "topic", topic="carbon")), jepa)
    assert [step.topic for step in steps] == [0, 0, 2, 1, 2, 2, 0, 0, 1, 1, 2, 2]


def test_a_topic_that_was_there_is_taken_up_again(jepa: Any) -> None:
    steps = history(debate(event(1, "topic", topic="wind"), event(9, "topic", topic="wind")), jepa)
    assert [step.topic for step in steps] == [2, 2, 0, 0, 1, 1, 2, 2, 2, 2, 0, 0]


def test_a_topic_stays_off_a_random_agenda_until_it_enters(jepa: Any) -> None:
    steps = history(debate(event(31, "topic", topic="carbon"), agenda="random"), jepa, 90)
    assert {step.topic for step in steps[:30]} == {0, 2}
    assert {step.topic for step in steps[32:]} == {0, 1, 2}


def test_a_shock_to_the_threshold_parts_friends(jepa: Any) -> None:
    """A pair is worth .5 to each; above that no one wants company."""
    steps = history(friends(event(3, "shock", threshold=0.6), event(5, "shock", threshold=0.4)), jepa, 6)
    assert [len(set(step.partition.tolist())) for step in steps] == [1, 1, 4, 4, 1, 1]
    assert [(step.step, e.event.kind) for step in steps for e in step.events] == [
        (1, "form"), (3, "dissolve"), (5, "form"),
    ]  # fmt: skip


def test_a_shock_to_the_learning_rate_makes_alignment_the_last_affinity(jepa: Any) -> None:
    step = history(debate(event(3, "shock", learning_rate=1)), jepa, 3)[-1]
    seen = step.heard.affinity
    pairs = np.triu_indices(4, 1)
    np.testing.assert_allclose(step.alignment[pairs], ((seen + seen.T) / 2)[pairs])


def test_a_shock_to_homophily_changes_whom_agents_hear(jepa: Any) -> None:
    """Ben and Dee are for gas, Ada and Cem against: with homophily all but absolute, each hears its friend."""
    steps = history(debate(event(7, "shock", homophily=100), homophily=0, learning_rate=1), jepa, 40)
    friend = np.array([2, 3, 0, 1])
    share = [np.mean([step.heard.speaker == friend for step in part]) for part in (steps[:6], steps[6:])]
    assert share[0] < 0.6
    assert share[1] > 0.9


def test_a_shock_to_stubbornness_of_some(jepa: Any) -> None:
    scenario = debate(event(3, "shock", stubbornness=1, personas=["ben", "dee"]), traits={"openness": 1.0}, bias=0)
    model = EcosystemModel(scenario, jepa=jepa, rng=1, memory_size=3)
    for _ in range(3):
        model.step()
    assert model.state.stubbornness.tolist() == [0.5, 1.0, 0.5, 1.0]
    assert model.state.memory.locked[[1, 3]].all()
    before = model.state.memory.held.copy()
    for _ in range(12):
        model.step()
    changed = (model.state.memory.held != before).any(1)
    assert changed.tolist() == [True, False, True, False]


def test_a_shock_to_everyone(jepa: Any) -> None:
    model, applied = broadcast(debate(event(1, "shock", stubbornness=0, bias=2)), jepa)
    assert applied.agents == (0, 1, 2, 3)
    assert not model.state.stubbornness.any()
    assert not model.state.memory.locked[model.state.memory.held >= 0].any()
    assert (model.live("bias"), model.live("homophily")) == (2, 2)
    assert model.parameters.bias == 8


def test_every_parameter_may_change_but_those_that_a_debate_is_built_on() -> None:
    assert set(Parameters.model_fields) - set(LIVE) == {"steps", "seed", "memory_size", "learn", "checkpoint_every"}
    schemas = [model.model_json_schema()["properties"] for model in (Parameters, Shock)]
    for name in LIVE:
        kinds = [
            next(k for k in schema[name].get("anyOf", [schema[name]]) if k != {"type": "null"}) for schema in schemas
        ]
        bounds = [{key: kind.get(key) for key in ("type", "enum", *BOUNDS)} for kind in kinds]
        assert bounds[0] == bounds[1], name


BOUNDS = ("minimum", "maximum", "exclusiveMinimum")


def one_sided(*events: dict[str, Any], **parameters: Any) -> Scenario:
    """Return a game in which Ada wants Ben's company, who would rather not have hers, though not enough to leave."""
    affinity = {"ada": {"ben": 0.5}, "ben": {"ada": 0.05}}
    personas = {key: {"name": key.title()} for key in affinity}
    given = {"name": "pair", "topics": [{"id": "all"}], "personas": personas, "affinity": affinity}
    return Scenario.model_validate(
        given | {"interventions": events, "parameters": {"threshold": 0.1, "switching_cost": 0.2, **parameters}}
    )


def test_a_shock_to_the_rule_of_entry_lets_one_in(jepa: Any) -> None:
    steps = history(one_sided(event(3, "shock", entry="nash"), event(5, "shock", entry="individual")), jepa, 6)
    assert [len(set(step.partition.tolist())) for step in steps] == [2, 2, 1, 1, 1, 1]


def test_a_shock_to_the_rule_of_the_threshold_parts_friends(jepa: Any) -> None:
    """A pair is worth .5 to each, just what all pairs are on average: with .03 above the mean no one wants company."""
    steps = history(friends(event(3, "shock", threshold_rule="mean")), jepa, 4)
    assert [len(set(step.partition.tolist())) for step in steps] == [1, 1, 4, 4]


def test_a_cap_breaks_nothing_up_but_holds_from_then_on(jepa: Any) -> None:
    """Alone at first, above the cap; then together; then no one wants company, and all are as apart as it lets them."""
    events = [
        event(3, "shock", max_coalitions=2),
        event(5, "shock", threshold=0.4),
        event(7, "shock", threshold=0.6),
        event(9, "shock", max_coalitions=None),
    ]
    steps = history(friends(*events, threshold=0.6), jepa, 10)
    assert [len(set(step.partition.tolist())) for step in steps] == [4, 4, 4, 4, 1, 1, 2, 2, 4, 4]
    assert all(step.settled for step in steps)


def test_a_shock_to_the_kernel_moves_opinions_another_way(jepa: Any) -> None:
    scenario = debate(event(5, "shock", kernel="degroot"), event(9, "shock", kernel="argument"), traits={"openness": 1})
    model = EcosystemModel(scenario, jepa=jepa, rng=1)
    held = []
    for _ in range(9):
        before = model.state.opinions[:, model.state.topic].copy()
        model.step()
        assert model.last is not None
        held.append(model.state.memory.held.copy())
        product = np.outer(before, before)
        if 5 < model.last.step < 9 and model.last.step % 2 == 0:  # the topic is that of the step before
            seen = ~np.isnan(model.last.heard.affinity)
            np.testing.assert_allclose(model.last.heard.affinity[seen], product[seen])
    assert all((step == held[3]).all() for step in held[4:8])
    assert (held[3] != held[0]).any()
    by_corpus = held_opinions(
        held_matrix(model.state.memory.held, len(model.statements)), model.stage.positions, model.statements.topic_of, 3
    )
    np.testing.assert_array_equal(model.state.opinions, by_corpus)


def test_a_shock_to_the_policy_leaves_those_with_their_own_alone(jepa: Any) -> None:
    events = [event(3, "shock", policy="salient"), event(5, "shock", policy="responsive")]
    model = EcosystemModel(debate(*events, policy="responsive"), jepa=jepa, rng=1)
    model.debaters[3].policy = POLICIES["random"]
    found = []
    for _ in range(5):
        model.step()
        found.append([next(name for name, p in POLICIES.items() if p is one.policy) for one in model.debaters])
    assert [row[:3] for row in found] == [
        [policy] * 3 for policy in ["responsive"] * 2 + ["salient"] * 2 + ["responsive"]
    ]
    assert [row[3] for row in found] == ["random"] * 5


def test_what_salient_speakers_say_after_a_shock(jepa: Any) -> None:
    shocked = EcosystemModel(debate(event(3, "shock", policy="salient"), policy="random"), jepa=jepa, rng=1)
    for _ in range(2):
        shocked.step()
    shocked.open()
    floor, everyone = shocked._floor(), np.arange(4)
    expected = choose(POLICIES["salient"], floor, everyone, np.random.default_rng(0))
    assert shocked.speak().tolist() == expected.tolist()


def test_a_shock_to_the_length_of_topics_holds_for_the_whole_of_its_step(jepa: Any) -> None:
    steps = history(debate(event(4, "shock", topic_duration=1), event(9, "shock", topic_duration=3)), jepa)
    assert [step.topic for step in steps] == [0, 0, 1, 2, 0, 1, 2, 0, 0, 1, 1, 1]


def test_a_shock_to_the_agenda_draws_topics_at_random(jepa: Any) -> None:
    steps = history(debate(event(7, "shock", agenda="random"), topic_duration=1), jepa, 60)
    assert [step.topic for step in steps[:6]] == [0, 1, 2, 0, 1, 2]
    later = [step.topic for step in steps[6:]]
    assert any(one == other for one, other in pairwise(later))
    assert set(later) == {0, 1, 2}


def test_a_shock_to_convergence_slows_a_message(jepa: Any) -> None:
    message = event(1, "message", topic="gas", text=NEWS, personas=["ada"])
    scenario = debate(event(1, "shock", convergence=0.1, confidence=2), message, kernel="deffuant")
    model = EcosystemModel(scenario, jepa=jepa, rng=1)
    before = model.state.opinions[0, 0]
    model.open()
    gap = model.stage.positions[model.statements.texts.index(NEWS)] - before
    assert gap
    assert model.state.opinions[0, 0] == pytest.approx(before + 0.1 * gap)


def test_null_lifts_the_cap_and_changes_nothing_else(tmp_path: Path) -> None:
    lifted = Shock(step=2, kind="shock", max_coalitions=None)
    assert lifted.changes == {"max_coalitions": None}
    spelt_out = Shock.model_validate(event(2, "shock", homophily=3, bias=None, entry=None, personas=[]))
    assert spelt_out.changes == {"homophily": 3.0}
    for shock in (lifted, spelt_out, Shock(step=2, kind="shock", stubbornness=0, personas=("ada",))):
        written = shock.model_dump(mode="json")
        assert Shock.model_validate(written).changes == shock.changes
        assert Shock.model_validate(written) == shock
    assert "entry" not in spelt_out.model_dump()
    scenario = friends(event(2, "shock", max_coalitions=None), max_coalitions=2)
    write_config(tmp_path, scenario)
    assert ecosystem.load_scenario(tmp_path / "config.yaml").interventions[0].changes == {"max_coalitions": None}


@pytest.mark.parametrize(
    ("parameters", "events", "accepted"),
    [
        ({}, [event(3, "shock", threshold=-0.1)], True),
        ({"threshold": -0.1}, [event(3, "shock", threshold_rule="quantile")], False),
        ({"threshold_rule": "quantile"}, [event(3, "shock", threshold=-0.1)], False),
        ({"threshold_rule": "quantile"}, [event(3, "shock", threshold=-0.1, threshold_rule="mean")], True),
        ({}, [event(5, "shock", threshold=-0.1), event(3, "shock", threshold_rule="quantile")], False),
        ({}, [event(5, "shock", threshold=-0.1), event(5, "shock", threshold_rule="quantile", threshold=1)], True),
    ],
)
def test_a_quantile_is_never_negative(parameters: dict[str, Any], events: list[dict[str, Any]], accepted: bool) -> None:
    if accepted:
        friends(*events, **parameters)
        return
    with pytest.raises(ValidationError, match=r"interventions\.\d\.threshold: found -0\.1; as a quantile, 0 to 1"):
        friends(*events, **parameters)


LATER = [
    event(6, "leave", persona="ben"),
    event(6, "message", topic="gas", text=NEWS),
    event(6, "statement", topic="gas", text=NEWS, personas=["ada"]),
    event(6, "shock", homophily=20, stubbornness=0.1),
    event(6, "topic", topic="wind"),
]


@pytest.mark.parametrize("change", LATER, ids=lambda change: str(change["kind"]))
def test_nothing_changes_before_an_intervention(change: dict[str, Any], jepa: Any) -> None:
    earlier = event(1, "topic", topic="wind")  # the agenda is the same at the start in any case
    plain, other = (history(debate(earlier, *events), jepa) for events in ((), (change,)))
    for step, twin in zip(plain[:5], other[:5], strict=True):
        for name in ("topic", "utterances", "alignment", "partition", "forecast"):
            np.testing.assert_array_equal(getattr(step, name), getattr(twin, name))
    assert any((step.alignment != twin.alignment).any() for step, twin in zip(plain[5:], other[5:], strict=True))


# A run with all of them.

ALL = (
    event(2, "message", topic="gas", text=NEWS),
    event(3, "enter", persona="dee"),
    event(5, "topic", topic="wind"),
    event(5, "statement", topic="carbon", text="The carbon price lowered emissions.", personas=["ada", "ben"]),
    event(7, "shock", homophily=9, stubbornness=0.9, entry="nash", max_coalitions=None),
    event(8, "leave", persona="ada"),
)


class Killed(BaseException):
    """Stands for a kill: nothing in the program catches it."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return ecosystem.run(debate(*ALL), steps=12, seed=3, checkpoint_every=3, out=tmp_path_factory.mktemp("runs"))


def parquet_bytes(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted([*folder.glob("*.parquet"), *folder.glob("checkpoints/*")])}


def test_tables_of_a_run_tell_what_took_place(finished: Any) -> None:
    table = finished.interventions
    assert table[["step", "intervention"]].to_numpy().tolist() == [[e["step"], e["kind"]] for e in ALL]
    assert [list(agents) for agents in table["agents"]] == [
        ["ada", "ben", "cem"], ["dee"], [], ["ada", "ben"], KEYS, ["ada"],
    ]  # fmt: skip
    assert table["changes"].tolist()[4] == "homophily=9, entry=nash, max_coalitions=null, stubbornness=0.9"
    assert table["topic"].tolist()[:4] == ["gas", None, "wind", "carbon"]
    away = finished.memberships[~finished.memberships["present"]]
    assert away.groupby("agent")["step"].apply(list).to_dict() == {"dee": [1, 2], "ada": [8, 9, 10, 11, 12]}
    for column in ("affinity.speaker", "affinity.listener", "utterances.speaker", "opinions.agent"):
        name, who = column.split(".")
        frame = getattr(finished, name)
        assert frame["step"][frame[who] == "dee"].min() == 3
        assert frame["step"][frame[who] == "ada"].max() == 7
    holders = finished.statements.set_index("text")["holders"]
    assert list(holders["The carbon price lowered emissions."]) == ["ada", "ben"]
    assert list(holders[NEWS]) == []


@pytest.mark.parametrize("at", [1, 4, 8, 11])
def test_a_killed_run_resumes_across_interventions(
    at: int, finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecosystem.report.gallery.write_figures", lambda *_: [])
    monkeypatch.setattr("ecosystem.report.document.write_report", lambda *_: None)
    add = RunWriter.add

    def interrupted(self: RunWriter, step: Any) -> None:
        add(self, step)
        if step.step == at:
            raise Killed

    arguments: dict[str, Any] = {"steps": 12, "seed": 3, "checkpoint_every": 3, "out": tmp_path}
    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "add", interrupted)
        with pytest.raises(Killed):
            ecosystem.run(debate(*ALL), **arguments)
    resumed = ecosystem.run(debate(*ALL), resume=True, **arguments)
    assert parquet_bytes(resumed.path) == parquet_bytes(finished.path)


@pytest.mark.parametrize("learn", ["adapt", "online"])
def test_a_message_is_weighed_by_what_the_model_has_learned(learn: str, jepa: Any) -> None:
    model = EcosystemModel(debate(event(4, "message", topic="gas", text=NEWS), learn=learn), jepa=jepa, rng=1)
    for _ in range(3):
        model.step()
    row, own = model.statements.texts.index(NEWS), model.statements.texts.index(SAID["ada"][0])
    expected = model.statements.affinity[row, own]
    assert expected != jepa.affinity([NEWS], [SAID["ada"][0]])[0]
    model.state.memory.held[0] = [own, *[-1] * (model.state.memory.held.shape[1] - 1)]
    model.open()
    assert model.state.heard_affinity[0] == pytest.approx(expected, abs=1e-6)


# The shipped scenario.


def test_the_shipped_scenario_has_every_kind() -> None:
    scenario = ecosystem.load_scenario("climate-shock")
    kinds = {e.kind for e in scenario.interventions}
    assert kinds == {"enter", "leave", "statement", "message", "topic", "shock"}
    assert max(e.step for e in scenario.interventions) < scenario.parameters.steps
    trained = (Path(ecosystem.__file__).parent / "jepa" / "statements" / "statements.csv").read_text()
    for persona in scenario.personas.values():
        assert not any(statement.text in trained for statement in persona.corpus)


# What is refused.

GOOD = """\
topics: [ice, tax]
personas:
  ada: {corpus: [{text: The ice is melting., topic: ice}]}
  bob: {corpus: [{text: Taxes only hurt people., topic: tax}]}
"""
BAD = [
    ("{step: 2, kind: entre, persona: ada}", ("interventions.0.kind", "'entre'", "did you mean 'enter'")),
    ("{step: 2, persona: ada}", ("interventions.0.kind", "missing")),
    ("{step: 2, kind: enter}", ("interventions.0.persona", "missing")),
    ("{step: 2, kind: enter, personna: ada}", ("interventions.0.personna", "did you mean 'persona'")),
    ("{step: 0, kind: enter, persona: ada}", ("interventions.0.step", "found 0", "1")),
    ("{step: true, kind: enter, persona: ada}", ("interventions.0", "step", "found true")),
    ("{step: soon, kind: enter, persona: ada}", ("interventions.0.step", "'soon'", "integer")),
    ("{step: 2, kind: enter, persona: eve}", ("interventions.0", "persona 'eve'")),
    ("{step: 2, kind: message, topic: sea, text: Hm.}", ("interventions.0", "topic 'sea'")),
    ("{step: 2, kind: message, topic: ice, text: ' '}", ("interventions.0.text", "' '")),
    ('{step: 2, kind: message, topic: ice, text: "\\a"}', ("interventions.0.text", "U+0007")),
    ("{step: 2, kind: statement, topic: ice, text: Hm., personas: []}", ("interventions.0.personas", "found 0")),
    ("{step: 2, kind: statement, topic: ice, text: Hm., personas: [eve]}", ("interventions.0", "persona 'eve'")),
    ("{step: 2, kind: shock}", ("interventions.0", "no change", "homophily", "stubbornness")),
    ("{step: 2, kind: shock, homophily: -1}", ("interventions.0.homophily", "-1", "0")),
    ("{step: 2, kind: shock, homophily: .nan}", ("interventions.0.homophily", "nan", "finite")),
    ("{step: 2, kind: shock, stubbornness: 1.5}", ("interventions.0.stubbornness", "1.5", "1")),
    ("{step: 2, kind: shock, openness: 0.5}", ("interventions.0.openness", "unknown key")),
    ("{step: 2, kind: shock, bias: 1, personas: [ada]}", ("interventions.0", "'ada'", "only stubbornness")),
    ("{step: 2, kind: topic, topic: ice}, {step: 3, kind: topic, topic: tax}", ("every topic", "from the start")),
    ("{step: 2, kind: enter, persona: ada}, {step: 2, kind: enter, persona: bob}", ("every persona", "from the start")),
    ("{step: 2, kind: enter, persona: ada}, {step: 4, kind: enter, persona: ada}",
     ("interventions.1", "step 4", "'ada'", "already")),
    ("{step: 2, kind: leave, persona: ada}, {step: 4, kind: leave, persona: ada}",
     ("interventions.1", "step 4", "'ada'", "not there")),
    ("{step: 4, kind: leave, persona: ada}, {step: 2, kind: leave, persona: bob}",
     ("interventions.0", "step 4", "no one is left")),
    ("enter", ("interventions.0", "'enter'", "mapping")),
]  # fmt: skip


def complaint(argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line on which a command ends."""
    monkeypatch.setattr(sys, "argv", ["ecosystem", *argv])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert ended.value.code == 2
    assert shown.out == ""
    assert shown.err.startswith("ecosystem: ")
    assert shown.err.count("\n") == 1
    return shown.err


@pytest.mark.parametrize(("events", "words"), BAD, ids=[events for events, _ in BAD])
def test_bad_interventions_end_in_one_line(
    events: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (tmp_path / "scenario.yaml").write_text(f"{GOOD}interventions: [{events}]\n")
    line = complaint(["validate", str(tmp_path)], monkeypatch, capsys)
    for word in ("scenario.yaml", *words):
        assert word in line


def test_a_quantile_that_a_shock_makes_negative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    events = "interventions: [{step: 2, kind: shock, threshold: -0.1}]\n"
    (tmp_path / "scenario.yaml").write_text(GOOD + events)
    assert ecosystem.load_scenario(tmp_path).interventions[0].step == 2
    argv = ["run", str(tmp_path), "--set", "threshold_rule=quantile", "--quiet", "--out", str(tmp_path / "runs")]
    line = complaint(argv, monkeypatch, capsys)
    assert "interventions.0.threshold: found -0.1; as a quantile, 0 to 1 is accepted" in line


def test_what_may_be_left_out_and_what_never_comes(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(f"{GOOD}interventions: []\nparameters: {{steps: 2}}\n")
    assert ecosystem.load_scenario(tmp_path).interventions == ()
    late = debate(event(99, "leave", persona="ada"))
    assert not ecosystem.run(late, steps=2, out=tmp_path).interventions.to_numpy().tolist()
