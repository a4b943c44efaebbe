"""Enumeration of partitions, stable partitions, and the landscape of energy: published answers, plain counterparts."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem.dynamics.coalitions import RULES, Entry, Game, is_stable, regroup
from ecosystem.dynamics.landscape import count_partitions, most_agents, partitions, stable_partitions
from ecosystem.dynamics.landscape import landscape as enumerate_landscape
from ecosystem.errors import InputError
from ecosystem.jepa.statements import Statements
from ecosystem.landscapes import corpus_alignment, landscape, scenario_alignment
from ecosystem.model import EcosystemModel
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def symmetric(rng: np.random.Generator, n: int) -> Any:
    alignment = np.triu(rng.uniform(-1, 1, (n, n)), 1)
    return alignment + alignment.T


@st.composite
def games(draw: Any) -> Game:
    """Draw a game of up to six agents, symmetric or not, perhaps with ties."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n = draw(st.integers(1, 6))
    alignment = symmetric(rng, n) if draw(st.booleans()) else rng.uniform(-1, 1, (n, n))
    if draw(st.booleans()):
        alignment = (alignment * 2).round() / 2
    return Game(
        alignment,
        rng.choice([0.5, 1.0, 4.0], n),
        threshold=draw(st.sampled_from([0.0, 0.5, -0.25])),
        switching_cost=draw(st.sampled_from([0.0, 0.5])),
        max_coalitions=draw(st.sampled_from([None, 1, 2, 3])),
    )


# Enumeration.


def test_number_of_partitions() -> None:
    bell = [1, 2, 5, 15, 52, 203, 877, 4140]
    assert [len(partitions(n)) for n in range(1, 9)] == bell
    assert [count_partitions(n) for n in range(1, 9)] == bell
    assert count_partitions(10) == len(partitions(10)) == 115_975
    assert [len(partitions(n, 2)) for n in (1, 2, 9, 20)] == [1, 2, 256, 524_288]
    assert [len(partitions(n, 3)) for n in (3, 4, 5)] == [5, 14, 41]
    assert len(partitions(50, 1)) == 1


@pytest.mark.parametrize("max_blocks", [None, 1, 2, 3, 9])
def test_partitions_are_all_there_once(max_blocks: int | None) -> None:
    """Labelling agents in every way and renaming labels by first appearance gives the same set."""
    for n in range(1, 6):
        strings = partitions(n, max_blocks)
        assert strings.dtype == np.int8
        rows = [tuple(row) for row in strings.tolist()]
        assert rows == sorted(set(rows))
        named = set()
        for labels in itertools.product(range(n), repeat=n):
            first = list(dict.fromkeys(labels))
            if max_blocks is None or len(first) <= max_blocks:
                named.add(tuple(first.index(label) for label in labels))
        assert set(rows) == named


def test_too_many_agents_are_refused() -> None:
    assert (most_agents(), most_agents(2), most_agents(3)) == (11, 21, 14)
    for n, max_blocks, most in ((12, None, 11), (22, 2, 21), (1000, 5, 11)):
        with pytest.raises(ValueError, match=f"{n} agents.*{most}"):
            partitions(n, max_blocks)


# Stable partitions.


@quick
@given(games(), st.sampled_from(RULES))
def test_stable_partitions_are_those_found_stable_one_by_one(game: Game, entry: Entry) -> None:
    expected = [p.tolist() for p in partitions(len(game.weights), game.max_coalitions) if is_stable(game, p, entry)]
    assert stable_partitions(game, entry).tolist() == expected


def test_stalker_game_has_no_nash_stable_partition() -> None:
    game = Game(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.ones(2))
    assert stable_partitions(game, "nash").shape == (0, 2)
    assert stable_partitions(game, "individual").tolist() == [[0, 1]]


def test_best_partition_of_a_symmetric_game_is_among_the_nash_stable() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        n = int(rng.integers(2, 7))
        game = Game(symmetric(rng, n), rng.uniform(0.2, 3, n), threshold=rng.uniform(-0.3, 0.3))
        stable = stable_partitions(game, "nash")
        best = max(partitions(n).astype(np.int64), key=game.potential)
        assert best.tolist() in stable.tolist()
        assert len(stable) < count_partitions(n)


@pytest.mark.parametrize("entry", RULES)
def test_ten_agents_in_two_known_camps(entry: Entry) -> None:
    """Friends within camps of five and enemies between: nothing else is Nash-stable; stricter rules add to it."""
    camp = np.arange(10) < 5
    game = Game(np.where(camp[:, None] == camp[None, :], 1.0, -1.0), np.ones(10))
    found = stable_partitions(game, entry).tolist()
    camps = [[0] * 5 + [1] * 5]
    assert found == camps if entry != "contractual" else (camps[0] in found and len(found) > 1)


# The landscape.


