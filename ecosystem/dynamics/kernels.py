"""The opinion kernels behind one interface: what a meeting makes of arguments and opinions.

A kernel looks at the `Meeting` and returns how listeners received what was said, whom each heard most, and the
opinions on the topic under debate afterwards. In the exchange of arguments opinions follow from what agents hold.
The reference kernels move one number per agent and topic; the affinity of two agents is then the product of their
opinions, as affinity between statements is nearly the product of their positions (`dynamics.positions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ecosystem.dynamics.exchange import EMPTY, Memory, acceptance, draw_speakers
from ecosystem.dynamics.opinions import deffuant, degroot, friedkin_johnsen, hegselmann_krause
from ecosystem.dynamics.state import Hearing

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_STILL = 1e-12


@dataclass(frozen=True)
class Meeting:
    """What a kernel sees of a step.

    Attributes
    ----------
    tick, topic : int
        The step, and the topic under debate.
    utterances : (n_agents,) int
        What each agent said, -1 for nothing.
    affinity : (n_agents, n_agents) float
        Predicted affinity of listener (column) to what the speaker (row) said; NaN where nothing was said or the
        listener is absent.
    influence : (n_agents, n_agents) float
        P(j | i), the probability that listener i (row) hears speaker j (column); rows of zeros hear no one.
    memory : Memory
        What agents hold; the exchange of arguments changes it.
    opinions, initial : (n_agents, n_topics) float
        In [-1, 1].
    openness, stubbornness : (n_agents,) float
        Traits, in [0, 1].
    coupling : (n_topics, n_topics) float or None
        Row-stochastic: how opinions on topics (columns) bear on a topic (row).
    bias, confidence, convergence : float
        beta, epsilon and mu.
    """

    tick: int
    topic: int
    utterances: NDArray[np.int64]
    affinity: Matrix
    influence: Matrix
    memory: Memory
    opinions: Matrix
    initial: Matrix
    openness: Vector
    stubbornness: Vector
    coupling: Matrix | None
    bias: float
    confidence: float
    convergence: float

    @property
    def now(self) -> Vector:
        """Opinions on the topic under debate, (n_agents,)."""
        return self.opinions[:, self.topic]

    @property
    def spoke(self) -> NDArray[np.bool_]:
        """Who said something, (n_agents,)."""
        return self.utterances >= 0

    def lazy_influence(self) -> Matrix:
        """Return the weights that agents average with: their own opinion keeps ``1 - openness``, (n, n)."""
        weights = self.influence * self.openness[:, None]
        weights[np.diag_indices_from(weights)] += 1 - weights.sum(1)
        return weights


class Kernel(Protocol):
    """Lets everyone hear everyone."""

    def __call__(self, meeting: Meeting, rng: np.random.Generator) -> Hearing:
        """Return what comes of a meeting; only the memory may be changed in place."""
        ...


def argument_exchange(meeting: Meeting, rng: np.random.Generator) -> Hearing:
    """Each listener weighs the argument of one speaker drawn by homophily and may take it over.

    References
    ----------
    `ecosystem.dynamics.exchange`.
    """
    affinity, utterances = meeting.affinity, meeting.utterances
    speaker = draw_speakers(meeting.influence, rng)
    draws = rng.random(len(speaker))
    listeners = np.flatnonzero(speaker != EMPTY)
    arguments = utterances[speaker[listeners]]
    # No view on the topic: neither agrees nor opposes.
    agreement = np.nan_to_num(affinity[speaker[listeners], listeners])
    taken = draws[listeners] < acceptance(agreement, meeting.bias, meeting.openness[listeners])
    accepted = np.zeros(len(speaker), bool)
    accepted[listeners] = taken
    dropped = np.full(len(speaker), EMPTY, np.int64)
    dropped[listeners[taken]] = meeting.memory.adopt(listeners[taken], arguments[taken], meeting.tick)
    return Hearing(affinity, speaker, accepted, dropped)


def averaging(meeting: Meeting, rng: np.random.Generator) -> Hearing:
    """DeGroot: ``x_i <- (1 - openness_i) x_i + openness_i sum_j P(j | i) x_j``."""
    del rng
    weights = meeting.lazy_influence()
    return _moved(meeting, degroot(meeting.now, weights), weights)


def anchored_averaging(meeting: Meeting, rng: np.random.Generator) -> Hearing:
    """Friedkin-Johnsen: DeGroot's mean weighs ``1 - stubbornness``, the opinion of the corpus the rest.

    Topics that depend on others move by their opinions too (`Topic.depends_on`).
    """
    del rng
    weights = meeting.lazy_influence()
    after = friedkin_johnsen(meeting.opinions, meeting.initial, weights, 1 - meeting.stubbornness, meeting.coupling)
    return _moved(meeting, after[:, meeting.topic], weights)


def paired(meeting: Meeting, rng: np.random.Generator) -> Hearing:
    """Deffuant: those who spoke meet two by two, whoever they are, and the near ones approach each other."""
    after, partner = deffuant(meeting.now, meeting.confidence, meeting.convergence, rng, meeting.spoke)
    moved = np.abs(after - meeting.now) > _STILL
    return _hearing(meeting, after, np.where(meeting.spoke, partner, EMPTY), moved)


def bounded_averaging(meeting: Meeting, rng: np.random.Generator) -> Hearing:
    """Hegselmann-Krause: the mean of one's own opinion and those that spoke, as far as they are near enough."""
    del rng
    now, spoke = meeting.now, meeting.spoke
    near = (np.abs(now[:, None] - now[None, :]) <= meeting.confidence).astype(np.float64)
    hears: NDArray[np.bool_] = np.asarray((meeting.influence > 0).any(axis=1))
    after = np.where(hears, hegselmann_krause(now, meeting.confidence, spoke), now)
    return _moved(meeting, after, near * spoke[None, :] * hears[:, None])


KERNELS: dict[str, Kernel] = {
    "argument": argument_exchange,
    "degroot": averaging,
    "fj": anchored_averaging,
    "deffuant": paired,
    "hk": bounded_averaging,
}


def _moved(meeting: Meeting, after: Vector, weights: Matrix) -> Hearing:
    """Return the hearing of an averaging kernel: each heard most the speaker who pulled it furthest its way."""
    change = after - meeting.now
    pull = weights * (meeting.now[None, :] - meeting.now[:, None]) * np.sign(change)[:, None]
    pull[:, ~meeting.spoke] = -np.inf
    strongest = pull.argmax(1)
    moved = (np.abs(change) > _STILL) & (pull[np.arange(len(pull)), strongest] > 0)
    return _hearing(meeting, after, np.where(moved, strongest, EMPTY), moved)


def _hearing(meeting: Meeting, after: Vector, speaker: NDArray[np.int64], moved: NDArray[np.bool_]) -> Hearing:
    affinity = np.where(np.isnan(meeting.affinity), np.nan, np.outer(meeting.now, meeting.now))
    return Hearing(affinity, speaker, moved, np.full(len(after), EMPTY, np.int64), after)
