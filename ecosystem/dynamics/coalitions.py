"""Coalitions as an additively separable hedonic game, played by better responses.

Agent i's utility in coalition C is ``u_i(C) = sum_{j in C, j != i} s_j (a_ij - gamma)``: it wants partners
aligned with it above the threshold, and the more so the larger their weight. A partition is an integer
label per agent.

References
----------
Bogomolnaia & Jackson (2002), GEB 38:201-230 (hedonic games and their stability); Axelrod & Bennett (1993),
BJPolS 23:211-233 (two coalitions, gamma = 0, free entry).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Partition = NDArray[np.int64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Move:
    """An agent's change of coalition: from one label to another (None: on its own), and its gain."""

    agent: int
    origin: int
    target: int | None
    gain: float


@dataclass(frozen=True)
class Game:
    """The rules and stakes of the coalition game at a step.

    Attributes
    ----------
    alignment : (n_agents, n_agents) float
        In [-1, 1]; symmetric alignment makes the game a potential game.
    weights : (n_agents,) float
        s, above 0.
    threshold, switching_cost : float
        gamma and kappa.
    entry : {'nash', 'individual', 'contractual'}
        Who may enter: anyone; whoever hurts no member of the coalition entered; whoever also hurts no
        member of the coalition left.
    max_coalitions : int or None
        No move may raise the number of coalitions above it.
    """

    alignment: Matrix
    weights: NDArray[np.float64]
    threshold: float = 0.0
    switching_cost: float = 0.0
    entry: Literal["nash", "individual", "contractual"] = "individual"
    max_coalitions: int | None = None

    def stakes(self) -> Matrix:
        """Return what j (column) is worth to i (row): ``s_j (a_ij - gamma)``, zero on the diagonal."""
        stakes = (self.alignment - self.threshold) * self.weights[None, :]
        np.fill_diagonal(stakes, 0.0)
        return stakes

    def utilities(self, partition: Partition) -> NDArray[np.float64]:
        """Return every agent's utility in its coalition, ``(n_agents,)``."""
        together = partition[:, None] == partition[None, :]
        utilities: NDArray[np.float64] = (self.stakes() * together).sum(1)
        return utilities

    def potential(self, partition: Partition) -> float:
        """Return ``sum_{i<j together} s_i s_j (a_ij - gamma)``; rises with every move if alignment is symmetric."""
        return float((self.utilities(partition) * self.weights).sum() / 2)


class _Table:
    """A partition with everything needed to price moves, kept up to date as agents move.

    Columns are coalition slots, with one column beyond them always empty: going alone.
    """

    def __init__(self, game: Game, partition: Partition) -> None:
        n = len(partition)
        self.game, self.stakes = game, game.stakes()
        self.column_of = np.unique(partition, return_inverse=True)[1].astype(np.int64)
        self.size = np.zeros(n + 1, np.int64)
        np.add.at(self.size, self.column_of, 1)
        member = np.zeros((n, n + 1))
        member[np.arange(n), self.column_of] = 1.0
        self.worth = self.stakes @ member
        # How many members of each coalition would be hurt, and how many pleased, by each agent's presence.
        self.hurt = (self.stakes.T < 0) @ member
        self.pleased = (self.stakes.T > 0) @ member

    def gains(self, agent: int) -> NDArray[np.float64]:
        """Return the agent's gain from moving to each column; -inf where the rules forbid it."""
        here = self.column_of[agent]
        gain = self.worth[agent] - self.worth[agent, here]
        open_ = self.size > 0
        going_alone = int(np.flatnonzero(~open_)[0])
        n_coalitions = int(open_.sum())
        cap = self.game.max_coalitions
        if self.size[here] > 1 and (cap is None or n_coalitions < cap):
            open_[going_alone] = True
        open_[here] = False
        if self.game.entry != "nash":
            open_ &= self.hurt[agent] == 0
        if self.game.entry == "contractual" and self.pleased[agent, here] > 0:
            open_[:] = False
        return np.where(open_, gain, -np.inf)

    def move(self, agent: int, target: int) -> None:
        origin = self.column_of[agent]
        for table, change in (
            (self.worth, self.stakes[:, agent]),
            (self.hurt, self.stakes[agent] < 0),
            (self.pleased, self.stakes[agent] > 0),
        ):
            table[:, origin] -= change
            table[:, target] += change
        self.size[origin] -= 1
        self.size[target] += 1
        self.column_of[agent] = target


def regroup(
    game: Game, partition: Partition, rng: np.random.Generator, max_moves: int | None = None
) -> tuple[Partition, list[Move], bool]:
    """Let agents move to the coalition they like best until no one gains more than the switching cost.

    Agents are asked in random order, anew after each round.

    Returns
    -------
    partition : (n_agents,) int
        Labels of the old partition where a coalition lives on, new ones above them where agents went
        alone.
    moves : list of Move
        In order.
    settled : bool
        False if ``max_moves`` (default 50 per agent) was reached first; with symmetric alignment the
        potential rises with each move, so that this cannot be a cycle.
    """
    n = len(partition)
    labels = list(np.unique(partition))
    table = _Table(game, partition)
    limit = 50 * n if max_moves is None else max_moves
    label_of = {column: int(label) for column, label in enumerate(labels)}
    fresh = int(partition.max()) + 1
    moves: list[Move] = []
    moved = True
    while moved:
        moved = False
        for agent in rng.permutation(n):
            gains = table.gains(int(agent))
            target = int(gains.argmax())
            # The tolerance keeps rounding in the running sums from inventing gains.
            if not gains[target] > game.switching_cost + 1e-9:
                continue
            if len(moves) >= limit:
                return _relabel(table.column_of, label_of), moves, False
            origin = int(table.column_of[agent])
            alone = table.size[target] == 0
            if alone:
                label_of[target] = fresh
                fresh += 1
            table.move(int(agent), target)
            goal = None if alone else label_of[target]
            moves.append(Move(int(agent), label_of[origin], goal, float(gains[target])))
            moved = True
    return _relabel(table.column_of, label_of), moves, True


def defectors(game: Game, partition: Partition) -> list[Move]:
    """Return each agent's best move out of a partition that the rules allow and that pays, if any."""
    table = _Table(game, partition)
    labels = np.unique(partition)
    found = []
    for agent in range(len(partition)):
        gains = table.gains(agent)
        target = int(gains.argmax())
        if gains[target] > game.switching_cost + 1e-9:
            goal = int(labels[target]) if table.size[target] else None
            found.append(Move(agent, int(partition[agent]), goal, float(gains[target])))
    return found


def is_stable(game: Game, partition: Partition, entry: Literal["nash", "individual", "contractual"]) -> bool:
    """Return whether no agent has a paying move under an entry rule, whichever rule the game is played by."""
    return not defectors(replace(game, entry=entry), partition)


def _relabel(column_of: Partition, label_of: dict[int, int]) -> Partition:
    return np.array([label_of[int(column)] for column in column_of], np.int64)
