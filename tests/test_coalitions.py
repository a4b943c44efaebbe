"""Coalitions as a hedonic game: known answers, invariants, and a plain game to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem.dynamics import coalitions
from ecosystem.dynamics.coalitions import (
    RULES,
    Entry,
    Game,
    Move,
    Partition,
    defectors,
    is_stable,
    regroup,
    stability,
    threshold_at,
)

quick = settings(max_examples=80, deadline=None, derandomize=True, database=None)


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
        entry=draw(st.sampled_from(RULES)),
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


def naive_regroup(
    game: Game, partition: Partition, rng: np.random.Generator, max_moves: int
) -> tuple[list[set[int]], list[Any]]:
    """Play agent by agent with plain sets; asks in the order the same generator gives `regroup`."""
    blocks = [set(np.flatnonzero(partition == label).tolist()) for label in np.unique(partition)]
    moves: list[Any] = []
    while True:
        n_before = len(moves)
        for agent in rng.permutation(len(partition)).tolist():
            gain, block = max(naive_options(game, agent, blocks), key=lambda o: o[0], default=(-1.0, set()))
            if gain > game.switching_cost + 1e-9:
                if len(moves) == max_moves:
                    return blocks, moves
                moves.append((agent, frozenset(block), gain))
                next(own for own in blocks if agent in own).discard(agent)
                if not block:
                    blocks.append(block)
                block.add(agent)
                blocks = [b for b in blocks if b]
        if len(moves) == n_before:
            return blocks, moves


def replay(partition: Partition, moves: Sequence[Move]) -> list[Partition]:
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


def blocks_of(partition: Partition) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(partition == label).tolist()) for label in partition}


# Known answers.


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
        chased = regroup(chase, start, np.random.default_rng(0), max_moves=37)
        assert not chased.settled
        assert len(chased.moves) == 37
        assert chased.cycle == 2
        left_alone = regroup(game, start, np.random.default_rng(0))
        assert left_alone.settled
        assert left_alone.cycle is None
        assert left_alone.partition[0] != left_alone.partition[1]


def test_endless_game_is_cut_at_fifty_moves_per_agent() -> None:
    game = Game(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.ones(2), entry="nash")
    found = regroup(game, np.array([0, 1]), np.random.default_rng(3))
    assert not found.settled
    assert len(found.moves) == 100


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
        found = regroup(game, start, np.random.default_rng(seed))
        assert found.settled
        partition = found.partition
        reached |= {LANDSCAPE.index(side) for side in sides(partition) if side in LANDSCAPE}
        assert any(side in LANDSCAPE for side in sides(partition))
    assert reached == {0, 1}


# Invariants.


@quick
@given(games())
def test_symmetric_game_rises_to_a_stable_partition(drawn: tuple[Game, Partition, np.random.Generator]) -> None:
    game, start, rng = drawn
    given_ = start.copy()
    found = regroup(game, start, rng)
    partition, moves = found.partition, found.moves
    np.testing.assert_array_equal(start, given_)
    assert found.settled
    assert found.cycle is None
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
    found = regroup(game, start, rng, max_moves=40)
    states = replay(start, found.moves)
    np.testing.assert_array_equal(states[-1], found.partition)
    assert is_stable(game, found.partition, game.entry) if found.settled else len(found.moves) == 40
    visited = [blocks_of(state) for state in states]
    returns = [j - i for j in range(len(visited)) for i in range(j) if visited[i] == visited[j]]
    assert found.cycle == min(returns, default=None)


def test_games_that_go_in_circles_are_among_those_drawn() -> None:
    lengths = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        game = Game(rng.uniform(-1, 1, (5, 5)), np.ones(5), entry="nash")
        lengths.add(regroup(game, np.arange(5), rng, max_moves=60).cycle)
    assert None in lengths
    assert len(lengths) >= 4


@quick
@given(games())
def test_entry_rules_protect_whom_they_name(drawn: tuple[Game, Partition, np.random.Generator]) -> None:
    game, start, rng = drawn
    moves = regroup(game, start, rng).moves
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


@pytest.mark.parametrize("entry", RULES)
@pytest.mark.parametrize("max_coalitions", [None, 3])
@pytest.mark.parametrize("symmetric_alignment", [True, False])
@pytest.mark.parametrize("many", [coalitions.MANY, 2])
def test_regroup_equals_a_plain_game(
    entry: Entry, max_coalitions: int | None, symmetric_alignment: bool, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coalitions, "MANY", many)
    moved = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 10 if seed % 4 else 25))
        alignment = symmetric(rng, n) if symmetric_alignment else rng.uniform(-1, 1, (n, n))
        game = Game(alignment, rng.uniform(0.5, 2, n), 0.05, 0.02, entry=entry, max_coalitions=max_coalitions)
        start = rng.integers(0, n, n)
        found = regroup(game, start, np.random.default_rng(seed), max_moves=80)
        blocks, expected = naive_regroup(game, start, np.random.default_rng(seed), max_moves=80)
        assert blocks_of(found.partition) == {frozenset(block) for block in blocks}
        assert [move.agent for move in found.moves] == [agent for agent, _, _ in expected]
        for move, state, (_, block, gain) in zip(found.moves, replay(start, found.moves), expected, strict=False):
            goal = set() if move.target is None else set(np.flatnonzero(state == move.target).tolist())
            assert goal == block
            assert move.gain == pytest.approx(gain, abs=1e-9)
        moved += len(found.moves)
    assert moved > 40


def test_wrong_prices_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With symmetric alignment the potential must rise by what the movers gain."""
    game = Game(symmetric(np.random.default_rng(0), 8), np.ones(8), entry="nash")
    regroup(game, np.arange(8), np.random.default_rng(0))
    offers = coalitions._Table.offers
    monkeypatch.setattr(coalitions._Table, "offers", lambda *args: (*offers(*args)[:2], offers(*args)[2] + 0.01))
    with pytest.raises(AssertionError, match="potential"):
        regroup(game, np.arange(8), np.random.default_rng(0))


