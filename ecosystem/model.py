"""The simulation: personas speak, a JEPA predicts how far listeners agree, coalitions follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mesa
import numpy as np
from numpy.typing import NDArray

from agents.debater import Debater
from agents.persona import Persona
from agents.policies import POLICIES, SILENT, Floor, choose
from ecosystem.dynamics.alignment import align
from ecosystem.dynamics.coalitions import Game, Move, defectors, regroup
from ecosystem.dynamics.events import carry_labels, find_cause, find_events, lone_label
from ecosystem.dynamics.exchange import EMPTY, acceptance, draw_speakers, hearing_probabilities, start_memory
from ecosystem.dynamics.state import Heard, LedgerEntry, State, Step
from ecosystem.jepa.statements import Statements, affinity_to_holders, held_matrix
from ecosystem.measures import CATALOGUE, Snapshot, measure
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario

if TYPE_CHECKING:
    from ecosystem.jepa.adaptation import Learner
    from ecosystem.jepa.affinity import AffinityModel

Matrix = NDArray[np.float64]


class EcosystemModel(mesa.Model):  # type: ignore[misc]
    """A debate as a Mesa model.

    Parameters
    ----------
    scenario : str, Path or Scenario
        What `ecosystem.reading.load_scenario` accepts.
    rng : int, Generator or None
        Source of every random choice. None: the parameter ``seed`` where one is passed, else a fresh one, as
        in any Mesa model, so that the iterations of `mesa.batch_run` differ.
    jepa : AffinityModel or None
        The affinity model; the pretrained one by default.
    agent_classes : mapping of persona key to subclass of Debater
        Agents with a mind of their own.
    on_step : callable
        Called with the `Step` each step leaves behind.
    **parameters
        Any of `ecosystem.scenario.Parameters`, as plain scalars.

    Attributes
    ----------
    state : State
        Everything a step changes.
    personas : list of Persona
        By agent index.
    statements : Statements
        The table of unique statements.
    last : Step or None
        What the last step left behind.
    """

    def __init__(
        self,
        scenario: str | Path | Scenario = "climate-debate",
        *,
        rng: int | np.random.Generator | None = None,
        jepa: AffinityModel | None = None,
        agent_classes: Mapping[str, type[Debater]] | None = None,
        on_step: Callable[[Step], None] | None = None,
        **parameters: Any,
    ) -> None:
        self.scenario = load_scenario(scenario, **parameters)
        self.parameters = self.scenario.parameters
        super().__init__(rng=parameters.get("seed") if rng is None else rng)
        if jepa is None:
            from ecosystem.jepa import load_jepa

            jepa = load_jepa()
        self.jepa = jepa
        self.personas, texts, topic_of = index_statements(self.scenario)
        self.statements: Statements = jepa.statements(texts, topic_of)
        self.last: Step | None = None
        self._on_step = on_step
        classes = dict(agent_classes or {})
        self.debaters: list[Debater] = [
            classes.get(persona.key, Debater)(self, index, persona, POLICIES[self.parameters.policy])
            for index, persona in enumerate(self.personas)
        ]
        self._weights = np.array([persona.weight for persona in self.personas])
        self._openness = np.array([persona.openness for persona in self.personas])
        self._blocs = known_blocs(self.personas)
        self._corpus = np.zeros((len(self.personas), len(texts)), bool)
        for index, persona in enumerate(self.personas):
            self._corpus[index, list(persona.corpus)] = True
        self._learner = self._start_learning()
        self.state = self._start()
        self.datacollector = mesa.DataCollector({name: _last_metric(name) for name in CATALOGUE})

    # The step: everyone reads the state of step t; what they do makes step t + 1.

    def step(self) -> None:
        """Take one step."""
        before = self.state.partition, self.state.alignment, self.state.last_observed
        self.state.tick += 1
        self.state.topic = self._topic_now()
        forecast, cosine = self.predict()
        utterances = self.speak()
        heard = self.listen(utterances)
        self.align(heard.affinity)
        moves, settled = self.regroup()
        self.record(before, forecast, cosine, utterances, heard, moves, settled)
        self.learn(utterances, heard.affinity)

    def predict(self) -> tuple[Matrix, Matrix]:
        """Return the affinity expected of listeners (columns) to speakers (rows), by JEPA and by cosine.

        The mean over what a speaker may say: the statements of its own corpus that it still holds on the
        topic under debate, or those it took over where no own one is left.
        """
        table, holders = self.statements, self._holders()
        rows = np.flatnonzero(table.topic_of == self.state.topic)
        held = holders[:, rows].astype(np.float64)
        own = held * self._corpus[:, rows]
        may_say = np.where(own.any(1, keepdims=True), own, held)
        count = may_say.sum(1, keepdims=True)
        expected = []
        for scores in (table.affinity, table.cosine):
            received = affinity_to_holders(scores[rows], table.relevance[rows], holders)
            mean = np.where(count > 0, may_say @ received / count.clip(1), np.nan)
            np.fill_diagonal(mean, np.nan)
            expected.append(mean)
        return expected[0], expected[1]

    def speak(self) -> NDArray[np.int64]:
        """Return what each agent says: a row of the table of statements, or `SILENT`."""
        talkativeness = np.array([debater.persona.talkativeness for debater in self.debaters])
        active = self.rng.random(len(self.debaters)) < talkativeness
        floor = self._floor()
        said = np.full(len(self.debaters), SILENT, np.int64)
        own_mind = np.array([type(debater).speak is not Debater.speak for debater in self.debaters])
        for policy in dict.fromkeys(debater.policy for debater in self.debaters):
            same = np.array([debater.policy is policy for debater in self.debaters])
            agents = np.flatnonzero(active & ~own_mind & same)
            if len(agents):
                said[agents] = choose(policy, floor, agents, self.rng)
        for index in np.flatnonzero(active & own_mind):
            said[index] = self.debaters[index].speak(floor, self.rng)
        spoke = said != SILENT
        self.state.memory.said += (self.state.memory.held == said[:, None]) & spoke[:, None]
        return said

    def listen(self, utterances: NDArray[np.int64]) -> Heard:
        """Let everyone hear everyone, and weigh the argument of one speaker drawn by homophily."""
        state, table = self.state, self.statements
        spoke = utterances != SILENT
        affinity = np.full(state.alignment.shape, np.nan)
        affinity[spoke] = affinity_to_holders(
            table.affinity[utterances[spoke]], table.relevance[utterances[spoke]], self._holders()
        )
        np.fill_diagonal(affinity, np.nan)
        probabilities = hearing_probabilities(state.alignment, spoke, self.parameters.homophily)
        speaker = draw_speakers(probabilities, self.rng)
        draws = self.rng.random(len(speaker))
        listeners = np.flatnonzero(speaker != EMPTY)
        arguments = utterances[speaker[listeners]]
        agreement = affinity[speaker[listeners], listeners]
        agreement = np.nan_to_num(agreement)  # no view on the topic: neither agrees nor opposes
        chance = acceptance(agreement, self.parameters.bias, self._openness[listeners])
        taken = draws[listeners] < chance
        accepted = np.zeros(len(speaker), bool)
        accepted[listeners] = taken
        dropped = np.full(len(speaker), EMPTY, np.int64)
        dropped[listeners[taken]] = state.memory.adopt(listeners[taken], arguments[taken], state.tick)
        state.heard = state.heard.copy()
        state.heard[listeners] = arguments
        state.heard_affinity = state.heard_affinity.copy()
        state.heard_affinity[listeners] = agreement
        state.last_observed = np.where(np.isnan(affinity), state.last_observed, affinity)
        return Heard(affinity, speaker, accepted, dropped)

    def align(self, observed: Matrix) -> None:
        """Move the running mean of affinity on the edges of the alignment graph."""
        self.state.alignment = align(self.state.alignment, observed, self.parameters.learning_rate)

    def regroup(self) -> tuple[list[Move], bool]:
        """Let agents move between coalitions until no one gains; return the moves and whether it settled."""
        partition, moves, settled = regroup(self.game(), self.state.partition, self.rng)
        carried = carry_labels(self.state.partition, partition, self.state.next_label)
        self.state.partition, self.state.next_label = carried
        return moves, settled

    def record(
        self,
        before: tuple[NDArray[np.int64], Matrix, Matrix],
        forecast: Matrix,
        cosine: Matrix,
        utterances: NDArray[np.int64],
        heard: Heard,
        moves: list[Move],
        settled: bool,
    ) -> None:
        """Score the forecast, find the events and their causes, and hand the step on."""
        state, (partition, alignment, persistence) = self.state, before
        snapshot = Snapshot(
            state.alignment, partition, state.partition, forecast, heard.affinity, cosine, persistence, self._blocs
        )
        gains = np.zeros(len(self.debaters))
        for move in moves:
            gains[move.agent] += move.gain
        events = tuple(
            LedgerEntry(
                event,
                find_cause(event, alignment, state.alignment, heard.affinity),
                float(gains[list(event.agents)].sum()),
            )
            for event in find_events(partition, state.partition)
        )
        game = self.game()
        self.last = Step(
            state.tick,
            state.topic,
            utterances,
            forecast,
            cosine,
            heard,
            state.alignment,
            state.partition,
            self.agent_latents(),
            events,
            settled,
            len(defectors(game, state.partition)),
            game.potential(state.partition),
            measure(snapshot),
        )
        self.datacollector.collect(self)
        if self._on_step is not None:
            self._on_step(self.last)

    def learn(self, utterances: NDArray[np.int64], observed: Matrix) -> None:
        """Let the affinity model learn from the step's exchanges, where it does so, and read all statements anew."""
        if self._learner is not None and self.parameters.learn == "online":
            self._learner.learn(utterances, observed)
            self.statements, self.state.learned = self._learner.statements, self._learner.state()

    def restore(self, state: State, rng_state: Mapping[str, Any]) -> None:
        """Go back to a state, and to the position of the random generator that goes with it."""
        self.state = state
        if self._learner is not None and state.learned:
            self._learner.restore(state.learned)
            self.statements = self._learner.statements
        self.steps = state.tick
        self.rng.bit_generator.state = dict(rng_state)

    # Views of the state.

    def game(self) -> Game:
        """Return the coalition game at the present alignment."""
        p = self.parameters
        return Game(self.state.alignment, self._weights, p.threshold, p.switching_cost, p.entry, p.max_coalitions)

    def agent_latents(self) -> NDArray[np.float32]:
        """Return the mean latent of what each agent holds, (n_agents, latent_dim)."""
        holders = self._holders()
        mean: NDArray[np.float32] = holders @ self.statements.latents / holders.sum(1, keepdims=True).clip(1)
        return mean

    @property
    def alignment_graph(self) -> Any:
        """The alignment graph as networkx sees it, built on demand.

        Nodes are persona keys with ``name`` and ``coalition``; edges carry ``weight`` (alignment) and the
        last observed affinity in both directions.
        """
        from ecosystem.dynamics.graph import alignment_graph

        return alignment_graph(self.personas, self.state)

    def _start_learning(self) -> Learner | None:
        """Return what learns in this debate, if anything does; adapt the affinity model where that is asked for."""
        if self.parameters.learn == "none":
            return None
        from ecosystem.jepa.adaptation import Learner

        learner = Learner(self.jepa, self.statements)
        if self.parameters.learn == "adapt":
            learner.adapt(self._corpus)
        self.jepa, self.statements = learner.model, learner.statements
        return learner

    def _start(self) -> State:
        n = len(self.personas)
        stubbornness = np.array([persona.stubbornness for persona in self.personas])
        corpora = [persona.corpus for persona in self.personas]
        return State(
            tick=0,
            topic=0,
            memory=start_memory(corpora, stubbornness, self.parameters.memory_size, self.rng),
            alignment=np.zeros((n, n)),
            partition=np.array([lone_label(agent) for agent in range(n)], np.int64),
            next_label=1,
            heard=np.full(n, SILENT, np.int64),
            heard_affinity=np.zeros(n),
            last_observed=np.full((n, n), np.nan),
        )

    def _topic_now(self) -> int:
        n, tick, duration = len(self.scenario.topics), self.state.tick, self.parameters.topic_duration
        if (tick - 1) % duration:
            return self.state.topic
        return int(self.rng.integers(n)) if self.parameters.agenda == "random" else (tick - 1) // duration % n

    def _holders(self) -> NDArray[np.float32]:
        return held_matrix(self.state.memory.held, len(self.statements))

    def _floor(self) -> Floor:
        state, table = self.state, self.statements
        return Floor(
            state.topic,
            state.memory.held,
            np.take_along_axis(self._corpus, state.memory.held, 1) & (state.memory.held >= 0),
            state.memory.said,
            table.topic_of,
            table.cosine,
            table.reply_energy,
            state.heard,
            state.heard_affinity,
        )


