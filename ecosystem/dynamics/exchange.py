"""Argument exchange: whom agents hear, which arguments they take over, what they drop for it.

References
----------
Mäs & Flache (2013), PLoS ONE 8:e74516 (exchange and homophily); Banisch & Olbrich (2021), JASSS 24(1)1;
Banisch & Shamon (2025), SMR 54:187-236 (biased processing).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

EMPTY = -1


@dataclass
class Memory:
    """The arguments that agents hold.

    Attributes
    ----------
    held : (n_agents, memory_size) int
        Rows of the table of statements; `EMPTY` where a place is free.
    age : (n_agents, memory_size) int
        When each was taken over or last heard; the least is the oldest.
    locked : (n_agents, memory_size) bool
        Arguments that are never displaced (stubbornness).
    said : (n_agents, memory_size) int
        How often the agent has said each.
    """

    held: NDArray[np.int64]
    age: NDArray[np.int64]
    locked: NDArray[np.bool_]
    said: NDArray[np.int64]

    def adopt(self, listeners: NDArray[np.int64], arguments: NDArray[np.int64], now: int) -> NDArray[np.int64]:
        """Let each listener take over one argument at time ``now``; return what each dropped.

        An argument already held is refreshed. Otherwise it takes a free place, else that of the oldest
        unlocked argument; an agent with every place locked takes over nothing. ``(n,)`` rows of the
        table of statements, `EMPTY` where nothing was dropped.
        """
        held, locked = self.held[listeners], self.locked[listeners]
        same = held == arguments[:, None]
        already = same.any(1)
        priority = np.where(held == EMPTY, np.iinfo(np.int64).min, self.age[listeners])
        priority = np.where(locked, np.iinfo(np.int64).max, priority)
        place = np.where(already, same.argmax(1), priority.argmin(1))
        possible = already | ~locked.all(1)
        who, where = listeners[possible], place[possible]
        new = ~already[possible]
        dropped = np.full(len(listeners), EMPTY, np.int64)
        dropped[possible] = np.where(new, self.held[who, where], EMPTY)
        self.held[who, where] = arguments[possible]
        self.age[who, where] = now
        self.said[who[new], where[new]] = 0
        return dropped

    def learn(self, agent: int, statement: int, now: int) -> None:
        """Let an agent hold one statement more, in a free place, whether or not the place was open to others."""
        if statement in self.held[agent]:
            return
        place = int(np.flatnonzero(self.held[agent] == EMPTY)[0])
        self.held[agent, place], self.age[agent, place] = statement, now
        self.locked[agent, place], self.said[agent, place] = False, 0

    def lock(self, agent: int, share: float, rng: np.random.Generator) -> None:
        """Lock a share of the statements that an agent holds, drawn at random, and unlock the others."""
        places = np.flatnonzero(self.held[agent] != EMPTY)
        self.locked[agent, places] = False
        self.locked[agent, places[rng.permutation(len(places))[: round(share * len(places))]]] = True


def start_memory(
    corpora: list[tuple[int, ...]],
    stubbornness: NDArray[np.float64],
    memory_size: int | None,
    rng: np.random.Generator,
    room: int = 0,
) -> Memory:
    """Return the memory at the start of a debate: each agent holds its corpus.

    Parameters
    ----------
    corpora : list of tuple of int
        Rows of the table of statements, by agent.
    stubbornness : (n_agents,) float
        Share of what an agent starts with that is locked, drawn at random.
    memory_size : int or None
        Places of every agent; larger corpora are sampled without replacement. None: as many as the
        agent's corpus has statements.
    room : int
        Places beyond these, for statements that agents are to learn of (`Memory.learn`).
    """
    sizes = [len(corpus) if memory_size is None else memory_size for corpus in corpora]
    shape = (len(corpora), max(*sizes, 1 - room) + room)
    held, locked = np.full(shape, EMPTY, np.int64), np.ones(shape, bool)
    for agent, (corpus, size) in enumerate(zip(corpora, sizes, strict=True)):
        kept = np.array(corpus, np.int64)
        if len(kept) > size:
            kept = kept[np.sort(rng.choice(len(kept), size, replace=False))]
        held[agent, : len(kept)] = kept
        locked[agent, :size] = False
    age = np.broadcast_to(np.arange(shape[1]) - shape[1], shape).copy()
    memory = Memory(held, age, locked, np.zeros(shape, np.int64))
    for agent, share in enumerate(stubbornness):
        memory.lock(agent, float(share), rng)
    return memory


def hearing_probabilities(
    alignment: NDArray[np.float64], speaking: NDArray[np.bool_], homophily: float
) -> NDArray[np.float64]:
    """Return ``P(j | i)``, the probability that listener i (row) hears speaker j (column).

    ``P(j | i) ~ ((1 + a_ij) / 2) ** h`` over the speakers other than i; a row without one is zero.

    Examples
    --------
    >>> a = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> hearing_probabilities(a, np.array([True, True, True]), 1.0)[0].round(3)
    array([0.   , 0.667, 0.333])
    """
    weight = (1 + alignment) / 2
    np.maximum(weight, 1e-12, out=weight)
    _hush(weight, speaking)
    # Relative to the nearest speaker: the power of a small closeness alone would underflow.
    weight /= np.where(weight.any(1), weight.max(1), 1.0)[:, None]
    np.power(weight, homophily, out=weight)
    _hush(weight, speaking)  # nothing to the power of nothing is one
    total = weight.sum(1)
    weight /= np.where(total > 0, total, 1.0)[:, None]
    return weight


def _hush(weight: NDArray[np.float64], speaking: NDArray[np.bool_]) -> None:
    """Let no one hear itself, or those who say nothing; in place."""
    weight[:, ~speaking] = 0.0
    np.fill_diagonal(weight, 0.0)


def draw_speakers(probabilities: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw for each listener (row) the speaker it hears; `EMPTY` where its row is zero."""
    cumulative = probabilities.cumsum(1)
    point = rng.random((len(probabilities), 1)) * cumulative[:, -1:]
    drawn = (cumulative <= point).sum(1)
    return np.where(cumulative[:, -1] > 0, drawn.clip(max=probabilities.shape[1] - 1), EMPTY)


def acceptance(agreement: NDArray[np.float64], bias: float, openness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability to accept an argument: ``openness * sigma(beta * s)``, s the agreement in [-1, 1]."""
    probability: NDArray[np.float64] = openness * expit(bias * agreement)
    return probability
