"""Argument exchange: whom agents hear, what they take over, what they drop for it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ecosystem.dynamics.exchange import (
    EMPTY,
    Memory,
    acceptance,
    draw_speakers,
    hearing_probabilities,
    start_memory,
)
from ecosystem.jepa.statements import affinity_to_holders, held_matrix

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 10**6)


def draw_memory(seed: int, memory_size: int | None) -> Memory:
    """Return the memory of five agents with corpora of 1 to 7 of 12 statements."""
    rng = np.random.default_rng(seed)
    corpora = [tuple(map(int, rng.choice(12, rng.integers(1, 8), replace=False))) for _ in range(5)]
    return start_memory(corpora, rng.choice([0, 0.3, 0.5, 1], 5), memory_size, rng)


def naive_adopt(memory: Memory, listener: int, argument: int, now: int) -> int:
    """Take over one argument, place by place; return what was dropped."""
    held, age = memory.held[listener], memory.age[listener]
    for place, statement in enumerate(held):
        if statement == argument:
            age[place] = now
            return EMPTY
    unlocked = [place for place in range(len(held)) if not memory.locked[listener, place]]
    free = [place for place in unlocked if held[place] == EMPTY]
    if not unlocked:
        return EMPTY
    place = free[0] if free else min(unlocked, key=lambda p: age[p])
    dropped = int(held[place])
    held[place], age[place], memory.said[listener, place] = argument, now, 0
    return dropped


@quick
@given(seed=seeds, memory_size=st.sampled_from([None, 1, 3, 6, 9]))
def test_adopt_equals_its_naive_form(seed: int, memory_size: int | None) -> None:
    memory = draw_memory(seed, memory_size)
    naive, rng = copy.deepcopy(memory), np.random.default_rng(seed)
    for now in range(1, 30):
        listeners = rng.permutation(5)[: rng.integers(1, 6)]
        arguments = rng.integers(0, 12, len(listeners))
        said = rng.integers(0, 5, 2), rng.integers(0, memory.held.shape[1], 2)
        memory.said[said] += 1
        naive.said[said] += 1
        dropped = memory.adopt(listeners, arguments, now)
        expected = [
            naive_adopt(naive, int(who), int(what), now) for who, what in zip(listeners, arguments, strict=True)
        ]
        np.testing.assert_array_equal(dropped, expected)
        for name in ("held", "age", "locked", "said"):
            np.testing.assert_array_equal(getattr(memory, name), getattr(naive, name), err_msg=name)


@quick
@given(seed=seeds, memory_size=st.sampled_from([None, 1, 3, 6]))
def test_adopt_keeps_what_must_be_kept(seed: int, memory_size: int | None) -> None:
    memory = draw_memory(seed, memory_size)
    rng, start = np.random.default_rng(seed), copy.deepcopy(memory)
    for now in range(1, 25):
        before = memory.held.copy()
        arguments = rng.integers(0, 12, 5)
        dropped = memory.adopt(np.arange(5), arguments, now)
        for agent in range(5):
            old, new = set(before[agent]) - {EMPTY}, set(memory.held[agent]) - {EMPTY}
            assert new in (old, (old | {int(arguments[agent])}) - {int(dropped[agent])})
            assert len(new) == (memory.held[agent] != EMPTY).sum(), "an argument is held twice"
        np.testing.assert_array_equal(memory.held[start.locked], start.held[start.locked])
    np.testing.assert_array_equal(memory.locked, start.locked)


def memory_of(held: list[int], locked: list[bool]) -> Memory:
    n = len(held)
    return Memory(np.array([held]), np.arange(n)[None] - n, np.array([locked]), np.ones((1, n), np.int64))


def adopt(memory: Memory, argument: int, now: int) -> int:
    return int(memory.adopt(np.array([0]), np.array([argument]), now)[0])


def test_oldest_unlocked_argument_goes_first_and_hearing_refreshes() -> None:
    memory = memory_of([10, 11, 12, 13], [True, False, False, False])
    assert adopt(memory, 11, 1) == EMPTY  # held: heard again, now the youngest
    assert memory.said[0, 1] == 1
    assert [adopt(memory, new, now) for new, now in ((20, 2), (21, 3), (22, 4), (23, 5))] == [12, 13, 11, 20]
    assert memory.held.tolist() == [[10, 22, 23, 21]]
    assert memory.said.tolist() == [[1, 0, 0, 0]]


def test_free_places_are_taken_first_and_locked_free_places_never() -> None:
    memory = memory_of([10, EMPTY, EMPTY], [False, False, True])
    assert adopt(memory, 20, 1) == EMPTY
    assert adopt(memory, 21, 2) == 10
    assert memory.held.tolist() == [[21, 20, EMPTY]]


def test_who_has_every_place_locked_takes_over_nothing() -> None:
    memory = memory_of([10, 11], [True, True])
    assert adopt(memory, 20, 1) == EMPTY
    assert memory.held.tolist() == [[10, 11]]
    adopt(memory, 11, 2)
    assert memory.age.tolist() == [[-2, 2]]


@quick
@given(seed=seeds, memory_size=st.sampled_from([None, 1, 4, 10]))
def test_memory_starts_with_the_corpus_and_its_share_locked(seed: int, memory_size: int | None) -> None:
    rng = np.random.default_rng(seed)
    corpora = [tuple(map(int, rng.choice(30, rng.integers(1, 9), replace=False))) for _ in range(4)]
    stubbornness = rng.random(4)
    memory = start_memory(corpora, stubbornness, memory_size, rng)
    for agent, corpus in enumerate(corpora):
        places = len(corpus) if memory_size is None else memory_size
        held = memory.held[agent][memory.held[agent] != EMPTY]
        assert len(held) == min(len(corpus), places)
        assert set(held) <= set(corpus)
        assert [s for s in corpus if s in held] == held.tolist(), "in the corpus's order"
        locked = memory.locked[agent] & (memory.held[agent] != EMPTY)
        assert locked.sum() == round(stubbornness[agent] * len(held))
        assert (~memory.locked[agent]).sum() == places - locked.sum(), "no place beyond the agent's own"
        assert not memory.said[agent].any()


def test_which_arguments_are_locked_is_drawn_at_random() -> None:
    drawn = {
        tuple(start_memory([tuple(range(6))], np.array([0.5]), None, np.random.default_rng(seed)).locked[0])
        for seed in range(400)
    }
    assert len(drawn) == 20  # 6 choose 3


def naive_probabilities(alignment: NDArray[np.float64], speaking: NDArray[np.bool_], h: float) -> NDArray[np.float64]:
    n = len(alignment)
    found = np.zeros((n, n))
    for i in range(n):
        weights = {j: ((1 + alignment[i, j]) / 2) ** h for j in range(n) if j != i and speaking[j]}
        for j, weight in weights.items():
            found[i, j] = weight / sum(weights.values())
    return found


@quick
@given(seed=seeds, n=st.integers(1, 8), homophily=st.floats(0, 12), talking=st.floats(0, 1))
def test_hearing_probabilities(seed: int, n: int, homophily: float, talking: float) -> None:
    rng = np.random.default_rng(seed)
    alignment = np.triu(rng.uniform(-0.99, 1, (n, n)), 1)
    alignment += alignment.T
    speaking = rng.random(n) < talking
    found = hearing_probabilities(alignment, speaking, homophily)
    np.testing.assert_allclose(found, naive_probabilities(alignment, speaking, homophily), atol=1e-9)
    others = speaking.sum() - speaking
    np.testing.assert_allclose(found.sum(1), others > 0, atol=1e-12)
    assert not found.diagonal().any()
    assert not found[:, ~speaking].any()
    order = rng.permutation(n)
    shuffled = hearing_probabilities(alignment[np.ix_(order, order)], speaking[order], homophily)
    np.testing.assert_allclose(shuffled, found[np.ix_(order, order)], atol=1e-12)


@pytest.mark.parametrize("homophily", [0.0, 1.0, 30.0, 100.0])
@pytest.mark.parametrize("level", [-1.0, -0.9999, 0.0, 1.0])
def test_strong_homophily_silences_no_one(homophily: float, level: float) -> None:
    """However far all speakers are, one is heard: the highest homophily the schema allows underflows."""
    alignment = np.full((4, 4), level)
    np.fill_diagonal(alignment, 0.0)
    found = hearing_probabilities(alignment, np.array([True, True, True, False]), homophily)
    np.testing.assert_allclose(found[3], [1 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(found[0], [0, 1 / 2, 1 / 2, 0])


def test_no_homophily_is_blind_to_alignment() -> None:
    alignment = np.array([[0, -1, 1], [-1, 0, 0.2], [1, 0.2, 0]])
    np.testing.assert_allclose(hearing_probabilities(alignment, np.ones(3, bool), 0.0)[0], [0, 0.5, 0.5])


def test_speakers_are_drawn_with_their_probabilities() -> None:
    row = np.array([0.0, 0.1, 0.0, 0.6, 0.3, 0.0])
    n = 20_000
    drawn = draw_speakers(np.tile(row, (n, 1)), np.random.default_rng(0))
    share = np.bincount(drawn, minlength=6) / n
    np.testing.assert_allclose(share, row, atol=4 * np.sqrt(0.25 / n))
    assert not share[row == 0].any()


def test_no_speaker_is_drawn_from_an_empty_row() -> None:
    probabilities = np.array([[0.0, 0.0], [1.0, 0.0]])
    for seed in range(20):
        np.testing.assert_array_equal(draw_speakers(probabilities, np.random.default_rng(seed)), [EMPTY, 0])


def test_acceptance_rises_with_agreement_and_is_neutral_without_bias() -> None:
    agreement, openness = np.linspace(-1, 1, 9), np.full(9, 0.8)
    np.testing.assert_array_equal(acceptance(agreement, 0.0, openness), np.full(9, 0.4))
    biased = acceptance(agreement, 4.0, openness)
    assert (np.diff(biased) > 0).all()
    np.testing.assert_allclose(biased, 0.8 / (1 + np.exp(-4 * agreement)))
    extreme = acceptance(agreement, 1000.0, openness)
    assert extreme[0] == 0
    assert extreme[-1] == pytest.approx(0.8)


@quick
@given(seed=seeds)
def test_affinity_to_holders_equals_its_naive_form(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_statements, held = 9, rng.integers(-1, 9, (5, 4))
    held[rng.integers(5)] = EMPTY
    scores = rng.uniform(-1, 1, (3, n_statements)).astype(np.float32)
    relevance = rng.random((3, n_statements)).astype(np.float32)
    relevance[0, rng.random(n_statements) < 0.5] = 0
    found = affinity_to_holders(scores, relevance, held_matrix(held, n_statements))
    for u in range(3):
        for j in range(5):
            mine = sorted(set(held[j]) - {EMPTY})
            total = sum(float(relevance[u, m]) for m in mine)
            expected = sum(float(relevance[u, m]) * float(scores[u, m]) for m in mine) / total if total else np.nan
            assert found[u, j] == pytest.approx(expected, abs=1e-5, nan_ok=True)
            assert not abs(found[u, j]) > 1 + 1e-6
