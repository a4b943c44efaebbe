"""How far the alignment graph is from two camps of friends: the frustration index."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from ecosystem.measures.axes import Axes, leading_axes

Matrix = NDArray[np.float64]
Sides = NDArray[np.float64]

EXACT_UP_TO = 20
"""Agents up to which every split is looked at; above, the index is an upper bound found by local search."""

N_AXES = 3
"""Leading axes of alignment that the local search starts from."""

_PATIENCE = 50
_TOLERANCE = 1e-9


def frustration_index(alignment: Matrix, axes: Axes | None = None) -> float:
    """Return the least share of alignment weight that any split of the agents into two camps frustrates.

    Negative weight inside the camps plus positive weight between them, over all absolute weight, for the
    best split (one camp may be empty): 0 for a balanced graph, at most 1/2. With weights of one it is the
    line index of balance over the number of edges. A share, so that it stands beside `frustration_of` the
    coalitions, which need not be two, and compares across steps and numbers of agents.

    Exact up to `EXACT_UP_TO` agents. Finding it is NP-hard, so above that it is an upper bound: the best of
    one-agent improvements from the directions that the leading axes span, then of chains of moves (as
    Kernighan and Lin's). It draws no random number.

    Parameters
    ----------
    alignment : (n_agents, n_agents) float
        Symmetric, zero diagonal.
    axes : Axes, optional
        The leading axes of the alignment, where they are known already; used above `EXACT_UP_TO` only.

    References
    ----------
    Harary (1959), Behavioral Science 4:316-323; Aref & Wilson (2019), J. Complex Networks 7:163-189;
    Kernighan & Lin (1970), Bell System Technical J. 49:291-307 (chains of moves).

    Examples
    --------
    Of three that all oppose one another, two must share a camp:

    >>> round(frustration_index(np.array([[0, -1, -1], [-1, 0, -1], [-1, -1, 0]], float)), 3)
    0.333
    """
    weight = float(np.abs(alignment).sum())
    if weight == 0:
        return 0.0
    if len(alignment) <= EXACT_UP_TO:
        agreement = _most_agreement(alignment)
    else:
        side = search_camps(alignment, leading_axes(alignment, N_AXES) if axes is None else axes)
        agreement = float(side @ alignment @ side)
    return max(0.0, (1 - agreement / weight) / 2)


def search_camps(alignment: Matrix, axes: Axes) -> Sides:
    """Return the side, 1 or -1, of each agent in a split that frustrates little, ``(n_agents,)``.

    No single agent, and no chain of moves tried, can better it.

    Examples
    --------
    >>> tie = np.array([[0.0, -0.5], [-0.5, 0.0]])
    >>> search_camps(tie, leading_axes(tie)).prod()
    np.float64(-1.0)
    """
    positions = axes.vectors * np.sqrt(axes.values.clip(0))
    # A direction and its opposite give the same split: keep those whose first component in use is positive.
    ways = [way for way in product((-1.0, 0.0, 1.0), repeat=positions.shape[1]) if next(filter(None, way), -1.0) > 0]
    climbed = [_climb(alignment, np.where(positions @ np.array(way) >= 0, 1.0, -1.0)) for way in ways]
    return _chain(alignment, max(climbed, key=lambda side: float(side @ alignment @ side)))


def _most_agreement(alignment: Matrix) -> float:
    """Return the largest ``s'As`` over all splits s: those of the two halves of the agents, combined."""
    n = len(alignment)
    half = n // 2
    one, other = _splits(half), _splits(n - half)
    other = other[: len(other) // 2]  # the last agent stays where it is: the opposite split is the same
    across = 2 * (one @ alignment[:half, half:]) @ other.T
    across += ((one @ alignment[:half, :half]) * one).sum(1)[:, None]
    across += ((other @ alignment[half:, half:]) * other).sum(1)
    return float(across.max())


def _splits(n: int) -> Matrix:
    """Return every assignment of n agents to sides 1 and -1, ``(2^n, n)``; in the first half the last is on 1."""
    return np.where(np.arange(2**n)[:, None] >> np.arange(n) & 1, -1.0, 1.0)


def _climb(alignment: Matrix, side: Sides) -> Sides:
    """Move the agent that gains the most, until none gains."""
    side = side.copy()
    comfort = side * (alignment @ side)  # what each agent's move would cost
    while True:
        agent = int(comfort.argmin())
        if comfort[agent] >= -_TOLERANCE:
            return side
        _move(alignment, side, comfort, agent)
        comfort[agent] = -comfort[agent]


def _chain(alignment: Matrix, side: Sides) -> Sides:
    """Move the agents that lose least one after the other, each once; keep the best of the chain; repeat."""
    while True:
        trial = side.copy()
        comfort = trial * (alignment @ trial)
        gain = best = 0.0
        moved: list[int] = []
        kept = 0
        while len(moved) < min(len(side), kept + _PATIENCE):
            agent = int(comfort.argmin())
            gain -= comfort[agent]
            _move(alignment, trial, comfort, agent)
            comfort[agent] = np.inf
            moved.append(agent)
            if gain > best + _TOLERANCE:
                best, kept = gain, len(moved)
        if not kept:
            return side
        side = side.copy()
        side[moved[:kept]] *= -1.0


def _move(alignment: Matrix, side: Sides, comfort: NDArray[np.float64], agent: int) -> None:
    """Put an agent on the other side and tell the others; its own comfort is left to the caller."""
    comfort -= (2 * side[agent]) * side * alignment[agent]
    side[agent] = -side[agent]
