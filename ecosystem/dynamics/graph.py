"""The alignment graph as networkx sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.persona import Persona
from ecosystem.dynamics.state import State


def alignment_graph(personas: Sequence[Persona], state: State) -> Any:
    """Return the alignment graph: nodes are persona keys, edges every pair with non-zero alignment.

    Nodes have ``name`` and ``coalition`` (negative: alone); edges have ``weight`` (alignment in [-1, 1])
    and, where observed, ``affinity_forth`` and ``affinity_back``: of the edge's second agent to what its
    first said last, and the other way round.
    """
    import networkx as nx

    graph: Any = nx.Graph()
    for index, persona in enumerate(personas):
        graph.add_node(persona.key, name=persona.name, coalition=int(state.partition[index]))
    one, other = np.triu_indices(len(personas), 1)
    for i, j in zip(one.tolist(), other.tolist(), strict=True):
        weight = float(state.alignment[i, j])
        if weight == 0.0:
            continue
        observed = {"affinity_forth": state.last_observed[i, j], "affinity_back": state.last_observed[j, i]}
        known = {name: float(value) for name, value in observed.items() if not np.isnan(value)}
        graph.add_edge(personas[i].key, personas[j].key, weight=weight, **known)
    return graph
