"""The landscape of a scenario: every way to divide its personas into coalitions, and the minima of energy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.dynamics.alignment import mutual
from ecosystem.dynamics.coalitions import threshold_at
from ecosystem.dynamics.landscape import landscape as enumerate_landscape
from ecosystem.dynamics.landscape import most_agents
from ecosystem.errors import InputError
from ecosystem.jepa.statements import Statements, affinity_to_holders
from ecosystem.measures.partitions import adjusted_rand
from ecosystem.opening import given_affinity, index_statements, known_blocs
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel

Matrix = NDArray[np.float64]

TWO = 2
"""Coalitions at most where a scenario sets no cap, as in landscape theory."""


def landscape(source: str | Path | Scenario, *, jepa: AffinityModel | None = None, **changes: Any) -> dict[str, Any]:
    """Return the minima of energy over all ways to divide a scenario's personas into coalitions.

    Alignment is the affinity that the scenario gives, or that predicted between the corpora; weights,
    threshold and the cap on coalitions (two where there is none) are the scenario's. Switching cost and
    rule of entry play no part.

    Parameters
    ----------
    source : str, Path or Scenario
        What `ecosystem.reading.load_scenario` accepts.
    jepa : AffinityModel or None
        Reads the corpora; the pretrained one by default.
    **changes
        Parameters by name, as in `ecosystem.scenario.Parameters`.

    Returns
    -------
    dict
        ``scenario``, ``max_coalitions``, ``threshold``, ``configurations`` (their number) and ``minima``, the
        lowest first: ``energy``, ``basin`` (configurations from which steepest descent ends there),
        ``coalitions`` (lists of names, those of one included), ``alone`` (the names in those of one) and,
        where every persona's bloc is known, ``bloc_recovery`` (adjusted Rand index with the blocs).

    Raises
    ------
    InputError
        The scenario cannot be used, or has too many personas to enumerate.
    """
    scenario = load_scenario(source, **changes)
    parameters = scenario.parameters
    cap = parameters.max_coalitions or TWO
    n, most = len(scenario.personas), most_agents(cap)
    if n > most:
        raise InputError(
            f"{scenario.name}: personas",
            f"found {n}; to enumerate divisions into up to {cap} coalitions, up to {most} are accepted",
        )
    alignment = scenario_alignment(scenario, jepa)
    gamma = threshold_at(alignment, parameters.threshold_rule, parameters.threshold)
    weights = np.array([persona.traits.weight for persona in scenario.personas.values()])
    found = enumerate_landscape(alignment, weights, cap, gamma)
    names, blocs = [persona.name for persona in scenario.personas.values()], known_blocs(index_statements(scenario)[0])
    minima = []
    for minimum in found.minima:
        coalitions = coalition_names(minimum.partition, names)
        described = {
            "energy": round(minimum.energy, 9) + 0.0,
            "basin": minimum.basin,
            "coalitions": coalitions,
            "alone": [members[0] for members in coalitions if len(members) == 1],
        }
        if blocs is not None:
            described["bloc_recovery"] = adjusted_rand(blocs, minimum.partition)
        minima.append(described)
    return {
        "scenario": scenario.name,
        "max_coalitions": cap,
        "threshold": gamma,
        "configurations": found.configurations,
        "minima": minima,
    }


def scenario_alignment(scenario: Scenario, jepa: AffinityModel | None = None) -> Matrix:
    """Return the alignment a scenario starts from: the affinity it gives, or `corpus_alignment`; symmetric."""
    given = given_affinity(scenario)
    if given is not None:
        alignment: Matrix = (given + given.T) / 2
        return alignment
    if jepa is None:
        from ecosystem.jepa import load_jepa

        jepa = load_jepa()
    personas, texts, topic_of = index_statements(scenario)
    corpora = np.zeros((len(personas), len(texts)), bool)
    for agent, persona in enumerate(personas):
        corpora[agent, list(persona.corpus)] = True
    return corpus_alignment(jepa.statements(texts, topic_of), corpora)


def corpus_alignment(table: Statements, corpora: NDArray[np.bool_]) -> Matrix:
    """Return the mean predicted affinity between corpora: over statements, both directions, then topics.

    Parameters
    ----------
    table : Statements
        U statements.
    corpora : (n_agents, U) bool
        Who holds which.

    Returns
    -------
    (n_agents, n_agents) float
        Symmetric, in [-1, 1]; 0 on the diagonal and between those who share no topic.
    """
    holders, by_topic = corpora.astype(np.float32), []
    for topic in np.unique(table.topic_of):
        rows = np.flatnonzero(table.topic_of == topic)
        received = affinity_to_holders(table.affinity[rows], table.relevance[rows], holders)
        said, heard = corpora[:, rows].astype(np.float64), ~np.isnan(received)
        count = said @ heard
        total = said @ np.where(heard, received, 0.0)
        by_topic.append(mutual(np.where(count > 0, total / count.clip(1), np.nan)))
    found = np.stack(by_topic)
    shared = ~np.isnan(found)
    alignment: Matrix = np.where(shared, found, 0.0).sum(0) / shared.sum(0).clip(1)
    np.fill_diagonal(alignment, 0.0)
    return alignment


def coalition_names(partition: NDArray[np.int64], names: Sequence[str]) -> list[list[str]]:
    """Return the names of the members of each coalition, those of one included.

    Examples
    --------
    >>> coalition_names(np.array([0, 1, 0]), ["Ada", "Ben", "Cleo"])
    [['Ada', 'Cleo'], ['Ben']]
    """
    return [[names[agent] for agent in np.flatnonzero(partition == label).tolist()] for label in np.unique(partition)]
