"""Coalitions as a hedonic game: known answers, invariants, and a plain game to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem.dynamics.coalitions import Game, Move, Partition, defectors, is_stable, regroup

quick = settings(max_examples=80, deadline=None, derandomize=True, database=None)
Entry = Literal["nash", "individual", "contractual"]
ENTRIES: tuple[Entry, ...] = ("nash", "individual", "contractual")


def partitions(n: int) -> Iterator[Partition]:
    """Yield every partition of n agents, as restricted growth strings."""

    def grow(labels: list[int]) -> Iterator[Partition]:
        if len(labels) == n:
            yield np.array(labels, np.int64)
            return
        for label in range(max(labels, default=-1) + 2):
            yield from grow([*labels, label])

    return grow([])


def symmetric(rng: np.random.Generator, n: int) -> Any:
    alignment = np.triu(rng.uniform(-1, 1, (n, n)), 1)
    return alignment + alignment.T


@st.composite
def games(draw: Any, symmetric_alignment: bool = True) -> tuple[Game, Partition, np.random.Generator]:
    """Draw a game, a partition to start from, and a generator."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n = draw(st.integers(1, 9))
    alignment = symmetric(rng, n) if symmetric_alignment else rng.uniform(-1, 1, (n, n))
    if draw(st.booleans()):
        alignment = alignment.round(1)  # ties
    game = Game(
        alignment,
        rng.choice([0.1, 1.0, 7.0], n) if draw(st.booleans()) else np.ones(n),
        threshold=draw(st.sampled_from([0.0, 0.1, -0.3, 0.5])),
        switching_cost=draw(st.sampled_from([0.0, 0.05, 0.7])),
        entry=draw(st.sampled_from(ENTRIES)),
        max_coalitions=draw(st.sampled_from([None, 1, 2, 4])),
    )
    return game, rng.integers(-3, draw(st.integers(-2, 6)), n), rng


def naive_utility(game: Game, agent: int, block: set[int]) -> float:
    return float(sum(game.weights[j] * (game.alignment[agent, j] - game.threshold) for j in block - {agent}))


def naive_options(game: Game, agent: int, blocks: list[set[int]]) -> list[tuple[float, set[int]]]:
    """Return the gain and the target of every move the rules allow, from their definitions."""
    own = next(block for block in blocks if agent in block)
    others = [block for block in blocks if block is not own]
    if len(own) > 1 and (game.max_coalitions is None or len(blocks) < game.max_coalitions):
        others.append(set())
    allowed = []
    for block in others:
        hurt = any(naive_utility(game, j, {agent, j}) < 0 for j in block)
        missed = any(naive_utility(game, j, {agent, j}) > 0 for j in own - {agent})
        if (game.entry != "nash" and hurt) or (game.entry == "contractual" and missed):
            continue
        allowed.append((naive_utility(game, agent, block) - naive_utility(game, agent, own), block))
    return allowed


def naive_regroup(game: Game, partition: Partition, rng: np.random.Generator) -> tuple[list[set[int]], list[Any]]:
    """Play agent by agent with plain sets; asks in the order the same generator gives `regroup`."""
    blocks = [set(np.flatnonzero(partition == label).tolist()) for label in np.unique(partition)]
    moves: list[Any] = []
    while True:
        n_before = len(moves)
        for agent in rng.permutation(len(partition)).tolist():
            gain, block = max(naive_options(game, agent, blocks), key=lambda o: o[0], default=(-1.0, set()))
            if gain > game.switching_cost + 1e-9:
                moves.append((agent, frozenset(block), gain))
                next(own for own in blocks if agent in own).discard(agent)
                if not block:
                    blocks.append(block)
                block.add(agent)
                blocks = [b for b in blocks if b]
        if len(moves) == n_before:
            return blocks, moves


def replay(partition: Partition, moves: list[Move]) -> list[Partition]:
    """Return the partition before the first move and after each, by the labels the moves name."""
    found, fresh = [partition.copy()], int(partition.max()) + 1
    for move in moves:
        now = found[-1].copy()
        assert now[move.agent] == move.origin
        if move.target is None:
            now[move.agent], fresh = fresh, fresh + 1
        else:
            assert move.target in now, "the coalition joined exists"
            now[move.agent] = move.target
        found.append(now)
    return found


# Known answers.


def test_number_of_partitions() -> None:
    assert [sum(1 for _ in partitions(n)) for n in range(1, 9)] == [1, 2, 5, 15, 52, 203, 877, 4140]


def test_stalker_game() -> None:
    """One wants company, the other none: nothing is Nash-stable; under individual entry both stay alone."""
    game = Game(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.ones(2))
    together, apart = np.array([0, 0]), np.array([0, 1])
    assert not is_stable(game, together, "nash")
    assert not is_stable(game, apart, "nash")
    assert is_stable(game, apart, "individual")
    assert not is_stable(game, together, "individual")
    for start in (together, apart):
        chase = Game(game.alignment, game.weights, entry="nash")
        _, moves, settled = regroup(chase, start, np.random.default_rng(0), max_moves=37)
        assert not settled
        assert len(moves) == 37
        partition, _, settled = regroup(game, start, np.random.default_rng(0))
        assert settled
        assert partition[0] != partition[1]