# Stability.


@quick
@given(games(symmetric_alignment=False))
def test_stability_equals_its_definition(drawn: tuple[Game, Partition, np.random.Generator]) -> None:
    game, partition, _ = drawn
    found = stability(game, partition)
    blocks = [set(block) for block in blocks_of(partition)]
    limit = game.switching_cost + 1e-8
    paying = {
        rule: [
            [option for option in naive_options(replace(game, entry=rule), agent, blocks) if option[0] > limit]
            for agent in range(len(partition))
        ]
        for rule in RULES
    }
    for rule in RULES:
        assert found.tempted[rule] == sum(bool(options) for options in paying[rule])
        assert getattr(found, rule) == (not any(paying[rule])) == is_stable(game, partition, rule)
    assert [t.agent for t in found.defections] == [a for a, options in enumerate(paying["nash"]) if options]
    for t in found.defections:
        goal = set() if t.target is None else set(np.flatnonzero(partition == t.target).tolist())
        assert t.origin == partition[t.agent]
        assert t.gain == pytest.approx(max(gain for gain, _ in paying["nash"][t.agent]), abs=1e-9)
        allowed = [rule for rule in RULES if goal in [block for _, block in paying[rule][t.agent]]]
        assert t.rule == allowed[-1]


def test_stability_names_who_would_go_where_and_what_holds_them() -> None:
    """0 would rather be with 2, who does not mind, but 1 would miss it; 3 would join anyone, and no one wants it."""
    alignment = np.array([[0, 0.2, 0.9, -1], [0.3, 0, -1, -1], [0.1, -1, 0, -1], [0.4, 0.3, 0.2, 0]])
    partition = np.array([4, 4, 7, 9])
    found = stability(Game(alignment, np.ones(4)), partition)
    told = [(t.agent, t.origin, t.target, round(t.gain, 9), t.rule) for t in found.defections]
    assert told == [(0, 4, 7, 0.7, "individual"), (3, 9, 4, 0.7, "nash")]
    assert found.tempted == {"nash": 2, "individual": 1, "contractual": 0}
    assert (found.nash, found.individual, found.contractual) == (False, False, True)


