"""What a step changes, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecosystem.dynamics.events import Cause, Event
from ecosystem.dynamics.exchange import Memory


@dataclass
class State:
    """Everything a step changes, apart from the random generator.

    Attributes
    ----------
    tick : int
        Steps taken.
    topic : int
        Topic of the step, a row of the scenario's topics.
    memory : Memory
        Arguments that agents hold.
    alignment : (n_agents, n_agents) float
        Symmetric, in [-1, 1].
    partition : (n_agents,) int
        Coalition labels; negative for an agent alone.
    next_label : int
        First coalition label never used.
    heard : (n_agents,) int
        Statement each agent heard last, -1 before the first.
    heard_affinity : (n_agents,) float
        Its affinity to it.
    last_observed : (n_agents, n_agents) float
        Last observed affinity of listener (column) to speaker (row); NaN before the first.
    learned : dict of str to float array
        Weights that the affinity model learned during the run, by name; empty where it learns nothing.
    """

    tick: int
    topic: int
    memory: Memory
    alignment: NDArray[np.float64]
    partition: NDArray[np.int64]
    next_label: int
    heard: NDArray[np.int64]
    heard_affinity: NDArray[np.float64]
    last_observed: NDArray[np.float64]
    learned: dict[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True)
class Heard:
    """The outcome of listening at a step.

    Attributes
    ----------
    affinity : (n_agents, n_agents) float
        Affinity of listener (column) to what the speaker (row) said; NaN where nothing was said.
    speaker : (n_agents,) int
        Whose argument each listener weighed, -1 if none.
    accepted : (n_agents,) bool
        Whether it took the argument over.
    dropped : (n_agents,) int
        The statement it gave up for it, -1 if none.
    """

    affinity: NDArray[np.float64]
    speaker: NDArray[np.int64]
    accepted: NDArray[np.bool_]
    dropped: NDArray[np.int64]


@dataclass(frozen=True)
class LedgerEntry:
    """An event with its cause and the gain of the agents who moved."""

    event: Event
    cause: Cause
    gain: float


@dataclass(frozen=True)
class Step:
    """All that a step leaves behind; arrays are by agent index, statements by row.

    Attributes
    ----------
    step : int
        Number of the step, from 1.
    topic : int
        Topic under debate.
    utterances : (n_agents,) int
        What each agent said, -1 for nothing.
    forecast, cosine : (n_agents, n_agents) float
        Affinity of listener (column) to speaker (row) expected by the JEPA, and by cosine; NaN on the
        diagonal and for agents with nothing to say on the topic.
    heard : Heard
        What listening led to.
    alignment : (n_agents, n_agents) float
        At the end of the step.
    partition : (n_agents,) int
        At the end of the step.
    latents : (n_agents, latent_dim) float32
        Mean latent of what each agent holds at the end of the step.
    events : tuple of LedgerEntry
        What happened to coalitions.
    settled : bool
        Whether regrouping ended before its cap on moves.
    defectors : int
        Agents who would still gain by moving.
    potential : float
        Potential of the coalition game.
    metrics : dict of str to float
        The measures of the catalogue.
    """

    step: int
    topic: int
    utterances: NDArray[np.int64]
    forecast: NDArray[np.float64]
    cosine: NDArray[np.float64]
    heard: Heard
    alignment: NDArray[np.float64]
    partition: NDArray[np.int64]
    latents: NDArray[np.float32]
    events: tuple[LedgerEntry, ...]
    settled: bool
    defectors: int
    potential: float
    metrics: dict[str, float]