def naive_landscape(game: Game, max_coalitions: int | None) -> dict[tuple[int, ...], tuple[float, int]]:
    """Return energy and basin of every minimum, by partition; one configuration and one neighbour at a time."""
    n = len(game.weights)
    strings = [tuple(row) for row in partitions(n, max_coalitions).tolist()]
    mean = (game.alignment + game.alignment.T) / 2

    def energy(labels: tuple[int, ...]) -> float:
        pairs = [(i, j) for i in range(n) for j in range(n) if labels[i] != labels[j]]
        return sum(game.weights[i] * game.weights[j] * (mean[i, j] - game.threshold) for i, j in pairs)

    def lowest(labels: tuple[int, ...]) -> tuple[int, ...]:
        best = labels
        for agent in range(n):
            for label in range(n if max_coalitions is None else min(n, max_coalitions)):
                moved = [*labels[:agent], label, *labels[agent + 1 :]]
                named = tuple(list(dict.fromkeys(moved)).index(one) for one in moved)
                if energy(named) < energy(best) - 1e-9:
                    best = named
        return best

    basins: dict[tuple[int, ...], int] = {}
    for start in strings:
        here = start
        while (lower := lowest(here)) != here:
            here = lower
        basins[here] = basins.get(here, 0) + 1
    return {labels: (energy(labels), basin) for labels, basin in basins.items()}


@settings(quick, max_examples=40)
@given(games())
def test_landscape_equals_a_plain_walk(game: Game) -> None:
    cap = game.max_coalitions
    if cap is None and len(game.weights) > 5:
        cap = 4
    found = enumerate_landscape(game.alignment, game.weights, cap, game.threshold)
    assert found.configurations == count_partitions(len(game.weights), cap)
    assert sum(minimum.basin for minimum in found.minima) == found.configurations
    told = {tuple(m.partition.tolist()): (m.energy, m.basin) for m in found.minima}
    expected = naive_landscape(game, cap)
    assert set(told) == set(expected)
    for labels, (energy, basin) in expected.items():
        assert told[labels] == (pytest.approx(energy, abs=1e-9), basin)
    energies = [m.energy for m in found.minima]
    np.testing.assert_allclose(energies, sorted(energies), atol=1e-9)


def test_energy_is_twice_what_the_potential_leaves() -> None:
    """A move that raises the potential by x lowers the energy by 2 x."""
    rng = np.random.default_rng(4)
    game = Game(symmetric(rng, 6), rng.uniform(0.5, 2, 6), threshold=0.1)
    together = game.potential(np.zeros(6, np.int64))
    found = enumerate_landscape(game.alignment, game.weights, None, game.threshold)
    for minimum in found.minima:
        assert minimum.energy == pytest.approx(2 * (together - game.potential(minimum.partition)))
    best = max(partitions(6).astype(np.int64), key=game.potential)
    np.testing.assert_array_equal(found.minima[0].partition, best)


# Scenarios.


def test_unix_1988_is_as_published() -> None:
    """256 configurations; two minima at -3828.9 with basins of 128: the two alliances of the paper."""
    found = landscape("unix-1988")
    assert json.loads(json.dumps(found)) == found
    assert found["configurations"] == 256
    assert len(found["minima"]) == 2
    sides = [{"Sun", "Prime", "AT&T", "IBM"}, {"Sun", "Prime", "DEC", "HP"}]
    for minimum in found["minima"]:
        assert minimum["energy"] == pytest.approx(-3828.9, abs=1e-9)
        assert minimum["basin"] == 128
        assert minimum["alone"] == []
        one, other = (set(coalition) for coalition in minimum["coalitions"])
        assert len(one | other) == 9
        assert one in sides or other in sides
    told = {frozenset(minimum["coalitions"][0]): minimum["bloc_recovery"] for minimum in found["minima"]}
    assert told[frozenset(sides[0])] == pytest.approx(5 / 9)
    assert told[frozenset(sides[1])] == pytest.approx(0.0)


def test_unix_1988_affinity_is_that_of_the_types() -> None:
    scenario = load_scenario("unix-1988")
    names = [persona.name for persona in scenario.personas.values()]
    specialist = np.array([name in ("Sun", "Prime", "Apollo", "Intergraph", "SGI") for name in names])
    expected = np.where(specialist[:, None] == specialist[None, :], -1.0, 0.0)
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_array_equal(scenario_alignment(scenario), expected)
    sizes = {persona.name: persona.traits.weight for persona in scenario.personas.values()}
    assert sizes["AT&T"] == 28.5
    assert sum(sizes.values()) == pytest.approx(123.7)


