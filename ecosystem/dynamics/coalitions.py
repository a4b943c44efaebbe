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

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Partition = NDArray[np.int64]
Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]
Entry = Literal["nash", "individual", "contractual"]

RULES: tuple[Entry, ...] = ("nash", "individual", "contractual")
"""The rules of entry, the strictest last."""

MANY = 256
"""Coalitions beyond which asking agents once more costs less than pricing all they might move to."""


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
        In [-1, 1]; symmetric alignment makes the game a potential game. The diagonal counts for nothing.
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
    entry: Entry = "individual"
    max_coalitions: int | None = None

    @property
    def rounding(self) -> float:
        """The gain that rounding alone may show in a sum of stakes."""
        return 1e-9 * max(1.0, float(self.weights.max()))

    def stakes(self) -> Matrix:
        """Return what j (column) is worth to i (row): ``s_j (a_ij - gamma)``, zero on the diagonal."""
        stakes = (self.alignment - self.threshold) * self.weights[None, :]
        np.fill_diagonal(stakes, 0.0)
        return stakes

    def utilities(self, partition: Partition) -> NDArray[np.float64]:
        """Return every agent's utility in its coalition, ``(n_agents,)``."""
        utilities = np.zeros(len(partition))
        order = np.argsort(partition, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(partition[order])) + 1):
            if len(members) > 1:
                margin = self.alignment[np.ix_(members, members)] - self.threshold
                np.fill_diagonal(margin, 0.0)
                utilities[members] = margin @ self.weights[members]
        return utilities

    def potential(self, partition: Partition) -> float:
        """Return ``sum_{i<j together} s_i s_j (a_ij - gamma)``; rises with every move if alignment is symmetric."""
        return float((self.utilities(partition) * self.weights).sum() / 2)


@dataclass(frozen=True)
class Regrouping:
    """What came of letting agents regroup.

    Attributes
    ----------
    partition : (n_agents,) int
        Labels of the old partition where a coalition lives on, new ones above them where agents went alone.
    moves : tuple of Move
        In order.
    settled : bool
        False if the cap on moves was reached first.
    cycle : int or None
        Least number of moves between two visits of one partition: the game went round in a circle (and
        found a way out of it if it settled). None if it did not; with symmetric alignment it cannot.
    """

    partition: Partition
    moves: tuple[Move, ...]
    settled: bool
    cycle: int | None = None


@dataclass(frozen=True)
class Defection(Move):
    """A move that pays under free entry, and the strictest rule of entry that still allows it."""

    rule: Entry


@dataclass(frozen=True)
class Stability:
    """What a partition withstands, and who would leave it for what.

    Attributes
    ----------
    tempted : dict of rule of entry to int
        Number of agents with a paying move under each rule; the partition is stable under those with 0.
    defections : tuple of Defection
        The best move under free entry of every agent that has one that pays, by agent.
    """

    tempted: dict[Entry, int]
    defections: tuple[Defection, ...]

    @property
    def nash(self) -> bool:
        """No agent gains by moving."""
        return not self.tempted["nash"]

    @property
    def individual(self) -> bool:
        """No agent gains by a move that hurts no member of the coalition entered."""
        return not self.tempted["individual"]

    @property
    def contractual(self) -> bool:
        """No agent gains by a move that hurts no member of the coalition entered, nor of the one left."""
        return not self.tempted["contractual"]


