"""Measures: known answers, naive forms, and indifference to the order of agents."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from importlib import import_module
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from ecosystem.measures import CATALOGUE, NOTATION, Snapshot, forecasts, measure, partitions, polarization, signed
from ecosystem.measures.opinions import opinion_bimodality, opinion_variance

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
Matrix = NDArray[np.float64]
Partition = NDArray[np.int64]


def draw(seed: int, n: int) -> tuple[Matrix, Partition]:
    rng = np.random.default_rng(seed)
    alignment = np.triu(rng.uniform(-1, 1, (n, n)) * (rng.random((n, n)) < 0.8), 1)
    return alignment + alignment.T, rng.integers(-2, 3, n)


drawn = given(seed=st.integers(0, 10**6), n=st.integers(1, 10))


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


def mutual_information(one: Partition, other: Partition) -> float:
    pairs = list(zip(one.tolist(), other.tolist(), strict=True))
    share = [pairs.count(pair) / len(pairs) for pair in pairs]
    alone = [float((one == a).mean() * (other == b).mean()) for a, b in pairs]
    return float(np.mean([math.log(p / q) for p, q in zip(share, alone, strict=True)]))


def together_in_both(one: Partition, other: Partition) -> float:
    return sum(bool(one[i] == one[j] and other[i] == other[j]) for i, j in combinations(range(len(one)), 2))


@pytest.mark.parametrize(
    ("one", "other"),
    [([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 1]), ([0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1]), ([0, 0, 1, 1, 2, 2], [5] * 6)],
)
def test_agreement_of_partitions_beyond_chance_by_brute_force(one: list[int], other: list[int]) -> None:
    """What chance gives is the mean over every way to deal out the labels."""
    x, y = np.array(one), np.array(other)
    dealt = [np.array(order) for order in permutations(other)]
    chance = np.mean([together_in_both(x, order) for order in dealt])
    most = (together_in_both(x, x) + together_in_both(y, y)) / 2
    assert partitions.adjusted_rand(x, y) == pytest.approx((together_in_both(x, y) - chance) / (most - chance))
    chance = np.mean([mutual_information(x, order) for order in dealt])
    most = (mutual_information(x, x) + mutual_information(y, y)) / 2
    expected = (mutual_information(x, y) - chance) / (most - chance)
    assert partitions.adjusted_information(x, y) == pytest.approx(expected, abs=1e-12)


def test_agreement_of_partitions_is_zero_by_chance_and_one_for_the_same() -> None:
    rng = np.random.default_rng(0)
    for compare in (partitions.adjusted_rand, partitions.adjusted_information):
        drawn_ = [compare(rng.integers(0, 3, 30), rng.integers(0, 3, 30)) for _ in range(120)]
        assert np.mean(drawn_) == pytest.approx(0, abs=4 * np.std(drawn_) / np.sqrt(120))
        blocs = rng.integers(0, 4, 40)
        assert compare(blocs, 7 - blocs) == pytest.approx(1)
        assert compare(blocs, -np.arange(40)) == pytest.approx(0)


def test_mean_lifetime() -> None:
    assert partitions.mean_lifetime(np.array([3, 5, 1])) == 3
    assert np.isnan(partitions.mean_lifetime(np.array([], np.int64)))


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
    for score in (
        forecasts.correlation, forecasts.brier, forecasts.mean_absolute_error, forecasts.shuffled_brier,
        forecasts.calibration_error,
    ):  # fmt: skip
        assert np.isnan(score(nothing, np.ones(3)))
        assert score(unknown, outcome) == pytest.approx(score(unknown[50:], outcome[50:]))


@quick
@given(seed=st.integers(0, 10**6), n=st.integers(1, 6))
def test_shuffled_brier_is_the_mean_over_all_permutations(seed: int, n: int) -> None:
    forecast, outcome = np.random.default_rng(seed).uniform(-1, 1, (2, n))
    dealt = [forecasts.brier(np.array(order), outcome) for order in permutations(forecast.tolist())]
    assert forecasts.shuffled_brier(forecast, outcome) == pytest.approx(float(np.mean(dealt)))


def test_calibration_error_by_hand() -> None:
    """Forecasts of .3 and .35 met .5 and .7; the other bins hold .05, which met 0, and 1, which met .9."""
    forecast, outcome = 2 * np.array([0.3, 0.35, 0.05, 1.0]) - 1, 2 * np.array([0.5, 0.7, 0.0, 0.9]) - 1
    assert forecasts.calibration_error(forecast, outcome) == pytest.approx(2 / 4 * (0.6 - 0.325) + 0.05 / 4 + 0.1 / 4)
    assert forecasts.calibration_error(np.array([-1.0, 1.0]), np.array([1.0, -1.0])) == 1
    rng = np.random.default_rng(0)
    chance = rng.uniform(0, 1, 200_000)
    sharp = np.where(rng.random(len(chance)) < chance, 1.0, -1.0)
    assert forecasts.calibration_error(2 * chance - 1, sharp) < 0.01  # calibrated, though never sure
    assert forecasts.calibration_error(np.sign(2 * chance - 1), sharp) == pytest.approx(0.25, abs=0.01)


@quick
@given(seed=st.integers(0, 10**6), n=st.integers(1, 40))
def test_calibration_error_equals_its_naive_form(seed: int, n: int) -> None:
    forecast, outcome = np.random.default_rng(seed).uniform(-1, 1, (2, n))
    p, q = (1 + forecast) / 2, (1 + outcome) / 2
    expected = 0.0
    for b in range(10):
        inside = (p >= b / 10) & ((p < (b + 1) / 10) | (b == 9))
        if inside.any():
            expected += inside.mean() * abs(p[inside].mean() - q[inside].mean())
    assert forecasts.calibration_error(forecast, outcome) == pytest.approx(expected)


def test_opinion_measures_by_hand() -> None:
    nan = np.nan
    opinions = np.array([[1, 0.5, nan, 0.2], [-1, 0.5, nan, nan], [1, 0.5, 0.3, nan], [-1, 0.5, nan, 0.6]])
    # Variances 1, 0 and .04; one agent alone has no spread, so the third topic is left out.
    assert opinion_variance(opinions) == pytest.approx(1.04 / 3)
    # Two against two: no skewness, excess kurtosis -6 at four agents; only the first topic has a coefficient.
    assert opinion_bimodality(opinions) == pytest.approx(1 / (-6 + 3 * 9 / 2))
    assert np.isnan(opinion_variance(np.full((3, 2), nan)))
    assert np.isnan(opinion_bimodality(opinions[:, 1:]))
    assert opinion_variance(np.full((5, 2), 0.3)) == pytest.approx(0)
    camps = np.repeat([[1.0, -0.9], [-0.9, 1.0]], 50, axis=0) + np.random.default_rng(0).normal(0, 0.02, (100, 2))
    assert opinion_bimodality(camps) > 0.9


def snapshot(seed: int, n: int = 9, order: NDArray[np.int64] | None = None) -> Snapshot:
    rng = np.random.default_rng(seed)
    alignment, before = draw(seed, n)
    partition, blocs = rng.integers(0, 4, n), rng.integers(0, 3, n)
    four, opinions = rng.uniform(-1, 1, (4, n, n)), rng.uniform(-1, 1, (n, 5))
    for unknown in (four, opinions):
        unknown[rng.random(unknown.shape) < 0.2] = np.nan
    order = np.arange(n) if order is None else order
    both = np.ix_(order, order)
    return Snapshot(
        alignment[both], before[order], partition[order], *(matrix[both] for matrix in four), blocs[order],
        rng.integers(1, 9, 3), opinions[order], int(rng.integers(n + 1)), float(rng.normal()),
    )  # fmt: skip


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
    assert {"bloc_information", "mean_lifetime", "unstable", "potential", "opinion_variance"} <= empty
    assert (found["frustration_index"], found["mean_alignment"]) == (0, 0)


def test_stability_and_lifetime_are_columns() -> None:
    found = measure(replace(snapshot(3, 8), ages=np.array([2, 5]), defectors=2, potential=-0.7))
    assert (found["unstable"], found["defectors"], found["potential"], found["mean_lifetime"]) == (0.25, 2, -0.7, 3.5)


def test_without_agents_nothing_is_defined() -> None:
    nobody, nothing = np.zeros((0, 0)), np.zeros(0, np.int64)
    found = measure(Snapshot(nobody, nothing, nothing, nobody, nobody, nobody, nobody))
    assert all(np.isnan(value) for value in found.values())


@quick
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), ties=st.sampled_from([-1, 0, 1]), extreme=st.booleans())
def test_every_measure_lies_in_its_range(seed: int, n: int, ties: int, extreme: bool) -> None:
    seen = snapshot(seed, n)
    alignment = seen.alignment * 1 if ties == 0 else ties * np.abs(seen.alignment)
    opinions = seen.opinions
    if extreme:
        alignment, opinions = np.sign(alignment), np.sign(opinions)
    for name, value in measure(replace(seen, alignment=alignment, opinions=opinions)).items():
        low, high = CATALOGUE[name].range
        assert np.isnan(value) or low - 1e-9 <= value <= high + 1e-9, name


def test_alignment_that_differs_by_direction_counts_as_its_mean() -> None:
    seen = snapshot(4)
    lean = np.triu(np.random.default_rng(0).uniform(-0.3, 0.3, (9, 9)), 1)
    leaning = replace(seen, alignment=seen.alignment + lean - lean.T + np.eye(9))
    plain, found = measure(seen), measure(leaning)
    for name, value in plain.items():
        assert found[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


def test_every_measure_is_defined_once_and_in_full() -> None:
    titles = [entry.title for entry in CATALOGUE.values()]
    assert len(set(titles)) == len(titles)
    for name, entry in CATALOGUE.items():
        for said in (entry.title, entry.meaning, entry.formula, entry.source, entry.range_in_words):
            assert said, name
            assert "|" not in said, f"{name}: would break a table"
            assert said == " ".join(said.split()), name
        assert not entry.meaning.endswith("."), name
        assert entry.source == "this project" or any(c.isdigit() for c in entry.source), f"{name}: no year"
    assert all(NOTATION.values())


def test_every_function_has_an_example() -> None:
    folder = Path(partitions.__file__).parent
    for path in sorted(folder.glob("*.py")):
        module = import_module(f"ecosystem.measures.{path.stem}") if path.stem != "__init__" else None
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if (
                function.__module__ == getattr(module, "__name__", "")
                and not name.startswith("_")
                and name != "measure"
            ):
                assert ">>> " in (function.__doc__ or ""), f"{path.stem}.{name}"
