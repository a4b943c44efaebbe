"""What a step changes, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.dynamics.coalitions import Stability
from ecosystem.dynamics.events import Cause, Event
from ecosystem.dynamics.exchange import Memory
from ecosystem.scenario import Intervention


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
    opinions, initial : (n_agents, n_topics) float
        What each agent thinks of each topic, in [-1, 1], now and by its corpus alone; 0 where it holds nothing.
    corpus : (n_agents, n_statements) bool
        The statements that agents argue from.
    stubbornness : (n_agents,) float
        Share of an agent's arguments that is never displaced, in [0, 1].
    present : (n_agents,) bool
        Who takes part in the debate.
    agenda : (n_topics,) bool
        The topics that are on the agenda.
    born : (next_label,) int
        The step at which the coalition of each label was formed.
    shocks : dict of str to number, str or None
        Parameters that an intervention has changed, with their values.
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
    opinions: NDArray[np.float64]
    initial: NDArray[np.float64]
    corpus: NDArray[np.bool_]
    stubbornness: NDArray[np.float64]
    present: NDArray[np.bool_]
    agenda: NDArray[np.bool_]
    born: NDArray[np.int64]
    shocks: dict[str, Any] = field(default_factory=dict)
    learned: dict[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True)
class Heard:
    """The outcome of listening at a step.

    Attributes
    ----------
    affinity : (n_agents, n_agents) float
        Affinity of listener (column) to what the speaker (row) said; NaN where nothing was said.
    speaker : (n_agents,) int
        Whose argument each listener weighed, or whose opinion moved it most; -1 if none.
    accepted : (n_agents,) bool
        Whether it took the argument over, or moved.
    dropped : (n_agents,) int
        The statement it gave up for it, -1 if none.
    """

    affinity: NDArray[np.float64]
    speaker: NDArray[np.int64]
    accepted: NDArray[np.bool_]
    dropped: NDArray[np.int64]


@dataclass(frozen=True)
class Hearing(Heard):
    """What a kernel makes of a meeting.

    Attributes
    ----------
    opinions : (n_agents,) float or None
        Opinions on the topic under debate afterwards; None where they follow from what agents hold.
    """

    opinions: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class LedgerEntry:
    """An event with its cause and the gain of the agents who moved."""

    event: Event
    cause: Cause
    gain: float


@dataclass(frozen=True)
class Applied:
    """An intervention that took place at a step.

    Attributes
    ----------
    intervention : Intervention
        What the scenario schedules.
    agents : tuple of int
        Whom it concerned: who entered or left, learned of the statement, heard the message, was shocked.
    accepted : tuple of int
        Who took a message over.
    """

    intervention: Intervention
    agents: tuple[int, ...]
    accepted: tuple[int, ...] = ()


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
    interventions : tuple of Applied
        What befell the debate from outside at the beginning of the step.
    settled : bool
        Whether regrouping ended before its cap on moves.
    cycle : int or None
        Moves between two visits of one partition, where regrouping went round in a circle.
    stability : Stability
        Which rules the partition is stable under, and who would gain by moving.
    opinions : (n_agents, n_topics) float
        At the end of the step.
    present : (n_agents,) bool
        Who took part.
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
    interventions: tuple[Applied, ...]
    settled: bool
    cycle: int | None
    stability: Stability
    opinions: NDArray[np.float64]
    present: NDArray[np.bool_]
    metrics: dict[str, float]