def threshold_at(alignment: Matrix, rule: Literal["fixed", "mean", "quantile"], value: float) -> float:
    """Return the threshold gamma that a rule sets at this alignment.

    Parameters
    ----------
    alignment : (n_agents, n_agents) float
        Symmetric, in [-1, 1]; of other matrices, the mean of both directions counts.
    rule : {'fixed', 'mean', 'quantile'}
        gamma is ``value``; the mean alignment over pairs plus ``value``; or the quantile of alignment
        over pairs that ``value`` in [0, 1] names. Where there are no pairs, their mean and quantile are 0.

    Raises
    ------
    ValueError
        A quantile outside [0, 1].

    Examples
    --------
    >>> a = np.array([[0.0, 0.6, 0.0], [0.6, 0.0, -0.3], [0.0, -0.3, 0.0]])
    >>> [round(threshold_at(a, rule, 0.5), 9) for rule in ("fixed", "mean", "quantile")]
    [0.5, 0.6, 0.0]
    """
    if rule == "fixed":
        return value
    if rule == "quantile" and not 0 <= value <= 1:
        raise ValueError(f"found the quantile {value}; 0 to 1 is accepted")
    n = len(alignment)
    pairs = ((alignment + alignment.T) / 2)[np.tri(n, n, -1, dtype=bool)]
    if not len(pairs):
        return value if rule == "mean" else 0.0
    return float(pairs.mean()) + value if rule == "mean" else float(np.quantile(pairs, value))