def test_highland_tribes_have_frustration_index_seven() -> None:
    """In two camps the energy is 2 (F - 29): F ties frustrated, 29 enmities in all."""
    scenario = load_scenario("highland-tribes")
    alignment = scenario_alignment(scenario)
    assert (alignment == 1).sum() == (alignment == -1).sum() == 2 * 29
    found = landscape(scenario)
    assert found["max_coalitions"] == 2
    assert found["configurations"] == 2**15
    assert found["minima"][0]["energy"] == 2 * (7 - 29)
    assert sorted(found["minima"][0]["coalitions"], key=len)[0] == ["Gama", "Gavev", "Kotun", "Nagad"]
    assert [round(minimum["energy"]) for minimum in found["minima"]] == [-44, -38, -32, -32, -30]
    assert "bloc_recovery" not in found["minima"][0]


def test_highland_tribes_settle_in_three_camps_or_four() -> None:
    alignment = scenario_alignment(load_scenario("highland-tribes"))
    frustrated = set()
    for seed in range(20):
        found = regroup(Game(alignment, np.ones(16), entry="nash"), np.arange(16), np.random.default_rng(seed))
        apart = found.partition[:, None] != found.partition[None, :]
        frustrated.add(int(((alignment > 0) & apart | (alignment < 0) & ~apart).sum()) // 2)
    assert frustrated == {2, 4}


def test_too_many_personas_are_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"^highland-tribes: personas: found 16; .* 3 coalitions, up to 14 are"):
        landscape("highland-tribes", max_coalitions=3)
    with pytest.raises(InputError, match="max_coalitions"):
        landscape("unix-1988", max_coalitions=0)


def test_lone_personas_and_threshold_are_told() -> None:
    found = landscape("unix-1988", max_coalitions=9)
    lowest = found["minima"][0]
    assert found["configurations"] == 21147
    assert lowest["energy"] == pytest.approx(-4975.14)
    assert lowest["alone"] == [members[0] for members in lowest["coalitions"] if len(members) == 1] == ["Prime"]
    raised = landscape("unix-1988", threshold=-1.0)
    assert raised["threshold"] == -1.0
    assert [len(members) for members in raised["minima"][0]["coalitions"]] == [9]


def test_corpora_are_aligned_topic_by_topic() -> None:
    """Two topics, three agents; 2 is silent on topic 0, and 1 holds two statements on it."""
    affinity = np.zeros((5, 5), np.float32)
    relevance = np.zeros((5, 5), np.float32)
    for a, b, value, weight in ((0, 1, 0.8, 1.0), (0, 2, -0.4, 0.5), (3, 4, 0.6, 1.0)):
        affinity[a, b] = affinity[b, a] = value
        relevance[a, b] = relevance[b, a] = weight
    empty = np.zeros((5, 1), np.float32)
    table = Statements(tuple("abcde"), np.array([0, 0, 0, 1, 1]), empty, affinity, relevance, affinity, affinity[None])
    corpora = np.array([[1, 0, 0, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 1]], bool)
    # 1 hears a: (.8 + .5 * -.4) / 1.5 = .4; 0 hears b and c: (.8 - .4) / 2 = .2; mean .3.
    expected = np.array([[0, 0.3, 0.6], [0.3, 0, 0], [0.6, 0, 0]])
    np.testing.assert_allclose(corpus_alignment(table, corpora), expected, atol=1e-7)


def test_corpora_are_aligned_as_the_model_predicts(duet: Scenario, jepa: Any) -> None:
    model = EcosystemModel(duet, jepa=jepa)
    forecasts = []
    for topic in range(len(duet.topics)):
        model.state.topic = topic
        forecast = model.predict()[0]
        forecasts.append((forecast[0, 1] + forecast[1, 0]) / 2)
    expected = float(np.mean(forecasts))
    assert scenario_alignment(duet, jepa)[0, 1] == pytest.approx(expected, abs=1e-6)
    found = landscape(duet, jepa=jepa, threshold=expected - 0.01)
    assert found["configurations"] == 2
    assert [minimum["coalitions"] for minimum in found["minima"]] == [[["Agent A", "Agent B"]]]
    apart = landscape(duet, jepa=jepa, threshold=expected + 0.01)["minima"]
    assert apart[0]["coalitions"] == [["Agent A"], ["Agent B"]]
    assert apart[0]["alone"] == ["Agent A", "Agent B"]
    assert apart[0]["energy"] == pytest.approx(-0.02, abs=1e-6)


def test_a_debate_has_a_landscape(debate: Scenario, jepa: Any) -> None:
    found = landscape(debate, jepa=jepa, threshold_rule="mean", threshold=0.0)
    assert found["configurations"] == 2**13
    alignment = scenario_alignment(debate, jepa)
    assert found["threshold"] == pytest.approx(alignment[np.triu_indices(14, 1)].mean())
    names = {persona.name for persona in debate.personas.values()}
    for minimum in found["minima"]:
        assert set().union(*minimum["coalitions"]) == names
    assert found["minima"][0]["energy"] < 0
