"""Measures: known answers, naive forms, and indifference to the order of agents."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from ecosystem.measures import CATALOGUE, Snapshot, forecasts, measure, partitions, polarization, signed

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
Matrix = NDArray[np.float64]
Partition = NDArray[np.int64]

# Read's (1954) alliances (+) and enmities (-) of 16 tribes of the Central Highlands of New Guinea, from an
# MIT-licensed copy of the public data set.
FRIENDS = """
    Kotun-Gavev Nagad-Gavev Gama-Gavev Nagad-Kotun Gama-Kotun Alika-Ove Gahuk-Ove Masil-Ove Ukudz-Ove
    Ukudz-Alika Masil-Nagam Notoh-Nagam Seuve-Nagam Masil-Gahuk Ukudz-Gahuk Geham-Gahuk Asaro-Gahuk
    Ukudz-Masil Geham-Masil Asaro-Masil Uheto-Masil Geham-Ukudz Asaro-Ukudz Kohik-Notoh Uheto-Notoh
    Uheto-Kohik Asaro-Geham Seuve-Uheto Gama-Nagad
"""
ENEMIES = """
    Ove-Gavev Alika-Gavev Nagam-Gavev Gahuk-Gavev Asaro-Gavev Ove-Kotun Nagam-Kotun Gahuk-Kotun
    Notoh-Kotun Kohik-Kotun Nagad-Nagam Gama-Nagam Notoh-Gahuk Uheto-Gahuk Gama-Gahuk Seuve-Ukudz
    Geham-Notoh Nagad-Notoh Geham-Kohik Nagad-Kohik Uheto-Geham Nagad-Geham Gama-Geham Seuve-Asaro
    Nagad-Asaro Gama-Asaro Nagad-Uheto Gama-Uheto Gama-Seuve