def test_threshold_rules() -> None:
    """Pairs -.3, 0, 0, .3, .6, .6: mean .2, median .15."""
    alignment = np.array([[0, 0.6, -0.3, 0], [0.6, 0, 0.3, 0], [-0.3, 0.3, 0, 0.6], [0, 0, 0.6, 0]])
    np.fill_diagonal(alignment, 1.0)  # counts for nothing
    assert threshold_at(alignment, "fixed", -0.4) == -0.4
    assert threshold_at(alignment, "mean", 0.0) == pytest.approx(0.2)
    assert threshold_at(alignment, "mean", -0.5) == pytest.approx(-0.3)
    for value, expected in ((0.0, -0.3), (0.5, 0.15), (0.6, 0.3), (1.0, 0.6)):
        assert threshold_at(alignment, "quantile", value) == pytest.approx(expected)
    assert threshold_at(np.triu(alignment, 1) * 2, "mean", 0.0) == pytest.approx(0.2)
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="quantile"):
            threshold_at(alignment, "quantile", value)


def test_a_median_threshold_halves_the_pairs_worth_having() -> None:
    alignment = symmetric(np.random.default_rng(0), 9) * 0.1 + 0.5
    game = Game(alignment, np.ones(9), threshold_at(alignment, "quantile", 0.5))
    upper = game.stakes()[np.triu_indices(9, 1)]
    assert (upper > 0).sum() == (upper < 0).sum() == 18


# Rules.


def test_threshold_and_switching_cost_keep_agents_apart() -> None:
    alignment = np.array([[0.0, 0.4], [0.4, 0.0]])
    for threshold, cost, together in ((0.0, 0.0, True), (0.4, 0.0, False), (0.0, 0.4, False), (0.1, 0.2, True)):
        game = Game(alignment, np.ones(2), threshold, cost)
        partition = regroup(game, np.array([0, 1]), np.random.default_rng(0)).partition
        assert (partition[0] == partition[1]) == together


def test_weight_makes_a_partner_worth_more() -> None:
    """A light agent joins the heavy partner it likes less; with equal weights, the one it likes more."""
    alignment = np.array([[0, 0.5, 0.3], [0.5, 0, -1], [0.3, -1, 0]])
    for weights, partner in ((np.ones(3), 1), (np.array([1.0, 1.0, 5.0]), 2)):
        partition = regroup(Game(alignment, weights), np.arange(3), np.random.default_rng(1)).partition
        assert partition[0] == partition[partner]


def test_contractual_entry_holds_back_who_would_be_missed() -> None:
    alignment = np.array([[0, 0.2, 0.9], [0.2, 0, -1], [0.9, -1, 0]])
    start, rng = np.array([0, 0, 1]), np.random.default_rng(0)
    moved = regroup(Game(alignment, np.ones(3), entry="individual"), start, rng).partition
    held = regroup(Game(alignment, np.ones(3), entry="contractual"), start, rng)
    assert moved[0] == moved[2] != moved[1]
    np.testing.assert_array_equal(held.partition, start)
    assert not held.moves


def test_going_alone_and_joining_a_lone_agent_are_told_apart() -> None:
    """The label of agent 0 alone is -1; a move to its side is not a move to nowhere."""
    alignment = np.array([[0, 0.9, -1], [0.9, 0, -1], [-1, -1, 0]])
    start, game = np.array([-1, 5, 5]), Game(alignment, np.ones(3), entry="nash")
    found = [(move.agent, move.target, round(move.gain, 9)) for move in defectors(game, start)]
    assert found == [(1, -1, 1.9), (2, None, 1.0)]
