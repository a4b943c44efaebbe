"""What the page shows of a debate: what stays the same, and how things stand at a step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.persona import Persona
from ecosystem.app.debates.course import Course
from ecosystem.jepa.statements import Statements
from ecosystem.opening import Reading, index_statements
from ecosystem.report.arrays import project
from ecosystem.report.prose import Sentence
from ecosystem.scenario import Scenario


@dataclass(frozen=True)
class Setting:
    """What stays the same from step to step, until a visitor brings in a statement.

    Attributes
    ----------
    scenario : Scenario
        With all interventions, those made by hand among them.
    personas : tuple of Persona
        By agent index.
    statements : Statements
        The table of statements.
    positions : (n_statements,) float
        Position of each on its topic, in [-1, 1].
    """

    scenario: Scenario
    personas: tuple[Persona, ...]
    statements: Statements
    positions: NDArray[np.float64]

    @classmethod
    def of(cls, scenario: Scenario, reading: Reading) -> Setting:
        """Build from a scenario and what the affinity model makes of its statements."""
        personas, _, _ = index_statements(scenario)
        return cls(scenario, tuple(personas), reading.statements, reading.positions)

    @property
    def title(self) -> str:
        """The scenario's title."""
        return self.scenario.title or self.scenario.name

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the agents."""
        return tuple(persona.name for persona in self.personas)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Persona keys of the agents."""
        return tuple(persona.key for persona in self.personas)

    @cached_property
    def topics(self) -> tuple[str, ...]:
        """Titles of the topics."""
        return tuple(topic.title or topic.id for topic in self.scenario.topics)

    @cached_property
    def plane(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Mean, first two principal axes and their shares of variance of the latents of the statements in corpora.

        Trajectories are drawn in this plane, which no statement that is brought in later moves. Without statements, as
        where affinity is given, there is none: all are at the origin.
        """
        known = 1 + max((row for persona in self.personas for row in persona.corpus), default=-1)
        latents = self.statements.latents[:known]
        if len(latents):
            return project(latents)
        dim = latents.shape[1]
        return np.zeros(dim), np.eye(dim, 2), np.zeros(2)


@dataclass(frozen=True)
class Told:
    """Something that happened at a step, in words.

    Attributes
    ----------
    step : int
        When.
    kind : str
        ``form``, ``join``, ``leave``, ``merge``, ``split``, ``dissolve``, ``move`` (a leave and a join at one step), or
        ``intervention``.
    words : Sentence
        A sentence; names stand apart from the words around them.
    agents : tuple of int
        Whom it concerned.
    event : int or None
        Position in the table of events of the debate; None for an intervention. A leave and a join that are told
        together have the first of theirs.
    """

    step: int
    kind: str
    words: Sentence
    agents: tuple[int, ...]
    event: int | None

    @property
    def text(self) -> str:
        """The sentence as plain text."""
        return "".join(self.words)


@dataclass(frozen=True)
class Scene:
    """How a debate stands at the end of a step; step 0 is before the first. Arrays are by agent index.

    Attributes
    ----------
    step : int
        Number of the step.
    topic : int or None
        Row of the topic under debate; None before the first step.
    utterances : (n_agents,) int
        The statement (row of the table) that each said, -1 for nothing.
    speaker : (n_agents,) int
        Whose argument each weighed, -1 if none.
    accepted : (n_agents,) bool
        Whether it took it over, or moved.
    forecast, observed : (n_agents, n_agents) float32
        Affinity of listener (column) to speaker (row), expected before and found at the step; NaN where nothing was
        said and on the diagonal.
    alignment : (n_agents, n_agents) float32
        Symmetric, in [-1, 1].
    partition : (n_agents,) int
        Coalition labels; negative for an agent alone.
    present : (n_agents,) bool
        Who takes part.
    opinions : (n_agents, n_topics) float32
        In [-1, 1]; 0 where it holds nothing, NaN for the absent.
    held : tuple of tuple of int
        The statements that each holds, rows of the table.
    held_at : int
        The step after which `held` was so: this one, or an earlier one where a recorded run does not keep it.
    points : (n_agents, 2) float32
        Mean latent of what each holds, in `Setting.plane`.
    places : (n_agents, 2) float32
        Where it stands in the drawing of the network, in the unit square.
    arrived : (n_agents,) bool
        Whether it stands there with its coalition; else it is on its way to it, or absent.
    told : tuple of Told
        What happened at the step, interventions first.
    threshold : float
        The threshold gamma in force.
    """

    step: int
    topic: int | None
    utterances: NDArray[np.int64]
    speaker: NDArray[np.int64]
    accepted: NDArray[np.bool_]
    forecast: NDArray[np.float32]
    observed: NDArray[np.float32]
    alignment: NDArray[np.float32]
    partition: NDArray[np.int64]
    present: NDArray[np.bool_]
    opinions: NDArray[np.float32]
    held: tuple[tuple[int, ...], ...]
    held_at: int
    points: NDArray[np.float32]
    places: NDArray[np.float32]
    arrived: NDArray[np.bool_]
    told: tuple[Told, ...]
    threshold: float

    @cached_property
    def coalitions(self) -> dict[int, tuple[int, ...]]:
        """Members of each coalition, the largest coalition first."""
        labels = np.unique(self.partition[self.partition >= 0])
        blocks = {int(label): tuple(np.flatnonzero(self.partition == label).tolist()) for label in labels}
        return dict(sorted(blocks.items(), key=lambda block: (-len(block[1]), block[0])))


class Viewing(Protocol):
    """A debate that can be looked at, step by step: one that goes on, or one that was recorded."""

    @property
    def setting(self) -> Setting:
        """What stays the same."""

    @property
    def course(self) -> Course:
        """What is kept of every step."""

    @property
    def now(self) -> int:
        """The last step there is."""

    def scene(self, step: int) -> Scene:
        """Return how things stood at the end of a step from 0 to `now`."""

    def why(self, event: int) -> Sentence:
        """Return why an event, given by its position in the table of events, happened: a short paragraph."""