"""


def highland_tribes() -> Matrix:
    edges = [(tie.split("-"), sign) for ties, sign in ((FRIENDS, 1), (ENEMIES, -1)) for tie in ties.split()]
    names = sorted({name for pair, _ in edges for name in pair})
    assert (len(edges), len(names)) == (58, 16)
    matrix = np.zeros((16, 16))
    for (one, other), sign in edges:
        i, j = names.index(one), names.index(other)
        matrix[i, j] = matrix[j, i] = sign
    return matrix


def draw(seed: int, n: int) -> tuple[Matrix, Partition]:
    rng = np.random.default_rng(seed)
    alignment = np.triu(rng.uniform(-1, 1, (n, n)) * (rng.random((n, n)) < 0.8), 1)
    return alignment + alignment.T, rng.integers(-2, 3, n)


drawn = given(seed=st.integers(0, 10**6), n=st.integers(1, 10))


def test_highland_tribes_balance() -> None:
    assert signed.balanced_triangles(highland_tribes()) * 68 == pytest.approx(59)


def test_highland_tribes_frustration_index() -> None:
    """The least over all splits in two: seven ties."""
    tribes = highland_tribes()
    codes = np.arange(2**15)[:, None] >> np.arange(15) & 1
    side = np.concatenate([np.zeros((2**15, 1), np.int64), codes], 1)
    spins = 1.0 - 2 * side
    # Choosing by spins is fast; the measure itself is then held against them on the best and a sample.
    wrong = (58 - np.einsum("ki,ij,kj->k", spins, tribes, spins, optimize=True) / 2) / 2
    assert wrong.min() == 7
    for k in (int(wrong.argmin()), *range(0, 2**15, 1111)):
        assert signed.frustration_of(tribes, side[k]) * 58 == pytest.approx(wrong[k])


@quick
@drawn
def test_signed_measures_equal_their_naive_forms(seed: int, n: int) -> None:
    alignment, partition = draw(seed, n)
    pairs = list(combinations(range(n), 2))
    weight = sum(abs(alignment[i, j]) for i, j in pairs)
    wrong = sum(max(-alignment[i, j], 0) if partition[i] == partition[j] else max(alignment[i, j], 0) for i, j in pairs)
    frustration = wrong / weight if weight else 0.0
    assert signed.frustration_of(alignment, partition) == pytest.approx(frustration)
    signs = [
        alignment[i, j] * alignment[j, k] * alignment[i, k]
        for i, j, k in combinations(range(n), 3)
        if alignment[i, j] and alignment[j, k] and alignment[i, k]
    ]
    share = np.mean([sign > 0 for sign in signs]) if signs else np.nan
    assert signed.balanced_triangles(alignment) == pytest.approx(share, nan_ok=True)
    plus, minus = alignment.clip(min=0), (-alignment).clip(min=0)
    total = 0.0
    for i in range(n):
        for j in range(n):
            if partition[i] == partition[j]:
                total += alignment[i, j]
                total -= plus[i].sum() * plus[j].sum() / plus.sum() if plus.sum() else 0
                total += minus[i].sum() * minus[j].sum() / minus.sum() if minus.sum() else 0
    modularity = total / (2 * weight) if weight else 0.0
    assert signed.signed_modularity(alignment, partition) == pytest.approx(modularity, abs=1e-12)


@quick
@drawn
def test_without_enmity_modularity_is_newmans(seed: int, n: int) -> None:
    alignment, partition = draw(seed, n + 1)
    alignment = np.abs(alignment)
    if not alignment.any():
        return
    blocks = [set(np.flatnonzero(partition == label).tolist()) for label in np.unique(partition)]
    expected = nx.community.modularity(nx.from_numpy_array(alignment), blocks)
    assert signed.signed_modularity(alignment, partition) == pytest.approx(expected, abs=1e-12)


@quick
@drawn
def test_polarization_equals_its_naive_forms(seed: int, n: int) -> None:
    alignment, partition = draw(seed, n)
    apart = [(1 - alignment[i, j]) / 2 for i, j in combinations(range(n), 2)]
    expected = float(np.mean((np.array(apart) - np.mean(apart)) ** 2)) if apart else 0.0
    assert polarization.distance_variance(alignment) == pytest.approx(expected)
    assert 0 <= polarization.distance_variance(alignment) <= 0.25 + 1e-12
    total = 0.0
    blocks = [np.flatnonzero(partition == label) for label in np.unique(partition)]
    for one in blocks:
        for other in blocks:
            if one is not other:
                between = np.mean([(1 - alignment[i, j]) / 2 for i in one for j in other])
                total += (len(one) / n) ** 2.3 * (len(other) / n) * between
    assert polarization.esteban_ray(alignment, partition) == pytest.approx(total)


@quick
@given(seed=st.integers(0, 10**6), n=st.integers(4, 30))
def test_bimodality_is_scipys_moments_in_sarles_formula(seed: int, n: int) -> None:
    x = np.random.default_rng(seed).gamma(2, size=n)
    skew, excess = stats.skew(x, bias=False), stats.kurtosis(x, bias=False)
    expected = (skew**2 + 1) / (excess + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)))
    assert polarization.bimodality(x) == pytest.approx(expected)
    assert polarization.bimodality(-3 * x + 7) == pytest.approx(expected)


def test_bimodality_tells_two_camps_from_one() -> None:
    rng = np.random.default_rng(0)
    two = np.concatenate([rng.normal(-1, 0.1, 200), rng.normal(1, 0.1, 200)])
    assert polarization.bimodality(two) > 0.9
    assert polarization.bimodality(rng.uniform(size=4000)) == pytest.approx(5 / 9, abs=0.02)
    assert polarization.bimodality(rng.normal(size=4000)) == pytest.approx(1 / 3, abs=0.03)
    assert np.isnan(polarization.bimodality(np.ones(9)))
    assert np.isnan(polarization.bimodality(np.arange(3.0)))


def test_two_camps_are_the_most_polarized_partition() -> None:
    side = np.array([1, 1, 1, -1, -1, -1])
    alignment = np.outer(side, side).astype(float)
    np.fill_diagonal(alignment, 0)
    camps = (side > 0).astype(np.int64)
    assert signed.frustration_of(alignment, camps) == 0
    assert signed.balanced_triangles(alignment) == 1
    assert partitions.ei_index(alignment, camps) == -1
    positions = polarization.leading_positions(alignment)
    assert abs(np.corrcoef(positions, side)[0, 1]) == pytest.approx(1)
    rng = np.random.default_rng(0)
    for _ in range(50):
        other = rng.integers(0, 6, 6)
        assert polarization.esteban_ray(alignment, other) <= polarization.esteban_ray(alignment, camps) + 1e-12
        assert signed.signed_modularity(alignment, other) <= signed.signed_modularity(alignment, camps) + 1e-12


@quick
@drawn
def test_partition_measures(seed: int, n: int) -> None:
    alignment, partition = draw(seed, n)
    counts = sorted((int((partition == label).sum()) for label in set(partition.tolist())), reverse=True)
    assert partitions.sizes(partition).tolist() == counts
    share = np.array(counts) / n
    assert partitions.entropy(partition) == pytest.approx(stats.entropy(share))
    assert partitions.effective_number(partition) == pytest.approx(1 / sum(share**2))
    assert 1 - 1e-12 <= partitions.effective_number(partition) <= np.exp(partitions.entropy(partition)) + 1e-9
    friends = [(i, j) for i in range(n) for j in range(n) if alignment[i, j] > 0]
    outside = sum(alignment[i, j] for i, j in friends if partition[i] != partition[j])
    inside = sum(alignment[i, j] for i, j in friends if partition[i] == partition[j])
    index = (outside - inside) / (outside + inside) if friends else np.nan
    assert partitions.ei_index(alignment, partition) == pytest.approx(index, nan_ok=True)
    assert partitions.churn(partition, partition) == 0
    assert partitions.churn(partition, partition + 10) == 1
    assert partitions.adjusted_rand(partition, partition + 10) == 1


def test_adjusted_rand_is_zero_by_chance() -> None:
    rng = np.random.default_rng(0)
    drawn_ = [partitions.adjusted_rand(rng.integers(0, 3, 30), rng.integers(0, 3, 30)) for _ in range(300)]
    assert np.mean(drawn_) == pytest.approx(0, abs=4 * np.std(drawn_) / np.sqrt(300))


def test_forecast_scores() -> None:
    rng = np.random.default_rng(0)
    outcome = rng.uniform(-1, 1, 200)
    unknown = outcome.copy()
    unknown[:50] = np.nan
    assert forecasts.correlation(outcome, unknown) == pytest.approx(1)
    assert forecasts.correlation(-outcome, outcome) == pytest.approx(-1)
    assert np.isnan(forecasts.correlation(np.ones(200), outcome))
    assert forecasts.brier(np.sign(outcome), outcome) == 0
    assert forecasts.brier(-np.sign(outcome), outcome) == 1
    assert forecasts.brier(np.zeros(200), outcome) == 0.25
    assert forecasts.mean_absolute_error(outcome + 0.25, unknown) == pytest.approx(0.25)
    nothing = np.full(3, np.nan)
    for score in (forecasts.correlation, forecasts.brier, forecasts.mean_absolute_error):
        assert np.isnan(score(nothing, np.ones(3)))


def snapshot(seed: int, n: int = 9, order: NDArray[np.int64] | None = None) -> Snapshot:
    rng = np.random.default_rng(seed)
    alignment, before = draw(seed, n)
    partition, blocs = rng.integers(0, 4, n), rng.integers(0, 3, n)
    four = rng.uniform(-1, 1, (4, n, n))
    four[rng.random(four.shape) < 0.2] = np.nan
    order = np.arange(n) if order is None else order
    both = np.ix_(order, order)
    return Snapshot(alignment[both], before[order], partition[order], *(matrix[both] for matrix in four), blocs[order])


@quick
@given(seed=st.integers(0, 10**6))
def test_every_measure_ignores_the_order_of_agents(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(9)
    plain, shuffled = measure(snapshot(seed)), measure(snapshot(seed, order=order))
    assert list(plain) == list(CATALOGUE)
    for name, value in plain.items():
        assert shuffled[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


@quick
@given(seed=st.integers(0, 10**6))
def test_measures_do_not_change_what_they_look_at(seed: int) -> None:
    seen, untouched = snapshot(seed), snapshot(seed)
    measure(seen)
    for name in Snapshot.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(seen, name), getattr(untouched, name), err_msg=name)


def test_forecasts_are_scored_on_the_same_pairs() -> None:
    """A pair that one forecast does not cover counts for none."""
    seen = snapshot(1)
    known = ~np.isnan(seen.forecast + seen.observed + seen.cosine + seen.persistence)
    assert 0 < known.sum() < (~np.isnan(seen.forecast + seen.observed)).sum()
    found = measure(seen)
    for name in ("forecast", "cosine", "persistence"):
        scored = np.corrcoef(getattr(seen, name)[known], seen.observed[known])[0, 1]
        assert found[f"{name}_correlation"] == pytest.approx(scored)


def test_measures_of_the_first_step() -> None:
    """All alone, nothing observed yet: every measure is a number or empty, none fails."""
    n = 4
    nothing, alone = np.full((n, n), np.nan), -np.arange(n) - 1
    found = measure(Snapshot(np.zeros((n, n)), alone, alone, nothing, nothing, nothing, nothing))
    assert found["coalitions"] == 0
    assert found["alone"] == 1
    assert found["churn"] == 0
    assert found["effective_coalitions"] == n
    empty = {name for name, value in found.items() if np.isnan(value)}
    assert {"bloc_recovery", "ei_index", "balanced_triangles", "forecast_correlation"} <= empty
