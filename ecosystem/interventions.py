"""What interventions do to a debate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.persona import Persona
from ecosystem.dynamics.events import lone_label
from ecosystem.dynamics.exchange import acceptance
from ecosystem.dynamics.state import Applied, State
from ecosystem.jepa.statements import Statements, affinity_to_holders, held_matrix
from ecosystem.scenario import Discovery, Enter, Intervention, Leave, Message, NewTopic, Scenario, Shock, Turn


@dataclass(frozen=True)
class Stage:
    """What interventions act on.

    Attributes
    ----------
    scenario : Scenario
        With the interventions.
    personas : list of Persona
        By agent index.
    statements : Statements
        The table of statements, those of interventions included.
    positions : (n_statements,) float
        Position of each on its topic.
    """

    scenario: Scenario
    personas: list[Persona]
    statements: Statements
    positions: NDArray[np.float64]

    def intervene(self, state: State, rng: np.random.Generator) -> tuple[Applied, ...]:
        """Apply the interventions of the step that begins to ``state``, in place and in their order."""
        return tuple(self.apply(event, state, rng) for event in self._due(state))

    def live(self, parameter: str, state: State) -> Any:
        """Return a parameter's present value: the scenario's, unless an intervention has changed it."""
        return state.shocks.get(parameter, getattr(self.scenario.parameters, parameter))

    def about_to_be(self, parameter: str, state: State) -> Any:
        """Return the value that a parameter has once the interventions of the step that begins are done."""
        changes = [event.changes for event in self._due(state) if isinstance(event, Shock)]
        value = self.live(parameter, state)
        return next((change[parameter] for change in reversed(changes) if parameter in change), value)

    def apply(self, event: Intervention, state: State, rng: np.random.Generator) -> Applied:
        """Apply an intervention to ``state``, in place."""
        if isinstance(event, Enter | Leave):
            return self._attend(event, state)
        if isinstance(event, NewTopic | Turn):
            state.topic = self._topic(event.topic)
            state.agenda = state.agenda.copy()
            state.agenda[state.topic] = True
            return Applied(event, ())
        if isinstance(event, Shock):
            return self._shock(event, state, rng)
        agents = [agent for agent in self._agents(event.personas) if state.present[agent]]
        row = self._row(event)
        if isinstance(event, Message):
            return Applied(event, tuple(agents), self._broadcast(row, np.array(agents, np.int64), state, rng))
        return self._discover(event, row, state)

    def _attend(self, event: Enter | Leave, state: State) -> Applied:
        (agent,) = self._agents((event.persona,))
        state.present = state.present.copy()
        state.present[agent] = isinstance(event, Enter)
        if isinstance(event, Leave):
            state.partition = state.partition.copy()
            state.partition[agent] = lone_label(agent)
        return Applied(event, (agent,))

    def _discover(self, event: Discovery, row: int, state: State) -> Applied:
        agents = self._agents(event.personas)
        for agent in agents:
            state.memory.learn(agent, row, state.tick)
            state.corpus[agent, row] = True
        return Applied(event, tuple(agents))

    def _shock(self, event: Shock, state: State, rng: np.random.Generator) -> Applied:
        state.shocks = {**state.shocks, **event.changes}
        agents = self._agents(event.personas) if event.stubbornness is not None else []
        for agent in agents:
            state.stubbornness[agent] = event.stubbornness
            state.memory.lock(agent, float(state.stubbornness[agent]), rng)
        return Applied(event, tuple(agents))

    def _broadcast(
        self, row: int, agents: NDArray[np.int64], state: State, rng: np.random.Generator
    ) -> tuple[int, ...]:
        """Let agents weigh a statement as they would a debater's; return who took it over."""
        table = self.statements
        holders = held_matrix(state.memory.held[agents], len(table))
        held = np.flatnonzero((table.topic_of == table.topic_of[row]) & holders.any(0))
        to = np.ix_(np.array([row]), held)
        affinity = np.nan_to_num(affinity_to_holders(table.affinity[to], table.relevance[to], holders[:, held])[0])
        openness = np.array([self.personas[agent].openness for agent in agents])
        draws = rng.random(len(agents))
        if self.live("kernel", state) == "argument":
            accepting = agents[draws < acceptance(affinity, self.live("bias", state), openness)]
            state.memory.adopt(accepting, np.full(len(accepting), row), state.tick)
        else:
            accepting = self._persuade(row, agents, openness, state)
        state.heard, state.heard_affinity = state.heard.copy(), state.heard_affinity.copy()
        state.heard[agents], state.heard_affinity[agents] = row, affinity
        return tuple(map(int, accepting))

    def _persuade(
        self, row: int, agents: NDArray[np.int64], openness: NDArray[np.float64], state: State
    ) -> NDArray[np.int64]:
        """Move opinions towards a message as towards a single speaker; return who was moved."""
        topic, kernel = self.statements.topic_of[row], self.live("kernel", state)
        gap = self.positions[row] - state.opinions[agents, topic]
        share = openness.copy()
        if kernel in ("deffuant", "hk"):
            near = np.abs(gap) <= self.live("confidence", state)
            share = np.where(near, self.live("convergence", state), 0.0)
        elif kernel == "fj":
            share *= 1 - state.stubbornness[agents]
        state.opinions = state.opinions.copy()
        state.opinions[agents, topic] += share * gap
        moved: NDArray[np.int64] = agents[share * np.abs(gap) > 0]
        return moved

    def _due(self, state: State) -> list[Intervention]:
        return [event for event in self.scenario.interventions if event.step == state.tick]

    def _agents(self, keys: tuple[str, ...]) -> list[int]:
        """Return the agents of persona keys; all of them where none is named."""
        wanted = set(keys)
        return [agent for agent, persona in enumerate(self.personas) if not wanted or persona.key in wanted]

    def _topic(self, key: str) -> int:
        return next(row for row, topic in enumerate(self.scenario.topics) if topic.id == key)

    def _row(self, event: Discovery | Message) -> int:
        topic = self._topic(event.topic)
        rows = np.flatnonzero(self.statements.topic_of == topic)
        return next(int(row) for row in rows if self.statements.texts[row] == event.text)
