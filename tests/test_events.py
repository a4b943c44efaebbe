"""Coalition identity over time, the ledger of events, and their causes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem.dynamics.events import (
    Event,
    Partition,
    carry_labels,
    coalitions_of,
    find_cause,
    find_events,
    lone_label,
)

quick = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def alone(n: int) -> Partition:
    return np.array([lone_label(agent) for agent in range(n)], np.int64)


def blocks(partition: Partition) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(partition == label).tolist()) for label in set(partition.tolist())}


def history(seed: int, n: int, steps: int = 8) -> list[tuple[Partition, int]]:
    """Return labelled partitions of a history in which some agents move at each step, with next labels."""
    rng = np.random.default_rng(seed)
    found = [(alone(n), 1)]
    for _ in range(steps):
        before, next_label = found[-1]
        moving = rng.random(n) < rng.choice([0.1, 0.4, 1.0])
        after = np.where(moving, rng.integers(100, 100 + rng.integers(1, n + 1), n), before)
        found.append(carry_labels(before, after, next_label))
    return found


def label(*groups: tuple[int, tuple[int, ...]], n: int = 12) -> Partition:
    """Return the partition with these labelled coalitions; all others are alone."""
    partition = alone(n)
    for name, members in groups:
        partition[list(members)] = name
    return partition


@quick
@given(seed=st.integers(0, 10**6), n=st.integers(2, 14))
def test_labels_are_carried_without_touching_the_partition(seed: int, n: int) -> None:
    rng, (before, next_label) = np.random.default_rng(seed), history(seed, n, 3)[-1]
    after = rng.integers(0, n, n)
    carried, following = carry_labels(before, after, next_label)
    assert blocks(carried) == blocks(after)
    for agent in range(n):
        is_alone = (after == after[agent]).sum() == 1
        assert (carried[agent] == lone_label(agent)) == is_alone
        assert is_alone or carried[agent] >= 1
    fresh = set(carried.tolist()) - set(before.tolist())
    assert {name for name in fresh if name > 0} == set(range(next_label, following))


@quick
@given(seed=st.integers(0, 10**6), n=st.integers(2, 14))
def test_a_retired_label_never_comes_back(seed: int, n: int) -> None:
    retired: set[int] = set()
    past = history(seed, n, 12)
    for (before, _), (after, _) in pairwise(past):
        live = set(coalitions_of(after))
        assert not live & retired
        retired |= set(coalitions_of(before)) - live


def test_the_label_follows_the_members() -> None:
    before = label((1, (0, 1, 2, 3)), (2, (4, 5, 6)))
    after = np.array([9, 9, 9, 5, 5, 5, 5, 7, 8, 7, 7, 7])
    carried, next_label = carry_labels(before, after, 3)
    np.testing.assert_array_equal(carried, label((1, (0, 1, 2)), (2, (3, 4, 5, 6)), (3, (7, 9, 10, 11))))
    assert next_label == 4


def replay(before: Partition, events: list[Event]) -> Partition:
    """Return what the ledger says became of ``before``: departures first, then arrivals."""
    partition = before.copy()
    for event in events:
        if event.kind in ("dissolve", "leave"):
            partition[list(event.agents)] = [lone_label(agent) for agent in event.agents]
    for event in events:
        if event.kind in ("form", "merge", "join"):
            partition[list(event.agents)] = event.coalition
        elif event.kind == "split":
            assert event.other is not None
            partition[list(event.agents)] = event.other
    return partition


@quick
@given(seed=st.integers(0, 10**6), n=st.integers(2, 16))
def test_the_ledger_explains_every_change_and_no_other(seed: int, n: int) -> None:
    past = history(seed, n)
    for (before, _), (after, _) in pairwise(past):
        events = find_events(before, after)
        np.testing.assert_array_equal(replay(before, events), after)
        changed = set(np.flatnonzero(before != after).tolist())
        assert {agent for event in events for agent in event.agents} == changed
        assert len(set(events)) == len(events)
        old, new = coalitions_of(before), coalitions_of(after)
        for event in events:
            assert event.agents
            assert event.coalition in old or event.coalition in new
            if event.kind not in ("form", "dissolve"):
                assert not set(event.agents) & set(event.partners)
    for partition, _ in past:
        assert find_events(partition, partition) == []


def test_form_join_leave_dissolve() -> None:
    pair, trio = label((1, (0, 1))), label((1, (0, 1, 2)))
    assert find_events(alone(12), pair) == [Event("form", 1, (0, 1), (0, 1))]
    assert find_events(pair, trio) == [Event("join", 1, (2,), (0, 1))]
    assert find_events(trio, pair) == [Event("leave", 1, (2,), (0, 1))]
    assert find_events(pair, alone(12)) == [Event("dissolve", 1, (0, 1), (0, 1))]


def test_switching_is_leaving_and_joining() -> None:
    before = label((1, (0, 1, 2)), (2, (3, 4)))
    after = label((1, (0, 1)), (2, (2, 3, 4)))
    assert find_events(before, after) == [Event("leave", 1, (2,), (0, 1)), Event("join", 2, (2,), (3, 4))]


def test_split_and_merge() -> None:
    whole, parts = label((1, (0, 1, 2, 3, 4))), label((1, (0, 1, 2)), (2, (3, 4)))
    assert find_events(whole, parts) == [Event("split", 1, (3, 4), (0, 1, 2), 2)]
    assert find_events(parts, whole) == [Event("merge", 1, (3, 4), (0, 1, 2), 2)]


def test_who_stays_out_of_a_merger_leaves() -> None:
    before = label((1, (0, 1, 2, 3, 4, 5)), (2, (6, 7, 8, 9)))
    after = label((1, (0, 1, 2, 3, 4, 5, 6, 7, 8)))
    assert find_events(before, after) == [
        Event("merge", 1, (6, 7, 8), (0, 1, 2, 3, 4, 5), 2),
        Event("leave", 2, (9,), (6, 7, 8)),
    ]


def test_cause_is_the_exchange_that_moved_the_pair() -> None:
    before, after = np.zeros((4, 4)), np.zeros((4, 4))
    after[0, 1] = after[1, 0] = -0.5
    after[0, 2] = after[2, 0] = -0.1
    observed = np.full((4, 4), np.nan)
    observed[1, 0], observed[0, 1], observed[2, 0], observed[3, 0] = -0.9, 0.3, -0.2, -1.0
    cause = find_cause(Event("leave", 1, (0,), (1, 2)), before, after, observed)
    assert (cause.before, cause.after) == (0.0, -0.3)
    # 1 -> 0 and 2 -> 0 pushed down; 0 -> 1 pushed up; 3 is not a partner, whatever it said.
    assert (cause.speakers, cause.listeners) == ((1, 2), (0, 0))
    assert find_cause(Event("leave", 1, (0,), (1, 2)), before, after, observed, 1).speakers == (1,)


def test_cause_of_a_coalition_counts_each_exchange_once() -> None:
    after = np.full((3, 3), 0.4)
    observed = np.full((3, 3), np.nan)
    observed[0, 1] = observed[2, 1] = 0.8
    cause = find_cause(Event("form", 1, (0, 1, 2), (0, 1, 2)), np.zeros((3, 3)), after, observed, 5)
    assert set(zip(cause.speakers, cause.listeners, strict=True)) == {(0, 1), (2, 1)}
    assert len(cause.speakers) == 2


def test_cause_without_partners_is_unknown() -> None:
    cause = find_cause(Event("leave", 1, (0,), ()), np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 2)))
    assert np.isnan(cause.before)
    assert cause.speakers == ()
