"""Agents in the drawing of the network: together with their coalition, apart from others, never jumping."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ecosystem.app.drawing.layout import ASPECT, Layout, hull_margin, node_radius, place, spacing
from ecosystem.model import EcosystemModel
from ecosystem.scenario import Scenario

Array = NDArray[np.float64]

DIRECTIONS = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 720, endpoint=False)), np.sin(a)], 1)


def everyone_alone(n: int) -> NDArray[np.int64]:
    return -np.arange(n) - 1


def two_camps(n: int, size: float = 0.5) -> tuple[Array, NDArray[np.int64]]:
    side = np.arange(n) % 2
    alignment = np.where(side[:, None] == side, size, -size)
    np.fill_diagonal(alignment, 0.0)
    return alignment, side


def gaps(places: NDArray[Any]) -> Array:
    points = places.astype(np.float64)
    apart = np.hypot(*(points[:, None] - points).transpose(2, 0, 1))
    return apart[np.triu_indices(len(points), 1)]


def radius(places: NDArray[Any]) -> float:
    points = places.astype(np.float64)
    return float(np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean()))


def moved(after: Layout, before: Layout) -> Array:
    """Return how far agents went, in radii of the layout after the step."""
    way = after.places.astype(np.float64) - before.places
    return np.hypot(*way.T) / radius(after.places)


def overlapping(layout: Layout) -> list[tuple[int, int]]:
    """Return the pairs of coalitions whose outlines meet: no line separates the circles around their members."""
    labels = [k for k in np.unique(layout.partition).tolist() if k >= 0]
    margin = hull_margin(len(layout.places))
    reach = {k: (layout.places[layout.partition == k].astype(np.float64) @ DIRECTIONS.T) for k in labels}
    return [
        (a, b)
        for a in labels
        for b in labels
        if a < b and not (reach[a].max(0) + margin < reach[b].min(0) - margin).any()
    ]


def rested(alignment: Array, partition: NDArray[np.int64], before: Layout | None = None, steps: int = 60) -> Layout:
    everyone = np.ones(len(partition), bool)
    layout = place(alignment, partition, everyone, before)
    for _ in range(steps):
        layout = place(alignment, partition, everyone, layout)
    return layout


def walk(rng: np.random.Generator, n: int, steps: int) -> list[tuple[Array, NDArray[np.int64], NDArray[np.bool_]]]:
    """Return a made-up debate: alignment wanders, agents change coalition, come and go, at times all at once."""
    alignment, partition, present = np.zeros((n, n)), everyone_alone(n), np.ones(n, bool)
    course = [(alignment, partition, present)]
    for _ in range(steps):
        noise = rng.normal(0, 0.1, (n, n))
        alignment = np.clip(0.9 * alignment + 0.1 * (noise + noise.T), -1, 1) * (1 - np.eye(n))
        partition, movers = partition.copy(), rng.random(n) < rng.choice([0, 0.05, 0.3, 1.0])
        partition[movers] = rng.integers(0, max(n // 5, 2), movers.sum())
        present = present ^ (rng.random(n) < 0.05)
        partition[~present] = everyone_alone(n)[~present]
        labels, counts = np.unique(partition, return_counts=True)
        single = np.isin(partition, labels[counts == 1])
        partition[single] = everyone_alone(n)[single]
        course.append((alignment, partition, present))
    return course


def crowd(n: int, coalitions: int, steps: int) -> list[tuple[Array, NDArray[np.int64]]]:
    """Return a debate that finds its coalitions at step 1; then one agent in a hundred changes at each step."""
    rng = np.random.default_rng(4)
    partition = rng.integers(0, coalitions, n)
    course = [(np.zeros((n, n)), everyone_alone(n))]
    for _ in range(steps):
        noise = rng.normal(0, 0.05, (n, n))
        alignment = np.where(partition[:, None] == partition, 0.4, -0.1) + noise + noise.T
        np.fill_diagonal(alignment, 0.0)
        course.append((np.clip(alignment, -1, 1), partition))
        partition = partition.copy()
        partition[rng.integers(0, n, n // 100)] = rng.integers(0, coalitions, n // 100)
    return course


# The opening.


def test_opening_is_a_ring_in_the_scenarios_order() -> None:
    places = place(np.zeros((12, 12)), everyone_alone(12), np.ones(12, bool)).places - 0.5
    assert places.dtype == np.float32
    assert places[0, 0] == pytest.approx(0, abs=1e-6)  # the first at the top: down is positive
    assert places[0, 1] == places[:, 1].min()
    turn = np.diff(np.unwrap(np.arctan2(places[:, 1], places[:, 0])))
    assert (turn > 0.2).all()  # clockwise as seen
    assert turn.sum() == pytest.approx(2 * np.pi * 11 / 12, abs=0.2)
    assert np.ptp(places[:, 0]) / np.ptp(places[:, 1]) == pytest.approx(ASPECT, abs=0.12)


def test_one_agent_stands_in_the_middle_and_none_nowhere() -> None:
    alone = place(np.zeros((1, 1)), everyone_alone(1), np.ones(1, bool))
    np.testing.assert_allclose(alone.places, [[0.5, 0.5]])
    assert alone.arrived.all()
    nobody = place(np.zeros((3, 3)), everyone_alone(3), np.zeros(3, bool))
    assert nobody.homes == {}
    assert not nobody.arrived.any()


def test_opening_shows_who_is_aligned() -> None:
    alignment, side = two_camps(10)
    points = place(alignment, everyone_alone(10), np.ones(10, bool)).places.astype(np.float64)
    distance = np.hypot(*(points[:, None] - points).transpose(2, 0, 1))
    same = side[:, None] == side
    assert distance[same & ~np.eye(10, dtype=bool)].max() < distance[~same].mean()


# At rest.


@pytest.mark.parametrize(("n", "coalitions"), [(6, 2), (12, 3), (14, 5), (40, 9), (200, 24), (200, 3)])
def test_coalitions_are_apart(n: int, coalitions: int) -> None:
    rng = np.random.default_rng(n)
    partition = np.arange(n) % coalitions
    noise = rng.normal(0, 0.1, (n, n))
    alignment = np.where(partition[:, None] == partition, 0.3, 0.0) + noise + noise.T
    layout = rested(np.clip(alignment, -1, 1), partition.astype(np.int64))
    assert layout.arrived.all()
    assert overlapping(layout) == []


def test_aligned_coalitions_stand_nearer_than_opposed_ones() -> None:
    partition = np.repeat([0, 1, 2], 4)
    between = np.array([[0.5, 0.4, -0.4], [0.4, 0.5, -0.4], [-0.4, -0.4, 0.5]])
    layout = rested(between[partition[:, None], partition] * (1 - np.eye(12)), partition)
    zero, one, two = (layout.places[partition == k].mean(0) for k in range(3))
    assert np.hypot(*(zero - one)) < 0.75 * min(np.hypot(*(zero - two)), np.hypot(*(one - two)))


def test_drawing_comes_to_rest_centred_and_wide() -> None:
    alignment, side = two_camps(14, 0.2)
    before = rested(alignment, side)
    after = place(alignment, side, np.ones(14, bool), before)
    assert moved(after, before).max() < 0.002
    np.testing.assert_allclose(after.places.mean(0), 0.5, atol=0.03)
    assert np.ptp(after.places, axis=0).max() > 0.45


# From step to step.


def test_the_must_hold_on_a_debate(debate: Scenario, jepa: Any) -> None:
    for seed, parameters in ((0, {}), (1, {"entry": "nash"}), (2, {"homophily": 9})):
        model = EcosystemModel(debate, jepa=jepa, rng=seed, **parameters)
        before = place(model.state.alignment, model.state.partition, model.state.present)
        for _ in range(20):
            model.step()
            after = place(model.state.alignment, model.state.partition, model.state.present, before)
            stayed = after.partition == before.partition
            assert moved(after, before)[stayed].mean() < 0.05
            before = after


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 2, 3, 7, 14, 40, 120]))
@example(299, 7)  # six of seven change, and land where the seventh stands
def test_whatever_happens(seed: int, n: int) -> None:
    before = None
    for alignment, partition, present in walk(np.random.default_rng(seed), n, 8):
        after = place(alignment, partition, present, before)
        assert after.places.shape == (n, 2)
        assert np.isfinite(after.places).all()
        inside = 0.5 - node_radius(n)
        assert (np.abs(after.places - 0.5) <= [inside, inside - (1 - 1 / ASPECT) / 2]).all()
        assert gaps(after.places).min(initial=1.0) >= 2 * node_radius(n) * (1 - 1e-4)
        assert set(after.homes) == set(partition[present].tolist())
        assert not after.arrived[~present].any()
        if before is not None:
            stayed = partition == before.partition
            if stayed.any() and n > 1:
                assert moved(after, before)[stayed].mean() < 0.05
        before = after


def test_one_who_joins_travels_and_arrives_while_the_others_stay() -> None:
    partition = np.repeat([0, 1, 2], 5)
    alignment = np.where(partition[:, None] == partition, 0.3, 0.0) * (1 - np.eye(15))
    before = rested(alignment, partition)
    joined = partition.copy()
    joined[0] = 2
    rest = np.arange(15) != 0
    way, steps = 0.0, 0
    layout = before
    while steps == 0 or not layout.arrived[0]:
        after = place(alignment, joined, np.ones(15, bool), layout)
        step = moved(after, layout)
        assert step[0] < 0.85
        assert step[rest].mean() < 0.05
        way, steps, layout = way + step[0], steps + 1, after
    assert steps <= 4
    assert way > 0.5
    drift = (layout.places - before.places)[rest].astype(np.float64)
    assert np.hypot(*drift.T).max() < 0.5 * radius(before.places)


def test_a_coalition_of_agents_far_apart_drags_no_one_else() -> None:
    n = 16
    before = place(np.zeros((n, n)), everyone_alone(n), np.ones(n, bool))
    partition = everyone_alone(n)
    members = [0, 5, 11]
    partition[members] = 0
    others = np.setdiff1d(np.arange(n), members)
    layout = before
    for step in range(4):
        after = place(np.zeros((n, n)), partition, np.ones(n, bool), layout)
        assert step > 0 or moved(after, layout)[members].max() <= 0.9
        layout = after
    assert layout.arrived.all()
    assert gaps(layout.places[members]).max() < 3 * spacing(n)
    assert np.hypot(*(layout.places - before.places)[others].T).mean() < 0.1 * radius(before.places)


def test_the_absent_stand_at_the_rim_and_come_back() -> None:
    alignment, side = two_camps(12)
    here = rested(alignment, side)
    partition, present = side.copy(), np.ones(12, bool)
    partition[3], present[3] = -4, False
    gone = here
    for _ in range(8):
        gone = place(alignment, partition, present, gone)
    from_rim = (np.array([0.5, 0.5 / ASPECT]) - np.abs(gone.places - 0.5)).min(1)
    assert from_rim[3] < 5 * node_radius(12)
    assert from_rim[present].min() > from_rim[3]
    back = gone
    for _ in range(6):
        back = place(alignment, side, np.ones(12, bool), back)
    assert back.arrived.all()
    assert overlapping(back) == []


def test_a_crowd_is_steady_and_its_coalitions_clear() -> None:
    before, means, met = None, [], []
    for alignment, partition in crowd(200, 22, 12):
        after = place(alignment, partition, np.ones(200, bool), before)
        if before is not None:
            stayed = partition == before.partition
            means.append(moved(after, before)[stayed].mean() if stayed.any() else 0.0)
        before = after
        settled = replace(after, places=after.places[after.arrived], partition=partition[after.arrived])
        met.append(len(overlapping(settled)))
    assert max(means) < 0.05
    assert np.mean(after.arrived) > 0.95
    assert max(met[6:]) <= 2  # of 231 pairs


def test_same_arguments_same_bytes() -> None:
    def run() -> bytes:
        layout, found = None, b""
        for alignment, partition, present in walk(np.random.default_rng(5), 20, 10):
            alignment, partition, present = alignment.copy(), partition.copy(), present.copy()
            layout = place(alignment, partition, present, layout)
            found += layout.places.tobytes()
        return found

    assert run() == run()


def test_arguments_are_left_as_they_were() -> None:
    alignment, side = two_camps(8)
    np.fill_diagonal(alignment, 1.0)
    copies = alignment.copy(), side.copy()
    before = place(alignment, side, np.ones(8, bool))
    kept = before.places.copy()
    place(alignment, side[::-1].copy(), np.ones(8, bool), before)
    np.testing.assert_array_equal(alignment, copies[0])
    np.testing.assert_array_equal(side, copies[1])
    np.testing.assert_array_equal(before.places, kept)


@pytest.mark.parametrize(("n", "most"), [(12, 0.003), (200, 0.030)])
def test_cost(n: int, most: float) -> None:
    costs, layout = [], None
    for alignment, partition in crowd(n, max(n // 9, 3), 15):
        began = time.process_time()
        layout = place(alignment, partition, np.ones(n, bool), layout)
        costs.append(time.process_time() - began)
    assert np.median(costs) < most
