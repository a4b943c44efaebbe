"""Coalition identity over time, and the ledger of what happened to coalitions and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Partition = NDArray[np.int64]
Kind = Literal["form", "join", "leave", "merge", "split", "dissolve"]


@dataclass(frozen=True)
class Event:
    """Something that happened to a coalition at a step.

    Attributes
    ----------
    kind : str
        ``form``, ``join``, ``leave``, ``merge``, ``split`` or ``dissolve``.
    coalition : int
        Label of the coalition it happened to.
    agents : tuple of int
        Those who formed, joined, left, came in by a merge, went off by a split, or stood there last.
    partners : tuple of int
        Those the cause is to be sought with: the rest of the coalition (joined, left behind, merged
        with); for a coalition formed or dissolved, its members.
    other : int or None
        The other coalition: merged in, or split off.
    """

    kind: Kind
    coalition: int
    agents: tuple[int, ...]
    partners: tuple[int, ...]
    other: int | None = field(default=None)


def lone_label(agent: int) -> int:
    """Return the label of an agent that stands alone: negative, and always the same."""
    return -agent - 1


def coalitions_of(partition: Partition) -> dict[int, frozenset[int]]:
    """Return the coalitions of two agents or more by label."""
    labels, counts = np.unique(partition, return_counts=True)
    return {int(label): frozenset(map(int, np.flatnonzero(partition == label))) for label in labels[counts > 1]}


def carry_labels(before: Partition, after: Partition, next_label: int) -> tuple[Partition, int]:
    """Give the coalitions of ``after`` the labels of those of ``before`` that they continue.

    Coalitions are matched one to one so that the total Jaccard overlap of members is greatest; a
    coalition that continues none gets a label never used before; an agent alone gets `lone_label`.

    Returns
    -------
    partition : (n_agents,) int
        ``after``, relabelled.
    next_label : int
        The first label still unused.
    """
    old, new = coalitions_of(before), coalitions_of(after)
    carried = np.array([lone_label(agent) for agent in range(len(after))], np.int64)
    names = _match(old, new)
    for label, members in sorted(new.items(), key=lambda item: min(item[1])):
        name = names.get(label)
        if name is None:
            name, next_label = next_label, next_label + 1
        carried[sorted(members)] = name
    return carried, next_label


def find_events(before: Partition, after: Partition) -> list[Event]:
    """Return what happened between two labelled partitions, coalition-wide events first.

    A coalition whose label is new *splits* off another if most of its members come from that one, else
    it *forms*; one whose label is gone *merges* into another if most of its members are there, else it
    *dissolves*. Members who change for no such reason *join* or *leave*, so that every agent whose label
    changed is named in an event.
    """
    old, new = coalitions_of(before), coalitions_of(after)
    wide: list[Event] = []
    explained: set[tuple[int, int]] = set()
    for label in sorted(new.keys() - old.keys()):
        members = new[label]
        origin = _majority(members, old)
        if origin is not None and origin in new:
            gone = members & old[origin]
            explained |= {(agent, origin) for agent in gone} | {(agent, label) for agent in gone}
            wide.append(Event("split", origin, _sorted(gone), _sorted(new[origin]), label))
        else:
            explained |= {(agent, label) for agent in members}
            wide.append(Event("form", label, _sorted(members), _sorted(members)))
    for label in sorted(old.keys() - new.keys()):
        members = old[label]
        goal = _majority(members, new)
        if goal is not None and goal in old:
            come = members & new[goal]
            explained |= {(agent, label) for agent in come} | {(agent, goal) for agent in come}
            wide.append(Event("merge", goal, _sorted(come), _sorted(new[goal] - come), label))
        else:
            explained |= {(agent, label) for agent in members}
            wide.append(Event("dissolve", label, _sorted(members), _sorted(members)))
    single: list[Event] = []
    for agent in np.flatnonzero(before != after).tolist():
        origin_, goal_ = int(before[agent]), int(after[agent])
        if origin_ in old and (agent, origin_) not in explained:
            rest = new.get(origin_, old[origin_]) - {agent}
            single.append(Event("leave", origin_, (agent,), _sorted(rest)))
        if goal_ in new and (agent, goal_) not in explained:
            single.append(Event("join", goal_, (agent,), _sorted(new[goal_] - {agent})))
    return wide + single


@dataclass(frozen=True)
class Cause:
    """Why an event happened, as far as the step shows.

    Attributes
    ----------
    before, after : float
        Mean alignment of the event's agents with its partners, at the end of the last step and of this.
    speakers, listeners : tuple of int
        The exchanges (who spoke, who listened) that moved this mean most in the direction it moved.
    """

    before: float
    after: float
    speakers: tuple[int, ...]
    listeners: tuple[int, ...]


def find_cause(
    event: Event,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    observed: NDArray[np.float64],
    n_exchanges: int = 2,
) -> Cause:
    """Return the change of alignment behind an event and the exchanges that contributed most to it.

    Parameters
    ----------
    event : Event
        What happened.
    before, after : (n_agents, n_agents) float
        Alignment at the end of the last step, and of this.
    observed : (n_agents, n_agents) float
        Affinity of listener (column) to what the speaker (row) said; NaN where nothing was heard.
    """
    pairs = np.array([(i, j) for i in event.agents for j in event.partners if i != j]).reshape(-1, 2)
    if not len(pairs):
        return Cause(float("nan"), float("nan"), (), ())
    one, other = pairs.T
    change = float((after[one, other] - before[one, other]).mean())
    speakers, listeners = np.concatenate([one, other]), np.concatenate([other, one])
    heard = observed[speakers, listeners]
    # An exchange's contribution is proportional to its surprise: what was observed less what stood.
    push = np.nan_to_num((heard - before[speakers, listeners]) * (1 if change >= 0 else -1), nan=-np.inf)
    order = [int(k) for k in np.argsort(-push, kind="stable") if push[k] > 0]
    chosen: dict[tuple[int, int], None] = {}
    for k in order:
        if len(chosen) == n_exchanges:
            break
        chosen.setdefault((int(speakers[k]), int(listeners[k])))
    return Cause(
        float(before[one, other].mean()),
        float(after[one, other].mean()),
        tuple(speaker for speaker, _ in chosen),
        tuple(listener for _, listener in chosen),
    )


def _match(old: dict[int, frozenset[int]], new: dict[int, frozenset[int]]) -> dict[int, int]:
    if not old or not new:
        return {}
    rows, columns = sorted(old), sorted(new)
    jaccard = np.array([[len(old[r] & new[c]) / len(old[r] | new[c]) for c in columns] for r in rows])
    chosen = zip(*linear_sum_assignment(jaccard, maximize=True), strict=True)
    return {columns[c]: rows[r] for r, c in chosen if jaccard[r, c] > 0}


def _majority(members: Iterable[int], coalitions: dict[int, frozenset[int]]) -> int | None:
    members = frozenset(members)
    shares = {label: len(members & others) / len(members) for label, others in coalitions.items()}
    best = max(shares, key=lambda label: (shares[label], -label), default=None)
    return best if best is not None and shares[best] > 0.5 else None


def _sorted(agents: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(agents))