def test_endless_game_is_cut_at_fifty_moves_per_agent() -> None:
    game = Game(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.ones(2), entry="nash")
    _, moves, settled = regroup(game, np.array([0, 1]), np.random.default_rng(3))
    assert not settled
    assert len(moves) == 100


def test_best_partition_of_a_symmetric_game_is_nash_stable() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        n = int(rng.integers(2, 7))
        game = Game(symmetric(rng, n), rng.uniform(0.2, 3, n), threshold=rng.uniform(-0.3, 0.3))
        best = max(partitions(n), key=game.potential)
        assert is_stable(game, best, "nash")
        worst = min(partitions(n), key=game.potential)
        assert game.potential(worst) < game.potential(best)
        assert not is_stable(game, worst, "nash")


FIRMS = ["Sun", "Prime", "DEC", "HP", "Apollo", "Intergraph", "SGI", "AT&T", "IBM"]
SIZES = np.array([28.9, 1.0, 20.0, 11.5, 21.2, 4.4, 4.4, 28.5, 3.8])
SPECIALISTS = np.array([name in ("Sun", "Prime", "Apollo", "Intergraph", "SGI") for name in FIRMS])
LANDSCAPE = [{"Sun", "Prime", "AT&T", "IBM"}, {"Sun", "Prime", "DEC", "HP"}]


def unix_1988() -> Game:
    """Return Axelrod & Bennett's (1993, table 1) game: firms of one type repel each other."""
    propensity = np.where(SPECIALISTS[:, None] == SPECIALISTS[None, :], -1.0, 0.0)
    np.fill_diagonal(propensity, 0.0)
    return Game(propensity, SIZES, entry="nash", max_coalitions=2)


def sides(partition: Partition) -> list[set[str]]:
    return [{FIRMS[i] for i in np.flatnonzero(partition == label)} for label in np.unique(partition)]


def test_unix_1988_landscape() -> None:
    """256 configurations, two minima at energy -3828.9: the two published alliances."""
    game = unix_1988()
    # Their energy counts distances between coalitions; the potential counts what is together.
    total = game.potential(np.zeros(9, np.int64))
    configurations = [np.array([0, *(code >> k & 1 for k in range(8))], np.int64) for code in range(256)]
    minima = [c for c in configurations if is_stable(game, c, "nash")]
    assert len(minima) == 2
    for configuration in minima:
        assert 2 * (total - game.potential(configuration)) == pytest.approx(-3828.9)
        assert any(side in LANDSCAPE for side in sides(configuration))
    assert min(2 * (total - game.potential(c)) for c in configurations) == pytest.approx(-3828.9)
    reached = set()
    for seed, start in enumerate(configurations):
        partition, _, settled = regroup(game, start, np.random.default_rng(seed))
        assert settled
        reached |= {LANDSCAPE.index(side) for side in sides(partition) if side in LANDSCAPE}
        assert any(side in LANDSCAPE for side in sides(partition))
    assert reached == {0, 1}


# Invariants.


@quick
@given(games())
def test_symmetric_game_rises_to_a_stable_partition(drawn: tuple[Game, Partition, np.random.Generator]) -> None:
    game, start, rng = drawn
    given_ = start.copy()
    partition, moves, settled = regroup(game, start, rng)
    np.testing.assert_array_equal(start, given_)
    assert settled
    assert is_stable(game, partition, game.entry)
    assert defectors(game, partition) == []
    states = replay(start, moves)
    np.testing.assert_array_equal(states[-1], partition)
    for move, one, other in zip(moves, states, states[1:], strict=False):
        assert move.gain > game.switching_cost
        rise = game.potential(other) - game.potential(one)
        assert rise == pytest.approx(game.weights[move.agent] * move.gain, abs=1e-9)
        assert rise > 0
        own_gain = (game.utilities(other) - game.utilities(one))[move.agent]
        assert own_gain == pytest.approx(move.gain, abs=1e-9)
        cap = game.max_coalitions
        assert cap is None or len(set(other.tolist())) <= max(cap, len(set(one.tolist())))


@quick
@given(games(symmetric_alignment=False))
def test_asymmetric_game_ends_stable_or_says_that_it_did_not(
    drawn: tuple[Game, Partition, np.random.Generator],
) -> None:
    game, start, rng = drawn
    partition, moves, settled = regroup(game, start, rng, max_moves=40)
    assert len(partition) == len(start)
    np.testing.assert_array_equal(replay(start, moves)[-1], partition)
    assert is_stable(game, partition, game.entry) if settled else len(moves) == 40


@quick
@given(games())
def test_entry_rules_protect_whom_they_name(drawn: tuple[Game, Partition, np.random.Generator]) -> None:
    game, start, rng = drawn
    _, moves, _ = regroup(game, start, rng)
    states = replay(start, moves)
    for move, one, other in zip(moves, states, states[1:], strict=False):
        change = game.utilities(other) - game.utilities(one)
        if game.entry != "nash":
            joined = (other == other[move.agent]) & (np.arange(len(one)) != move.agent)
            assert (change[joined] >= -1e-9).all()
        if game.entry == "contractual":
            left = (one == one[move.agent]) & (np.arange(len(one)) != move.agent)
            assert (change[left] >= -1e-9).all()


