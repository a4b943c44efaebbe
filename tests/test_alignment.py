"""The alignment graph: what a step of learning may and may not do to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem.dynamics.alignment import Matrix, align, mutual

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def draw(seed: int, n: int, heard: float) -> tuple[Matrix, Matrix]:
    """Return an alignment and an observation in which a share of the pairs was heard."""
    rng = np.random.default_rng(seed)
    alignment = np.triu(rng.uniform(-1, 1, (n, n)), 1)
    alignment += alignment.T
    observed = np.where(rng.random((n, n)) < heard, rng.choice([-1, 1, rng.uniform(-1, 1)], (n, n)), np.nan)
    np.fill_diagonal(observed, np.nan)
    return alignment, observed


def naive_align(alignment: Matrix, observed: Matrix, rate: float) -> Matrix:
    moved = alignment.copy()
    for i in range(len(alignment)):
        for j in range(len(alignment)):
            heard = [x for x in (observed[i, j], observed[j, i]) if not np.isnan(x)]
            if i != j and heard:
                moved[i, j] = (1 - rate) * alignment[i, j] + rate * sum(heard) / len(heard)
    return moved


@quick
@given(seed=st.integers(0, 10**6), n=st.integers(1, 9), heard=st.floats(0, 1), rate=st.floats(0.001, 1.0))
def test_alignment_is_a_bounded_symmetric_running_mean(seed: int, n: int, heard: float, rate: float) -> None:
    alignment, observed = draw(seed, n, heard)
    before = alignment.copy(), observed.copy()
    moved = align(alignment, observed, rate)
    np.testing.assert_allclose(moved, naive_align(alignment, observed, rate), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(moved, moved.T)
    assert np.abs(moved).max() <= 1
    assert not moved.diagonal().any()
    silent = np.isnan(observed) & np.isnan(observed.T)
    np.testing.assert_array_equal(moved[silent], alignment[silent])
    np.testing.assert_array_equal(alignment, before[0])
    np.testing.assert_array_equal(observed, before[1])


@quick
@given(seed=st.integers(0, 10**6), rate=st.floats(0.001, 1.0))
def test_alignment_ignores_the_order_of_agents(seed: int, rate: float) -> None:
    alignment, observed = draw(seed, 7, 0.6)
    order = np.random.default_rng(seed).permutation(7)
    shuffled = align(alignment[np.ix_(order, order)], observed[np.ix_(order, order)], rate)
    np.testing.assert_array_equal(shuffled, align(alignment, observed, rate)[np.ix_(order, order)])


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.7, 0.9, 1.0])
def test_alignment_converges_to_constant_affinity_without_overshooting(rate: float) -> None:
    target = np.array([[np.nan, 1.0, -1.0], [1.0, np.nan, 0.4], [-1.0, -0.2, np.nan]])
    alignment, limit = np.zeros((3, 3)), np.nan_to_num(mutual(target))
    for step in range(1, 200):
        alignment = align(alignment, target, rate)
        np.testing.assert_allclose(alignment, (1 - (1 - rate) ** step) * limit, atol=1e-12)
        assert np.abs(alignment).max() <= 1


def test_one_direction_heard_counts_whole_and_two_are_averaged() -> None:
    observed = np.array([[np.nan, 0.8, np.nan], [-0.4, np.nan, 0.6], [np.nan, np.nan, np.nan]])
    expected = np.array([[np.nan, 0.2, np.nan], [0.2, np.nan, 0.6], [np.nan, 0.6, np.nan]])
    np.testing.assert_allclose(mutual(observed), expected)