class _Table:
    """A partition with everything needed to price moves, kept up to date as agents move.

    Rows are slots for coalitions, in the order of their labels, then empty ones; columns are agents.
    """

    def __init__(self, game: Game, partition: Partition) -> None:
        n, alignment, gamma = len(partition), game.alignment, game.threshold
        labels, slot_of = np.unique(partition, return_inverse=True)
        self.game, self.limit = game, game.switching_cost + game.rounding
        self.label_of, self.fresh = dict(enumerate(labels.tolist())), int(labels[-1]) + 1
        self.slot_of: Partition = slot_of.astype(np.int64)
        self.size = np.bincount(self.slot_of, minlength=n + 1)
        self.symmetric = np.array_equal(alignment, alignment.T)
        # Row j: the alignment of each agent with j.
        self.received = alignment if self.symmetric else np.ascontiguousarray(alignment.T)
        self.worth = np.zeros((n + 1, n))
        members = self._members(game.weights)
        self.worth[: len(labels)] = members @ self.received - gamma * members.sum(1)[:, None]
        self.worth[self.slot_of, np.arange(n)] -= game.weights * (alignment.diagonal() - gamma)
        # How many members of each coalition would be hurt, and how many pleased, by each agent's presence.
        self.hurt = None if game.entry == "nash" else self._count(alignment < gamma)
        self.pleased = self._count(alignment > gamma) if game.entry == "contractual" else None
        self._find_slots()

    def potential(self) -> float:
        return float(self._utilities() @ self.game.weights / 2)

    def gains(self, agents: Partition) -> Matrix:
        """Return what agents (columns) gain by moving to ``slots`` (rows) under free entry; -inf where they cannot."""
        here, rows = self.slot_of[agents], self.slots[:, None]
        gains: Matrix = self.worth[rows, agents] - self.worth[here, agents]
        gains[(rows == here) | (rows == self.alone) & (self.size[here] == 1)] = -np.inf
        return gains

    def bar(self, gains: Matrix, agents: Partition, entry: Entry) -> None:
        """Set to -inf, in place, the gains from moves that a rule of entry forbids."""
        if entry != "nash" and self.hurt is not None:
            gains[self.hurt[self.slots[:, None], agents] > 0] = -np.inf
        if entry == "contractual" and self.pleased is not None:
            gains[:, self.pleased[self.slot_of[agents], agents] > 0] = -np.inf

    def offers(self, agents: Partition) -> tuple[Partition, Partition, NDArray[np.float64]]:
        """Return who of the agents has a paying move, to which slot the best of them leads, and its gain."""
        gains = self.gains(agents)
        self.bar(gains, agents, self.game.entry)
        return self.best(gains, agents)

    def best(self, gains: Matrix, agents: Partition) -> tuple[Partition, Partition, NDArray[np.float64]]:
        """Return `offers` given their gains. Of slots whose gains differ by rounding alone, the first is best."""
        most = gains.max(0)
        paid = np.flatnonzero(most > self.limit)
        gains, most = gains[:, paid], most[paid]
        row = (gains >= most - self.game.rounding).argmax(0)
        return agents[paid], self.slots[row], gains[row, np.arange(len(paid))]

    def tempted(self, asked: Mask) -> Mask:
        """Return who of those asked may have a paying move; with many coalitions, everyone asked may."""
        if len(self.slots) > MANY or not asked.any():
            return asked
        tempted = np.zeros_like(asked)
        tempted[self.offers(np.flatnonzero(asked))[0]] = True
        return tempted

    def name_move(self, agent: int, slot: int, gain: float) -> Move:
        target = self.label_of[slot] if self.size[slot] else None
        return Move(int(agent), self.label_of[int(self.slot_of[agent])], target, float(gain))

    def move(self, agent: int, target: int) -> Mask:
        """Move an agent to a slot; return who may have a paying move now and had none before."""
        game, origin, had_room = self.game, int(self.slot_of[agent]), self.room
        if not self.size[target]:
            self.label_of[target], self.fresh = self.fresh, self.fresh + 1
        stakes = self.received[agent] - game.threshold
        felt = game.alignment[agent] - game.threshold
        stakes[agent] = felt[agent] = 0.0
        left, joined = self.slot_of == origin, self.slot_of == target
        worse_off = left & (stakes > 0) | joined & (stakes < 0)
        stakes *= game.weights[agent]
        for table, change in ((self.worth, stakes), (self.hurt, felt < 0), (self.pleased, felt > 0)):
            if table is not None:
                table[origin] -= change
                table[target] += change
        if self.pleased is not None:
            worse_off |= left & (felt > 0)  # no longer held back by the one who left
        self.slot_of[agent] = target
        self.size[origin] -= 1
        self.size[target] += 1
        if not self.size[origin]:
            self.worth[origin] = 0.0  # nothing is left behind by rounding
        self._find_slots()
        if self.room and not had_room:
            return self.tempted(np.ones_like(left))
        gain: Mask = np.zeros_like(left)
        own = self._utilities() + self.limit
        for slot in (origin, target):
            if self.size[slot]:
                open_ = self.slot_of != slot if self.hurt is None else (self.slot_of != slot) & (self.hurt[slot] == 0)
                gain |= open_ & (self.worth[slot] > own)
        return np.logical_or(gain, self.tempted(worse_off & ~gain))

    def partition(self) -> Partition:
        return np.array([self.label_of[slot] for slot in self.slot_of.tolist()], np.int64)

    def _utilities(self) -> NDArray[np.float64]:
        utilities: NDArray[np.float64] = self.worth[self.slot_of, np.arange(len(self.slot_of))]
        return utilities

    def _members(self, values: NDArray[Any]) -> csr_array:
        """Return a row for every coalition: the values of its members, in their columns."""
        order, sizes = np.argsort(self.slot_of, kind="stable"), self.size[self.size > 0]
        ends = np.concatenate([[0], sizes.cumsum()])
        return csr_array((values[order], order, ends), shape=(len(sizes), len(order)))

    def _count(self, feels: Mask) -> NDArray[np.int32]:
        """Return how many members of each coalition (rows of ``feels``) feel so about each agent."""
        np.fill_diagonal(feels, False)
        count = np.zeros(self.worth.shape, np.int32)
        members = self._members(np.ones(len(feels), np.int32))
        count[: members.shape[0]] = members @ feels.astype(np.int32)
        return count

    def _find_slots(self) -> None:
        """Find the slots that may be entered: those in use and, if there is room for one more, the first empty."""
        used = self.size > 0
        cap = self.game.max_coalitions
        self.room = cap is None or int(np.count_nonzero(used)) < cap
        self.alone = int(used.argmin())
        used[self.alone] = self.room
        self.slots = np.flatnonzero(used)