@quick
@given(games(symmetric_alignment=False))
def test_utilities_and_defectors_equal_their_definitions(
    drawn: tuple[Game, Partition, np.random.Generator],
) -> None:
    game, partition, rng = drawn
    blocks = [set(np.flatnonzero(partition == label).tolist()) for label in np.unique(partition)]
    own = [next(block for block in blocks if agent in block) for agent in range(len(partition))]
    expected = [naive_utility(game, agent, own[agent]) for agent in range(len(partition))]
    np.testing.assert_allclose(game.utilities(partition), expected, atol=1e-9)
    found = {move.agent: move for move in defectors(game, partition)}
    for agent in range(len(partition)):
        best = max((gain for gain, _ in naive_options(game, agent, blocks)), default=-np.inf)
        assert (agent in found) == (best > game.switching_cost + 1e-9)
        if agent in found:
            move = found[agent]
            assert move.gain == pytest.approx(best, abs=1e-9)
            assert move.origin == partition[agent]
            goal = set() if move.target is None else set(np.flatnonzero(partition == move.target).tolist())
            gain = naive_utility(game, agent, goal) - naive_utility(game, agent, own[agent])
            assert gain == pytest.approx(best, abs=1e-9)
    order = rng.permutation(len(partition))
    shuffled = Game(game.alignment[np.ix_(order, order)], game.weights[order], game.threshold)
    np.testing.assert_allclose(shuffled.utilities(partition[order]), game.utilities(partition)[order], atol=1e-9)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("max_coalitions", [None, 3])
def test_regroup_equals_a_plain_game(entry: Entry, max_coalitions: int | None) -> None:
    moved = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 10))
        game = Game(symmetric(rng, n), rng.uniform(0.5, 2, n), 0.05, 0.02, entry=entry, max_coalitions=max_coalitions)
        start = rng.integers(0, n, n)
        partition, moves, _ = regroup(game, start, np.random.default_rng(seed))
        blocks, expected = naive_regroup(game, start, np.random.default_rng(seed))
        assert {frozenset(np.flatnonzero(partition == label).tolist()) for label in partition} == {
            frozenset(block) for block in blocks
        }
        assert [move.agent for move in moves] == [agent for agent, _, _ in expected]
        for move, state, (_, block, gain) in zip(moves, replay(start, moves), expected, strict=False):
            goal = set() if move.target is None else set(np.flatnonzero(state == move.target).tolist())
            assert goal == block
            assert move.gain == pytest.approx(gain, abs=1e-9)
        moved += len(moves)
    assert moved > 40


# Rules.


def test_threshold_and_switching_cost_keep_agents_apart() -> None:
    alignment = np.array([[0.0, 0.4], [0.4, 0.0]])
    for threshold, cost, together in ((0.0, 0.0, True), (0.4, 0.0, False), (0.0, 0.4, False), (0.1, 0.2, True)):
        game = Game(alignment, np.ones(2), threshold, cost)
        partition, _, _ = regroup(game, np.array([0, 1]), np.random.default_rng(0))
        assert (partition[0] == partition[1]) == together


def test_weight_makes_a_partner_worth_more() -> None:
    """A light agent joins the heavy partner it likes less; with equal weights, the one it likes more."""
    alignment = np.array([[0, 0.5, 0.3], [0.5, 0, -1], [0.3, -1, 0]])
    for weights, partner in ((np.ones(3), 1), (np.array([1.0, 1.0, 5.0]), 2)):
        partition, _, _ = regroup(Game(alignment, weights), np.arange(3), np.random.default_rng(1))
        assert partition[0] == partition[partner]


def test_contractual_entry_holds_back_who_would_be_missed() -> None:
    alignment = np.array([[0, 0.2, 0.9], [0.2, 0, -1], [0.9, -1, 0]])
    start, rng = np.array([0, 0, 1]), np.random.default_rng(0)
    moved, _, _ = regroup(Game(alignment, np.ones(3), entry="individual"), start, rng)
    held, moves, _ = regroup(Game(alignment, np.ones(3), entry="contractual"), start, rng)
    assert moved[0] == moved[2] != moved[1]
    np.testing.assert_array_equal(held, start)
    assert not moves


def test_going_alone_and_joining_a_lone_agent_are_told_apart() -> None:
    """The label of agent 0 alone is -1; a move to its side is not a move to nowhere."""
    alignment = np.array([[0, 0.9, -1], [0.9, 0, -1], [-1, -1, 0]])
    start, game = np.array([-1, 5, 5]), Game(alignment, np.ones(3), entry="nash")
    found = [(move.agent, move.target, round(move.gain, 9)) for move in defectors(game, start)]
    assert found == [(1, -1, 1.9), (2, None, 1.0)]
