"""Speech policies: what is said next, against plain per-agent forms."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.policies import POLICIES, SILENT, Floor, choose

quick = settings(max_examples=80, deadline=None, derandomize=True, database=None)
N_AGENTS, N_STATEMENTS, PLACES = 6, 15, 5


def draw_floor(seed: int) -> Floor:
    """Return a floor of six agents, five places each, some of them free, on three topics."""
    rng = np.random.default_rng(seed)
    memory = np.stack([rng.choice(N_STATEMENTS, PLACES, replace=False) for _ in range(N_AGENTS)])
    memory[rng.random(memory.shape) < 0.2] = SILENT
    points = rng.normal(size=(N_STATEMENTS, 4))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return Floor(
        topic=int(rng.integers(3)),
        memory=memory,
        own=rng.random(memory.shape) < 0.6,
        said=rng.integers(0, 3, memory.shape),
        topic_of=rng.integers(0, 3, N_STATEMENTS),
        cosine=(points @ points.T).astype(np.float32),
        reply_energy=rng.random((2, N_STATEMENTS, N_STATEMENTS)).astype(np.float32),
        heard=rng.integers(-1, N_STATEMENTS, N_AGENTS),
        heard_affinity=rng.choice([-0.5, 0.0, 0.7], N_AGENTS),
    )


def sayable(floor: Floor, agent: int) -> list[int]:
    """Return the places of what an agent may say: on the topic, own ones first, the least often said."""
    places = [
        place
        for place, statement in enumerate(floor.memory[agent])
        if statement != SILENT and floor.topic_of[statement] == floor.topic
    ]
    places = [place for place in places if floor.own[agent, place]] or places
    least = min((floor.said[agent, place] for place in places), default=0)
    return [place for place in places if floor.said[agent, place] == least]


def centrality(floor: Floor, agent: int, statement: int) -> float:
    held = [s for s in floor.memory[agent] if s != SILENT and floor.topic_of[s] == floor.topic]
    return float(np.mean([float(floor.cosine[statement, other]) for other in held]))


def naive_choice(name: str, floor: Floor, agent: int) -> int:
    candidates = [int(floor.memory[agent, place]) for place in sayable(floor, agent)]
    if not candidates:
        return SILENT
    heard = int(floor.heard[agent])
    if name == "responsive" and heard != SILENT:
        relation = 0 if floor.heard_affinity[agent] >= 0 else 1
        return min(candidates, key=lambda s: float(floor.reply_energy[relation, heard, s]))
    return max(candidates, key=lambda s: centrality(floor, agent, s))


@pytest.mark.parametrize("name", ["salient", "responsive"])
@quick
@given(seed=st.integers(0, 10**6))
def test_choice_equals_its_naive_form(name: str, seed: int) -> None:
    floor = draw_floor(seed)
    agents = np.random.default_rng(seed).permutation(N_AGENTS)[:4]
    found = choose(POLICIES[name], floor, agents, np.random.default_rng(0))
    for agent, said in zip(agents.tolist(), found.tolist(), strict=True):
        expected = naive_choice(name, floor, agent)
        if said != expected:  # a tie, up to rounding
            assert said in floor.memory[agent, sayable(floor, agent)]
            assert name == "salient" or floor.heard[agent] == SILENT
            assert centrality(floor, agent, said) == pytest.approx(centrality(floor, agent, expected), abs=1e-6)


@pytest.mark.parametrize("name", POLICIES)
@quick
@given(seed=st.integers(0, 10**6))
def test_agents_say_what_they_may(name: str, seed: int) -> None:
    floor, everyone = draw_floor(seed), np.arange(N_AGENTS)
    before = floor.memory.copy(), floor.said.copy()
    scores = POLICIES[name](floor, everyone, np.random.default_rng(seed))
    assert scores.shape == floor.memory.shape
    on_topic = floor.on_topic(everyone)
    assert ((scores[on_topic] >= 0) & (scores[on_topic] <= 1 + 1e-6)).all()
    found = choose(POLICIES[name], floor, everyone, np.random.default_rng(seed))
    for agent, said in enumerate(found.tolist()):
        places = sayable(floor, agent)
        assert said in floor.memory[agent, places] if places else said == SILENT
    np.testing.assert_array_equal(floor.memory, before[0])
    np.testing.assert_array_equal(floor.said, before[1])
    if name != "random":
        rng = np.random.default_rng(1)
        one_by_one = [int(choose(POLICIES[name], floor, np.array([agent]), rng)[0]) for agent in everyone]
        assert found.tolist() == one_by_one


def test_random_gives_every_argument_the_same_chance() -> None:
    floor = replace(
        draw_floor(0),
        topic=0,
        topic_of=np.zeros(N_STATEMENTS, np.int64),
        memory=np.arange(N_AGENTS * PLACES).reshape(N_AGENTS, PLACES) % N_STATEMENTS,
        own=np.ones((N_AGENTS, PLACES), bool),
        said=np.zeros((N_AGENTS, PLACES), np.int64),
    )
    rng = np.random.default_rng(1)
    drawn = Counter(int(choose(POLICIES["random"], floor, np.array([2]), rng)[0]) for _ in range(4000))
    assert set(drawn) == set(floor.memory[2].tolist())
    assert all(abs(count / 4000 - 0.2) < 0.03 for count in drawn.values())


def test_reply_depends_on_whether_one_agrees() -> None:
    """The nearest reply of one who agrees is statement 1, of one who opposes statement 2."""
    energy = np.full((2, 3, 3), 9.0, np.float32)
    energy[0, 0, 1] = energy[1, 0, 2] = 0.1
    floor = Floor(
        topic=0,
        memory=np.array([[1, 2], [1, 2], [1, 2]]),
        own=np.ones((3, 2), bool),
        said=np.zeros((3, 2), np.int64),
        topic_of=np.zeros(3, np.int64),
        cosine=np.eye(3, dtype=np.float32),
        reply_energy=energy,
        heard=np.zeros(3, np.int64),
        heard_affinity=np.array([0.6, -0.6, 0.0]),
    )
    said = choose(POLICIES["responsive"], floor, np.arange(3), np.random.default_rng(0))
    assert said.tolist() == [1, 2, 1]


def test_own_arguments_come_before_those_taken_over() -> None:
    floor = draw_floor(3)
    agents = np.arange(N_AGENTS)
    for name in POLICIES:
        said = choose(POLICIES[name], floor, agents, np.random.default_rng(0))
        for agent in agents.tolist():
            places = np.flatnonzero(floor.on_topic(agents)[agent])
            own = {int(floor.memory[agent, place]) for place in places if floor.own[agent, place]}
            assert not own or said[agent] in own


@quick
@given(st.integers(0, 10_000), st.integers(1, 20))
def test_free_places_change_nothing_of_what_is_said(seed: int, more: int) -> None:
    floor, agents = draw_floor(seed), np.arange(N_AGENTS)
    roomy = replace(
        floor,
        memory=np.pad(floor.memory, ((0, 0), (0, more)), constant_values=SILENT),
        own=np.pad(floor.own, ((0, 0), (0, more))),
        said=np.pad(floor.said, ((0, 0), (0, more))),
    )
    for name, policy in POLICIES.items():
        scores = [policy(one, agents, np.random.default_rng(1))[:, :PLACES] for one in (floor, roomy)]
        np.testing.assert_array_equal(*scores, err_msg=name)
        said = [choose(policy, one, agents, np.random.default_rng(1)) for one in (floor, roomy)]
        np.testing.assert_array_equal(*said, err_msg=name)