class _Visits:
    """Remembers the partitions a game has been through, and the shortest way round from one to itself.

    A partition's key is the sum over coalitions of the square of the sum of its members' codes, modulo a
    prime: two partitions share one with a chance of about 2**-60.
    """

    PRIME = 2**61 - 1

    def __init__(self, slot_of: Partition) -> None:
        digest = hashlib.shake_128(b"agents").digest(8 * len(slot_of))
        self.codes = [code % self.PRIME for code in np.frombuffer(digest, "<u8").tolist()]
        self.sums = [0] * (len(slot_of) + 1)
        for slot, code in zip(slot_of.tolist(), self.codes, strict=True):
            self.sums[slot] += code
        self.key, self.n_moves = sum(total**2 for total in self.sums) % self.PRIME, 0
        self.seen = {self.key: 0}
        self.cycle: int | None = None

    def move(self, agent: int, origin: int, target: int) -> None:
        code = self.codes[agent]
        self.sums[origin] -= code
        self.key = (self.key + 2 * code * (self.sums[target] - self.sums[origin])) % self.PRIME
        self.sums[target] += code
        self.n_moves += 1
        if self.key in self.seen:
            length = self.n_moves - self.seen[self.key]
            self.cycle = length if self.cycle is None else min(self.cycle, length)
        self.seen[self.key] = self.n_moves


def regroup(game: Game, partition: Partition, rng: np.random.Generator, max_moves: int | None = None) -> Regrouping:
    """Let agents move to the coalition they like best until no one gains more than the switching cost.

    Agents are asked in random order, anew after each round; those who cannot have anything to gain are
    passed over. Of coalitions liked equally, the first by label is joined. At most ``max_moves`` are made
    (default 50 per agent).
    """
    n = len(partition)
    table = _Table(game, partition)
    visits = _Visits(table.slot_of)
    before, limit = table.potential(), 50 * n if max_moves is None else max_moves
    moves: list[Move] = []
    waiting = table.tempted(np.ones(n, bool))
    settled = False
    while not settled:
        settled = True
        for agent in rng.permutation(n).tolist():
            if not waiting[agent]:
                continue
            waiting[agent] = False
            _, slots, gains = table.offers(np.array([agent]))
            if not len(slots):
                continue
            if len(moves) >= limit:
                return Regrouping(table.partition(), tuple(moves), False, visits.cycle)
            settled, slot, origin = False, int(slots[0]), int(table.slot_of[agent])
            moves.append(table.name_move(agent, slot, gains[0]))
            waiting |= table.move(agent, slot)
            visits.move(agent, origin, slot)
    if table.symmetric:
        _assert_rise(game, moves, table.potential() - before)
    return Regrouping(table.partition(), tuple(moves), True, visits.cycle)


def stability(game: Game, partition: Partition) -> Stability:
    """Return what a partition withstands and who would leave it, whichever rule the game is played by."""
    table = _Table(replace(game, entry="contractual"), partition)
    everyone = np.arange(len(partition))
    gains = table.gains(everyone)
    offers = table.best(gains, everyone)
    tempted: dict[Entry, int] = {}
    strictest = np.zeros(len(offers[0]), np.int64)
    rows = np.searchsorted(table.slots, offers[1])
    for level, rule in enumerate(RULES):
        table.bar(gains, everyone, rule)
        tempted[rule] = int(np.count_nonzero(gains.max(0) > table.limit))
        strictest[np.isfinite(gains[rows, offers[0]])] = level
    defections = []
    for agent, slot, gain, degree in zip(*offers, strictest, strict=True):
        move = table.name_move(agent, slot, gain)
        defections.append(Defection(move.agent, move.origin, move.target, move.gain, RULES[degree]))
    return Stability(tempted, tuple(defections))


def defectors(game: Game, partition: Partition) -> list[Move]:
    """Return each agent's best move out of a partition that the rules allow and that pays, if any."""
    table = _Table(game, partition)
    offers = table.offers(np.arange(len(partition)))
    return [table.name_move(agent, slot, gain) for agent, slot, gain in zip(*offers, strict=True)]


def is_stable(game: Game, partition: Partition, entry: Entry) -> bool:
    """Return whether no agent has a paying move under an entry rule, whichever rule the game is played by."""
    return not defectors(replace(game, entry=entry), partition)


def _assert_rise(game: Game, moves: list[Move], rise: float) -> None:
    """Assert that moves, each with a gain above 0, raised the potential by their gains times the movers' weights."""
    expected = sum(float(game.weights[move.agent]) * move.gain for move in moves)
    assert abs(rise - expected) <= game.rounding * (float(game.weights.sum()) + expected), "no potential game"
