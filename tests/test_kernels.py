"""The kernels in a debate: each against its definition, agent by agent."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ecosystem.dynamics.exchange import EMPTY, hearing_probabilities, start_memory
from ecosystem.dynamics.kernels import KERNELS, Meeting
from ecosystem.dynamics.positions import axis, held_opinions, statement_positions
from ecosystem.jepa.statements import held_matrix
from ecosystem.model import EcosystemModel
from ecosystem.scenario import Scenario

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 10**6)

N, TOPICS, STATEMENTS = 6, 3, 12


def draw_meeting(seed: int) -> Meeting:
    rng = np.random.default_rng(seed)
    corpora = [tuple(map(int, rng.choice(STATEMENTS, rng.integers(1, 6), replace=False))) for _ in range(N)]
    stubbornness = rng.choice([0.0, 0.5, 1.0], N)
    memory = start_memory(corpora, stubbornness, None, rng)
    spoke, present = rng.random(N) < 0.7, rng.random(N) < 0.9
    utterances = np.where(spoke & present, rng.integers(0, STATEMENTS, N), EMPTY)
    affinity = np.where(rng.random((N, N)) < 0.2, np.nan, rng.uniform(-1, 1, (N, N)))
    affinity[utterances < 0] = np.nan
    affinity[:, ~present] = np.nan
    np.fill_diagonal(affinity, np.nan)
    alignment = rng.uniform(-1, 1, (N, N))
    influence = hearing_probabilities((alignment + alignment.T) / 2, utterances >= 0, rng.uniform(0, 5))
    influence[~present] = 0.0
    coupling = rng.dirichlet(np.ones(TOPICS), TOPICS) if rng.random() < 0.5 else None
    opinions, initial = rng.uniform(-1, 1, (2, N, TOPICS))
    return Meeting(
        tick=7, topic=int(rng.integers(TOPICS)), utterances=utterances, affinity=affinity, influence=influence,
        memory=memory, opinions=opinions, initial=initial, openness=rng.random(N), stubbornness=stubbornness,
        coupling=coupling, bias=float(rng.uniform(0, 9)), confidence=float(rng.uniform(0, 1)),
        convergence=float(rng.uniform(0.05, 0.5)),
    )  # fmt: skip


@quick
@given(seed=seeds)
def test_argument_exchange_equals_its_naive_form(seed: int) -> None:
    meeting = draw_meeting(seed)
    twin, draws = copy.deepcopy(meeting), np.random.default_rng(seed)
    found = KERNELS["argument"](meeting, np.random.default_rng(seed))
    points, chances = draws.random((N, 1))[:, 0], draws.random(N)
    for listener in range(N):
        row = twin.influence[listener]
        if not row.any():
            assert found.speaker[listener] == EMPTY
            assert not found.accepted[listener]
            continue
        left, speaker = points[listener] * row.sum(), -1
        for speaker in np.flatnonzero(row).tolist():
            left -= row[speaker]
            if left < 0:
                break
        assert found.speaker[listener] == speaker
        agreement = twin.affinity[speaker, listener]
        agreement = 0.0 if math.isnan(agreement) else agreement
        accepted = chances[listener] < twin.openness[listener] / (1 + math.exp(-twin.bias * agreement))
        assert found.accepted[listener] == accepted
        if accepted:
            adopted = np.array([listener]), np.array([twin.utterances[speaker]])
            assert found.dropped[listener] == twin.memory.adopt(*adopted, twin.tick)[0]
    for name in ("held", "age", "locked", "said"):
        np.testing.assert_array_equal(getattr(meeting.memory, name), getattr(twin.memory, name))
    assert found.opinions is None


def naive_opinions(meeting: Meeting, kernel: str) -> list[float]:
    x, topic = meeting.opinions, meeting.topic
    after = []
    for i in range(N):
        heard = [j for j in range(N) if meeting.influence[i, j] > 0]
        if kernel == "hk":
            near = [j for j in range(N) if meeting.utterances[j] >= 0 and heard]
            near = [j for j in {*near, i} if abs(x[i, topic] - x[j, topic]) <= meeting.confidence]
            after.append(sum(x[j, topic] for j in near) / len(near))
            continue
        mixed = []
        for t in range(TOPICS):
            pull = sum(meeting.influence[i, j] * x[j, t] for j in heard)
            mixed.append((1 - meeting.openness[i]) * x[i, t] + meeting.openness[i] * pull if heard else x[i, t])
        if kernel == "degroot":
            after.append(mixed[topic])
            continue
        coupling = np.eye(TOPICS) if meeting.coupling is None else meeting.coupling
        mean = sum(coupling[topic, t] * mixed[t] for t in range(TOPICS))
        anchor = meeting.stubbornness[i]
        after.append((1 - anchor) * mean + anchor * meeting.initial[i, topic])
    return after


@quick
@given(seed=seeds, kernel=st.sampled_from(["degroot", "fj", "hk"]))
def test_averaging_kernels_equal_their_naive_forms(seed: int, kernel: str) -> None:
    meeting = draw_meeting(seed)
    found = KERNELS[kernel](meeting, np.random.default_rng(seed))
    assert found.opinions is not None
    np.testing.assert_allclose(found.opinions, naive_opinions(meeting, kernel), atol=1e-12)


@quick
@given(seed=seeds)
def test_only_pairs_who_speak_meet(seed: int) -> None:
    meeting = draw_meeting(seed)
    found = KERNELS["deffuant"](meeting, np.random.default_rng(seed))
    assert found.opinions is not None
    before = meeting.opinions[:, meeting.topic]
    for one in range(N):
        other = found.speaker[one]
        if other == EMPTY:
            assert found.opinions[one] == before[one]
            continue
        assert meeting.utterances[one] >= 0
        assert found.speaker[other] == one
        gap = before[other] - before[one]
        step = meeting.convergence * gap if abs(gap) < meeting.confidence else 0.0
        assert found.opinions[one] == pytest.approx(before[one] + step)
    assert (found.speaker == EMPTY).sum() - (meeting.utterances < 0).sum() in (0, 1)


@quick
@given(seed=seeds, kernel=st.sampled_from(["degroot", "fj", "deffuant", "hk"]))
def test_who_moved_heard_someone_on_the_way(seed: int, kernel: str) -> None:
    """What an agent is said to have heard lies where it went, and affinity is the product of opinions."""
    meeting = draw_meeting(seed)
    held = meeting.memory.held.copy()
    found = KERNELS[kernel](meeting, np.random.default_rng(seed))
    assert found.opinions is not None
    before = meeting.opinions[:, meeting.topic]
    for agent in np.flatnonzero(found.accepted).tolist():
        speaker = found.speaker[agent]
        assert meeting.utterances[speaker] >= 0
        assert (before[speaker] - before[agent]) * (found.opinions[agent] - before[agent]) > 0
    known = ~np.isnan(meeting.affinity)
    np.testing.assert_array_equal(np.isnan(found.affinity), ~known)
    np.testing.assert_allclose(found.affinity[known], np.outer(before, before)[known])
    np.testing.assert_array_equal(meeting.memory.held, held)


# Opinions read off corpora.


@quick
@given(seed=seeds, n=st.integers(6, 14))
def test_axis_recovers_positions_from_their_products(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    positions = rng.uniform(0.2, 0.95, n) * rng.choice([-1, 1], n)
    affinity = np.outer(positions, positions)
    np.fill_diagonal(affinity, 1.0)
    found = axis(affinity)
    sign = np.sign(found @ positions)
    np.testing.assert_allclose(found * sign, positions, atol=0.02)


def test_leaning_settles_the_sign_and_topics_stay_apart() -> None:
    affinity = np.array([[1, -0.5, 0], [-0.5, 1, 0], [0, 0, 1]], np.float64)
    topic_of = np.array([0, 0, 1])
    one = statement_positions(affinity, topic_of, np.array([0.0, 0.9, 0.0]))
    assert one[1] > 0 > one[0]
    other = statement_positions(affinity, topic_of, np.array([0.0, -0.9, 0.0]))
    np.testing.assert_allclose(one[:2], -other[:2])
    holders = held_matrix(np.array([[0, 1], [1, -1], [-1, -1]]), 3)
    opinions = held_opinions(holders, one, topic_of, 2)
    assert opinions.shape == (3, 2)
    assert opinions[0, 0] == pytest.approx((one[0] + one[1]) / 2)
    assert opinions[1, 0] == one[1]
    assert not opinions[2].any()
    assert not opinions[:, 1].any()


def variance(model: EcosystemModel) -> float:
    opinions: NDArray[np.float64] = model.state.opinions
    return float(opinions.var(0).mean())


def debate_under(scenario: Scenario, jepa: Any, kernel: str, **parameters: Any) -> EcosystemModel:
    model = EcosystemModel(scenario, jepa=jepa, rng=1, kernel=kernel, **parameters)
    for _ in range(48):
        model.step()
    return model


def test_each_kernel_does_to_the_debate_what_it_is_known_for(debate: Scenario, jepa: Any) -> None:
    """DeGroot ends in consensus; stubbornness (FJ) and bounded confidence keep agents apart; words only where due."""
    start = variance(EcosystemModel(debate, jepa=jepa, rng=1))
    ends = {kernel: variance(debate_under(debate, jepa, kernel)) for kernel in KERNELS}
    assert ends["degroot"] < 0.1 * start
    assert 0.2 * start < ends["fj"] < 0.8 * start
    assert ends["degroot"] < ends["hk"] < start
    assert ends["deffuant"] < start
    free = variance(debate_under(debate, jepa, "hk", confidence=2.0))
    assert free < 0.1 * start
    assert variance(debate_under(debate, jepa, "deffuant", confidence=0.0)) == pytest.approx(start)


def test_opinions_follow_what_agents_hold_in_the_exchange_of_arguments(debate: Scenario, jepa: Any) -> None:
    model = debate_under(debate, jepa, "argument")
    table, positions = model.statements, model.stage.positions
    for agent, topic in ((0, 0), (3, 5), (13, 15)):
        held = [s for s in model.state.memory.held[agent] if s >= 0 and table.topic_of[s] == topic]
        expected = np.mean([positions[s] for s in held]) if held else 0.0
        assert model.state.opinions[agent, topic] == pytest.approx(expected)


def test_a_topic_moves_those_that_depend_on_it(debate: Scenario, jepa: Any) -> None:
    raw = debate.model_dump()
    raw["topics"][0]["depends_on"] = {raw["topics"][1]["id"]: 0.6}
    alone = debate_under(debate, jepa, "fj", topic_duration=48)
    coupled = debate_under(Scenario.model_validate(raw), jepa, "fj", topic_duration=48)
    assert np.abs(alone.state.opinions[:, 0] - coupled.state.opinions[:, 0]).max() > 0.02
    np.testing.assert_array_equal(alone.state.opinions[:, 1:], coupled.state.opinions[:, 1:])