def index_statements(scenario: Scenario) -> tuple[list[Persona], list[str], NDArray[np.int64]]:
    """Return the personas with corpora as rows of a table, and the table's texts and topics.

    Statements are the distinct (topic, text) pairs, in order of first appearance.
    """
    topics = {topic.id: row for row, topic in enumerate(scenario.topics)}
    rows: dict[tuple[int, str], int] = {}
    personas = []
    for key, persona in scenario.personas.items():
        pairs = dict.fromkeys((topics[statement.topic], statement.text) for statement in persona.corpus)
        corpus = tuple(rows.setdefault(pair, len(rows)) for pair in pairs)
        traits = persona.traits.model_dump()
        personas.append(Persona(key, persona.name, persona.description, corpus, bloc=persona.bloc, **traits))
    return personas, [text for _, text in rows], np.array([topic for topic, _ in rows], np.int64)


def known_blocs(personas: list[Persona]) -> NDArray[np.int64] | None:
    """Return the known bloc of each agent as a label; None unless every persona has one."""
    names = [persona.bloc for persona in personas]
    if any(name is None for name in names):
        return None
    order = {name: label for label, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names], np.int64)


def _last_metric(name: str) -> Callable[[EcosystemModel], float]:
    def reporter(model: EcosystemModel) -> float:
        return model.last.metrics[name] if model.last is not None else float("nan")

    return reporter
