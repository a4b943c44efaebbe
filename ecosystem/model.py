"""The simulation: personas speak, a JEPA predicts how far listeners agree, coalitions follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mesa
import numpy as np
from numpy.typing import NDArray

from agents.debater import Debater
from agents.policies import POLICIES, SILENT, Floor, choose
from ecosystem.accounts import Before, account
from ecosystem.dynamics.alignment import align
from ecosystem.dynamics.coalitions import Game, Regrouping, regroup, threshold_at
from ecosystem.dynamics.draws import Draws, Purpose
from ecosystem.dynamics.events import carry_labels, lone_label
from ecosystem.dynamics.exchange import hearing_probabilities
from ecosystem.dynamics.kernels import KERNELS, Meeting
from ecosystem.dynamics.positions import held_opinions
from ecosystem.dynamics.state import Applied, Heard, Hearing, State, Step
from ecosystem.files import cache_folder
from ecosystem.interventions import Stage
from ecosystem.jepa.statements import Statements, affinity_to_holders, held_matrix, mean_latents
from ecosystem.measures import CATALOGUE
from ecosystem.opening import (
    Reading,
    given_affinity,
    index_statements,
    known_blocs,
    opening_state,
    topic_coupling,
)
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
    reading : Reading or None
        What that model makes of the scenario's statements, where it is known already; with it the model itself is
        not needed, and not loaded, unless it learns.
    agent_classes : mapping of persona key to subclass of Debater
        Agents with a mind of their own.
    on_step : callable
        The first of `observers`.
    **kwargs
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
    observers : list of callable
        Called with the `Step` each step leaves behind.
    """

    def __init__(
        self,
        scenario: str | Path | Scenario = "climate-debate",
        *,
        rng: int | np.random.Generator | None = None,
        jepa: AffinityModel | None = None,
        reading: Reading | None = None,
        agent_classes: Mapping[str, type[Debater]] | None = None,
        on_step: Callable[[Step], None] | None = None,
        **kwargs: Any,  # Mesa's SolaraViz takes further parameters only where they are called so
    ) -> None:
        seed = kwargs.get("seed")
        if seed is None:  # as Mesa has it: no seed, not a parameter's value
            kwargs.pop("seed", None)
        self.scenario = load_scenario(scenario, **kwargs)
        self.parameters = self.scenario.parameters
        super().__init__(rng=seed if rng is None else rng)
        self._jepa = jepa
        reading = reading or Reading.of(self.scenario, self.jepa)
        self.personas, _, _ = index_statements(self.scenario)
        self.statements: Statements = reading.statements
        self.last: Step | None = None
        self.observers: list[Callable[[Step], Any]] = [] if on_step is None else [on_step]
        classes = dict(agent_classes or {})
        self._policy = POLICIES[self.parameters.policy]
        self.debaters: list[Debater] = [
            classes.get(persona.key, Debater)(self, index, persona, self._policy)
            for index, persona in enumerate(self.personas)
        ]
        self._weights = np.array([persona.weight for persona in self.personas])
        self._openness = np.array([persona.openness for persona in self.personas])
        self._talkativeness = np.array([persona.talkativeness for persona in self.personas])
        self._blocs = known_blocs(self.personas)
        self._given = given_affinity(self.scenario)
        self._coupling = topic_coupling(self.scenario)
        self.draws = Draws.of(self.rng)
        self.state = opening_state(
            self.scenario, self.personas, self.statements, reading.positions, self.draws.at(0, "opening")
        )
        self.stage = Stage(self.scenario, self.personas, self.statements, reading.positions)
        self._learner = self._start_learning()
        measures = {name: _last_metric(name) for name in CATALOGUE}
        self.datacollector = mesa.DataCollector({"step": _tick, **measures})

    # The step: everyone reads the state of step t; what they do makes step t + 1.

    def step(self) -> None:
        """Take one step."""
        before = Before(self.state.partition, self.state.alignment, self.state.last_observed)
        interventions = self.open()
        forecast, cosine = self.predict()
        utterances = self.speak()
        heard = self.listen(utterances)
        self.align(heard.affinity)
        regrouping = self.regroup()
        self.record(before, interventions, forecast, cosine, utterances, heard, regrouping)
        self.learn(utterances, heard.affinity)
        self.running = self.state.tick < self.parameters.steps

    def open(self) -> tuple[Applied, ...]:
        """Begin a step: settle what is debated, then let the interventions scheduled for it take place."""
        self.state.tick += 1
        self.state.topic = self._topic_now()
        # The affinity model may have learned since the debate began.
        return replace(self.stage, statements=self.statements).intervene(self.state, self._drawn("interventions"))

    def predict(self) -> tuple[Matrix, Matrix]:
        """Return the affinity expected of listeners (columns) to speakers (rows), by JEPA and by cosine.

        The mean over what a speaker may say: the statements of its own corpus that it still holds on the
        topic under debate, or those it took over where no own one is left. NaN for those who are absent.
        """
        table = self.statements
        rows, holders = self._held_on_topic()
        held = holders.astype(np.float64)
        own = held * self.state.corpus[:, rows]
        may_say = np.where(own.any(1, keepdims=True), own, held)
        count = may_say.sum(1, keepdims=True)
        expected = []
        for scores in (table.affinity, table.cosine):
            among = np.ix_(rows, rows)
            received = affinity_to_holders(scores[among], table.relevance[among], holders)
            mean = np.where(count > 0, may_say @ received / count.clip(1), np.nan)
            expected.append(self._among_present(mean))
        return expected[0], expected[1]

    def speak(self) -> NDArray[np.int64]:
        """Return what each agent says: a row of the table of statements, or `SILENT`."""
        rng = self._drawn("speech")
        active = (rng.random(len(self.debaters)) < self._talkativeness) & self.state.present
        said = np.full(len(self.debaters), SILENT, np.int64)
        if not len(self.statements):
            return said
        self._follow_policy()
        floor = self._floor()
        own_mind = np.array([type(debater).speak is not Debater.speak for debater in self.debaters])
        for policy in dict.fromkeys(debater.policy for debater in self.debaters):
            same = np.array([debater.policy is policy for debater in self.debaters])
            agents = np.flatnonzero(active & ~own_mind & same)
            if len(agents):
                said[agents] = choose(policy, floor, agents, rng)
        for index in np.flatnonzero(active & own_mind):
            said[index] = self.debaters[index].speak(floor, rng)
        spoke = said != SILENT
        self.state.memory.said += (self.state.memory.held == said[:, None]) & spoke[:, None]
        return said

    def listen(self, utterances: NDArray[np.int64]) -> Heard:
        """Let everyone hear everyone, by the kernel of the scenario."""
        state, spoke = self.state, utterances != SILENT
        influence = hearing_probabilities(state.alignment, spoke, self.live("homophily"))
        influence[~state.present] = 0.0
        meeting = Meeting(
            state.tick,
            state.topic,
            utterances,
            self._received(utterances),
            influence,
            state.memory,
            state.opinions,
            state.initial,
            self._openness,
            state.stubbornness,
            self._coupling,
            self.live("bias"),
            self.live("confidence"),
            self.live("convergence"),
        )
        heard = KERNELS[self.live("kernel")](meeting, self._drawn("exchange"))
        self._remember(utterances, heard)
        return heard

    def align(self, observed: Matrix) -> None:
        """Move the running mean of affinity on the edges of the alignment graph; affinity that is given stays."""
        if self._given is None:
            self.state.alignment = align(self.state.alignment, observed, self.live("learning_rate"))

    def regroup(self) -> Regrouping:
        """Let those present move between coalitions until no one gains."""
        state, here = self.state, self.here
        regrouping = regroup(self.game(), state.partition[here], self._drawn("regrouping"))
        partition = np.array([lone_label(agent) for agent in range(len(self.debaters))], np.int64)
        partition[here] = regrouping.partition
        state.partition, label = carry_labels(state.partition, partition, state.next_label)
        state.born = np.append(state.born, np.full(label - state.next_label, state.tick))
        state.next_label = label
        return regrouping

    def record(
        self,
        before: Before,
        interventions: tuple[Applied, ...],
        forecast: Matrix,
        cosine: Matrix,
        utterances: NDArray[np.int64],
        heard: Heard,
        regrouping: Regrouping,
    ) -> None:
        """Score the forecast, find the events and their causes, and hand the step on."""
        self.last = account(
            before, self.state, self.game(), self._blocs, self.agent_latents(), interventions, forecast, cosine,
            utterances, heard, regrouping,
        )  # fmt: skip
        self.datacollector.collect(self)
        for observe in self.observers:
            observe(self.last)

    def learn(self, utterances: NDArray[np.int64], observed: Matrix) -> None:
        """Let the affinity model learn from the step's exchanges, where it does so, and read all statements anew."""
        if self._learner is not None and self.parameters.learn == "online":
            self._learner.learn(utterances, observed)
            self.statements, self.state.learned = self._learner.statements, self._learner.state()

    def restore(self, state: State, draws: Draws) -> None:
        """Go back to a state, and to the random draws that follow it."""
        self.state = state
        if self._learner is not None and state.learned:
            self._learner.restore(state.learned)
            self.statements = self._learner.statements
        self.steps = state.tick
        self.running = state.tick < self.parameters.steps
        self.draws = draws

    # Views of the state.

    @property
    def jepa(self) -> AffinityModel:
        """The affinity model, loaded when it is first needed."""
        if self._jepa is None:
            self._jepa = _pretrained(cache_folder())
        return self._jepa

    @property
    def here(self) -> NDArray[np.int64]:
        """The agents who are present."""
        return np.flatnonzero(self.state.present)

    def live(self, parameter: str) -> Any:
        """Return a parameter's present value: the scenario's, unless an intervention has changed it."""
        return self.stage.live(parameter, self.state)

    def game(self) -> Game:
        """Return the coalition game of those present, at the present alignment."""
        here = self.here
        # With everyone there nothing is copied: at a thousand agents that is a tenth of a step.
        among = np.ix_(here, here) if len(here) < len(self.debaters) else slice(None)
        alignment = self.state.alignment[among]
        gamma = threshold_at(alignment, self.live("threshold_rule"), self.live("threshold"))
        stakes = alignment if self._given is None else self._given[among]
        cost, entry, cap = (self.live(name) for name in ("switching_cost", "entry", "max_coalitions"))
        return Game(stakes, self._weights[here], gamma, cost, entry, cap)

    def agent_latents(self) -> NDArray[np.float32]:
        """Return the mean latent of what each agent holds, (n_agents, latent_dim)."""
        return mean_latents(self._holders(), self.statements.latents)

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
            learner.adapt(self.state.corpus)
        self._jepa, self.statements = learner.model, learner.statements
        return learner

    def _received(self, utterances: NDArray[np.int64]) -> Matrix:
        """Return the affinity of listeners (columns) to what speakers (rows) said; NaN where there is none."""
        affinity = np.full((len(utterances), len(utterances)), np.nan)
        spoke = np.flatnonzero(utterances != SILENT)
        said, which = np.unique(utterances[spoke], return_inverse=True)
        table = self.statements
        rows, holders = self._held_on_topic()
        to = np.ix_(said, rows)
        affinity[spoke] = affinity_to_holders(table.affinity[to], table.relevance[to], holders)[which]
        return self._among_present(affinity)

    def _among_present(self, matrix: Matrix) -> Matrix:
        """Return a matrix of pairs with NaN on the diagonal and for those who are absent."""
        matrix[~self.state.present] = np.nan
        matrix[:, ~self.state.present] = np.nan
        np.fill_diagonal(matrix, np.nan)
        return matrix

    def _remember(self, utterances: NDArray[np.int64], heard: Hearing) -> None:
        """Keep what was heard for the next step, and the opinions that follow."""
        state = self.state
        listeners = np.flatnonzero(heard.speaker >= 0)
        state.heard, state.heard_affinity = state.heard.copy(), state.heard_affinity.copy()
        state.heard[listeners] = utterances[heard.speaker[listeners]]
        state.heard_affinity[listeners] = np.nan_to_num(heard.affinity[heard.speaker[listeners], listeners])
        state.last_observed = np.where(np.isnan(heard.affinity), state.last_observed, heard.affinity)
        if heard.opinions is None:
            n_topics = len(self.scenario.topics)
            state.opinions = held_opinions(self._holders(), self.stage.positions, self.statements.topic_of, n_topics)
        else:
            state.opinions = state.opinions.copy()
            state.opinions[:, state.topic] = heard.opinions

    def _drawn(self, purpose: Purpose) -> np.random.Generator:
        return self.draws.at(self.state.tick, purpose)

    def _follow_policy(self) -> None:
        """Let those who speak by the scenario's policy speak by the present one."""
        policy = POLICIES[self.live("policy")]
        if policy is not self._policy:
            for debater in self.debaters:
                debater.policy = policy if debater.policy is self._policy else debater.policy
            self._policy = policy

    def _topic_now(self) -> int:
        # Shocks take place after the topic is settled, but hold for the whole of their step.
        tick, duration = self.state.tick, self.stage.about_to_be("topic_duration", self.state)
        if (tick - 1) % duration:
            return self.state.topic
        agenda = np.flatnonzero(self.state.agenda)
        if self.stage.about_to_be("agenda", self.state) == "random":
            return int(agenda[self._drawn("agenda").integers(len(agenda))])
        later = agenda[agenda > self.state.topic] if tick > 1 else agenda
        return int(later[0] if len(later) else agenda[0])

    def _holders(self) -> NDArray[np.float32]:
        return held_matrix(self.state.memory.held, len(self.statements))

    def _held_on_topic(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the statements on the topic under debate that anyone holds, and who holds which of them."""
        holders = self._holders()
        rows = np.flatnonzero((self.statements.topic_of == self.state.topic) & holders.any(0))
        return rows, holders[:, rows]

    def _floor(self) -> Floor:
        state, table = self.state, self.statements
        return Floor(
            state.topic,
            state.memory.held,
            np.take_along_axis(state.corpus, state.memory.held, 1) & (state.memory.held >= 0),
            state.memory.said,
            table.topic_of,
            table.cosine,
            table.reply_energy,
            state.heard,
            state.heard_affinity,
        )


@lru_cache(maxsize=1)
def _pretrained(cache: Path) -> AffinityModel:
    """Return the shipped affinity model, one for all debates of a process: it takes 90 MB, and no debate changes it."""
    from ecosystem.jepa import load_jepa

    return load_jepa(cache=cache)


def _tick(model: EcosystemModel) -> int:
    return model.state.tick


def _last_metric(name: str) -> Callable[[EcosystemModel], float]:
    def reporter(model: EcosystemModel) -> float:
        return model.last.metrics[name] if model.last is not None else float("nan")

    return reporter
