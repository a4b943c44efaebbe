"""The opening of a debate: who is there, what may be said, and the state before the first step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.persona import Persona
from agents.policies import SILENT
from ecosystem.dynamics.events import carry_labels, lone_label
from ecosystem.dynamics.exchange import start_memory
from ecosystem.dynamics.positions import held_opinions, statement_positions
from ecosystem.dynamics.state import State
from ecosystem.jepa.statements import Statements, held_matrix
from ecosystem.progress import Progress, silent
from ecosystem.scenario import Discovery, Message, Scenario

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """What the affinity model makes of a scenario's statements: the same for all runs of it, until the model learns.

    Attributes
    ----------
    statements : Statements
        The table of unique statements, those of interventions included.
    positions : (n_statements,) float64
        Position of each on its topic, in [-1, 1]; positive: for the motion.
    """

    statements: Statements
    positions: NDArray[np.float64]

    @classmethod
    def of(cls, scenario: Scenario, jepa: AffinityModel) -> Reading:
        """Let an affinity model read all statements of a scenario."""
        _, texts, topic_of = index_statements(scenario)
        statements = jepa.statements(texts, topic_of)
        return cls(statements, positions_of(scenario, statements, jepa))


def encode_statements(scenario: Scenario, jepa: AffinityModel, tell: Progress = silent) -> int:
    """Encode what is not cached yet, telling how far it is; return how many statements were new."""
    from ecosystem.jepa.encoder import CachedEncoder

    texts = list({s.text: None for persona in scenario.personas.values() for s in persona.corpus})
    encoder = jepa.encoder
    missing = encoder.missing(texts) if isinstance(encoder, CachedEncoder) else texts
    done = 0

    def step(n: int) -> None:
        nonlocal done
        done += n
        tell("encode", done, len(missing))

    if missing:
        tell("encode", 0, len(missing))
        encoder.encode(missing, step)
    return len(missing)


def index_statements(scenario: Scenario) -> tuple[list[Persona], list[str], NDArray[np.int64]]:
    """Return the personas with corpora as rows of a table, and the table's texts and topics.

    Statements are the distinct (topic, text) pairs, in order of first appearance; those that interventions
    bring in come last.
    """
    topics = {topic.id: row for row, topic in enumerate(scenario.topics)}
    rows: dict[tuple[int, str], int] = {}
    personas = []
    for key, persona in scenario.personas.items():
        pairs = dict.fromkeys((topics[statement.topic], statement.text) for statement in persona.corpus)
        corpus = tuple(rows.setdefault(pair, len(rows)) for pair in pairs)
        traits = persona.traits.model_dump()
        personas.append(Persona(key, persona.name, persona.description, corpus, bloc=persona.bloc, **traits))
    for intervention in scenario.interventions:
        if isinstance(intervention, Discovery | Message):
            rows.setdefault((topics[intervention.topic], intervention.text), len(rows))
    return personas, [text for _, text in rows], np.array([topic for topic, _ in rows], np.int64)


def known_blocs(personas: list[Persona]) -> NDArray[np.int64] | None:
    """Return the known bloc of each agent as a label; None unless every persona has one."""
    names = [persona.bloc for persona in personas]
    if any(name is None for name in names):
        return None
    order = {name: label for label, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names], np.int64)


def given_affinity(scenario: Scenario) -> Matrix | None:
    """Return the affinity of each persona (row) to each other (column) that is given, if any; 0 for pairs left out."""
    if scenario.affinity is None:
        return None
    keys = list(scenario.personas)
    return np.array([[scenario.affinity[one].get(other, 0.0) for other in keys] for one in keys])


def topic_coupling(scenario: Scenario) -> Matrix | None:
    """Return how opinions on topics (columns) bear on each topic (row); None where each stands alone."""
    if not any(topic.depends_on for topic in scenario.topics):
        return None
    place = {topic.id: row for row, topic in enumerate(scenario.topics)}
    coupling = np.zeros((len(place), len(place)))
    for row, topic in enumerate(scenario.topics):
        for other, weight in topic.depends_on.items():
            coupling[row, place[other]] = weight
        coupling[row, row] = 1 - sum(topic.depends_on.values())
    return coupling


def positions_of(scenario: Scenario, table: Statements, jepa: AffinityModel) -> NDArray[np.float64]:
    """Return each statement's position on its topic, (n_statements,) in [-1, 1]; positive: for the motion.

    Without a motion the first statement on the topic is on the positive side.
    """
    leaning = np.zeros(len(table))
    for row, topic in enumerate(scenario.topics):
        mine = np.flatnonzero(table.topic_of == row)
        if len(mine) and topic.motion is not None:
            leaning[mine] = jepa.affinity([table.texts[k] for k in mine], [topic.motion] * len(mine))
        elif len(mine):
            leaning[mine] = table.affinity[mine, mine[0]]
    held = _held_texts(scenario)
    basis = np.array(
        [(scenario.topics[t].id, text) in held for t, text in zip(table.topic_of, table.texts, strict=True)], bool
    )
    return statement_positions(table.affinity.astype(np.float64), table.topic_of, leaning, basis)


def _held_texts(scenario: Scenario) -> set[tuple[str, str]]:
    """Return topic and text of what is in corpora."""
    return {(s.topic, s.text) for persona in scenario.personas.values() for s in persona.corpus}


def opening_state(
    scenario: Scenario,
    personas: list[Persona],
    table: Statements,
    positions: NDArray[np.float64],
    rng: np.random.Generator,
) -> State:
    """Return the state before the first step: everyone holds its corpus and stands alone (`_opening_partition`)."""
    n, parameters, latecomers = len(personas), scenario.parameters, scenario.latecomers
    stubbornness = np.array([persona.stubbornness for persona in personas])
    corpora = [persona.corpus for persona in personas]
    corpus = np.zeros((n, len(table)), bool)
    for index, rows in enumerate(corpora):
        corpus[index, list(rows)] = True
    memory = start_memory(corpora, stubbornness, parameters.memory_size, rng, _discoveries(scenario))
    holders = held_matrix(memory.held, len(table))
    opinions = held_opinions(holders, positions, table.topic_of, len(scenario.topics))
    affinity = given_affinity(scenario)
    alignment = np.zeros((n, n)) if affinity is None else (affinity + affinity.T) / 2
    present = np.array([persona.key not in latecomers for persona in personas], bool)
    partition, label = _opening_partition(present, parameters.max_coalitions, rng)
    return State(
        tick=0,
        topic=0,
        memory=memory,
        alignment=alignment,
        partition=partition,
        next_label=label,
        heard=np.full(n, SILENT, np.int64),
        heard_affinity=np.zeros(n),
        last_observed=np.full((n, n), np.nan),
        opinions=opinions,
        initial=opinions.copy(),
        corpus=corpus,
        stubbornness=stubbornness,
        present=present,
        agenda=np.array([not scenario.comes_later(topic.id) for topic in scenario.topics], bool),
        born=np.zeros(label, np.int64),
    )


def _opening_partition(
    present: NDArray[np.bool_], cap: int | None, rng: np.random.Generator
) -> tuple[NDArray[np.int64], int]:
    """Return everyone alone or, where fewer coalitions are allowed than agents, in coalitions drawn at random.

    Under a cap no one who stands alone could ever do so again, so that all alone would be no fair start.
    """
    alone = np.array([lone_label(agent) for agent in range(len(present))], np.int64)
    here = np.flatnonzero(present)
    if cap is None or cap >= len(here):
        return alone, 1
    drawn = alone.copy()
    drawn[here] = rng.integers(cap, size=len(here)) + len(present)
    return carry_labels(alone, drawn, 1)


def _discoveries(scenario: Scenario) -> int:
    """Return the most statements that any one persona will learn of."""
    learned = Counter(
        key for event in scenario.interventions if isinstance(event, Discovery) for key in set(event.personas)
    )
    return max(learned.values(), default=0)
