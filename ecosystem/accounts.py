"""The account of a step: what happened to coalitions and why, who would still move, how good the forecast was."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecosystem.dynamics.coalitions import Game, Regrouping, stability
from ecosystem.dynamics.events import find_cause, find_events
from ecosystem.dynamics.state import Applied, Heard, LedgerEntry, State, Step
from ecosystem.measures import Snapshot, measure

Matrix = NDArray[np.float64]
Partition = NDArray[np.int64]


@dataclass(frozen=True)
class Before:
    """How things stood when a step began.

    Attributes
    ----------
    partition : (n_agents,) int
        Coalition labels.
    alignment, observed : (n_agents, n_agents) float
        Alignment, and the last observed affinity of listener (column) to speaker (row).
    """

    partition: Partition
    alignment: Matrix
    observed: Matrix


def account(
    before: Before,
    state: State,
    game: Game,
    blocs: Partition | None,
    latents: NDArray[np.float32],
    interventions: tuple[Applied, ...],
    forecast: Matrix,
    cosine: Matrix,
    utterances: NDArray[np.int64],
    heard: Heard,
    regrouping: Regrouping,
) -> Step:
    """Return all that a step leaves behind, given the state after it and the game of those present."""
    here = np.flatnonzero(state.present)
    unrest = stability(game, state.partition[here])
    snapshot = _snapshot(before, state, game, blocs, (forecast, heard.affinity, cosine))
    snapshot = replace(snapshot, defectors=unrest.tempted[game.entry])
    defections = tuple(replace(move, agent=int(here[move.agent])) for move in unrest.defections)
    return Step(
        step=state.tick,
        topic=state.topic,
        utterances=utterances,
        forecast=forecast,
        cosine=cosine,
        heard=heard,
        alignment=state.alignment,
        partition=state.partition,
        latents=latents,
        events=_ledger(before, state, heard.affinity, regrouping),
        interventions=interventions,
        settled=regrouping.settled,
        cycle=regrouping.cycle,
        stability=replace(unrest, defections=defections),
        opinions=state.opinions,
        present=state.present,
        metrics=measure(snapshot),
    )


def _ledger(before: Before, state: State, observed: Matrix, regrouping: Regrouping) -> tuple[LedgerEntry, ...]:
    """Return the events of a step with their causes and the gains of those who moved."""
    here, gains = np.flatnonzero(state.present), np.zeros(len(state.present))
    for move in regrouping.moves:
        gains[here[move.agent]] += move.gain
    return tuple(
        LedgerEntry(
            event,
            find_cause(event, before.alignment, state.alignment, observed),
            float(gains[list(event.agents)].sum()),
        )
        for event in find_events(before.partition, state.partition)
    )


def _snapshot(
    before: Before, state: State, game: Game, blocs: Partition | None, scores: tuple[Matrix, Matrix, Matrix]
) -> Snapshot:
    """Return what the measures look at: those present."""
    here = np.flatnonzero(state.present)
    among, labels = np.ix_(here, here), np.unique(state.partition[state.partition >= 0])
    return Snapshot(
        state.alignment[among],
        before.partition[here],
        state.partition[here],
        forecast=scores[0][among],
        observed=scores[1][among],
        cosine=scores[2][among],
        persistence=before.observed[among],
        blocs=None if blocs is None else blocs[here],
        opinions=state.opinions[here],
        ages=state.tick - state.born[labels] + 1,
        potential=game.potential(state.partition[here]),
    )
