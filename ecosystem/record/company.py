"""Who stands with whom in two runs, by step, as far as both have the same agents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecosystem.measures.partitions import adjusted_rand
from ecosystem.record.reader import RunTables

Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Company:
    """The partitions of two runs.

    Attributes
    ----------
    a, b : (n_steps, n_agents) int
        Coalition labels of the agents that both runs have, at the steps that both have; negative for an agent alone.
    here, there : (n_steps, n_agents) bool
        Who takes part in each.
    """

    a: Labels
    b: Labels
    here: Mask
    there: Mask

    @classmethod
    def of(cls, a: RunTables, b: RunTables, agents: Sequence[str], steps: int) -> Company:
        """Read them from two runs."""
        (one, here), (other, there) = (standing(run, agents, steps) for run in (a, b))
        return cls(one, other, here, there)

    def kept(self) -> NDArray[np.float64]:
        """Return the share of its company that an agent keeps from one run to the other at the last step, (n_agents,).

        The Jaccard index of its two coalitions, itself included: in (0, 1], 1 for the same company.
        """
        one, other = (_together(labels[-1], who[-1]) for labels, who in ((self.a, self.here), (self.b, self.there)))
        share: NDArray[np.float64] = (one & other).sum(1) / (one | other).sum(1)
        return share

    def agreement(self) -> pd.DataFrame:
        """Return a row a step: its number, the adjusted Rand index of those in both, and whether all stand alike."""
        both = self.here & self.there
        alike = [
            adjusted_rand(canonical(one[who]), canonical(other[who])) if who.sum() > 1 else float("nan")
            for one, other, who in zip(self.a, self.b, both, strict=True)
        ]
        same = [np.array_equal(canonical(one), canonical(other)) for one, other in zip(self.a, self.b, strict=True)]
        present = (self.here == self.there).all(1)
        return pd.DataFrame({"step": np.arange(1, len(both) + 1), "ari": alike, "same": np.array(same, bool) & present})


def standing(run: RunTables, agents: Sequence[str], steps: int) -> tuple[Labels, Mask]:
    """Return labels and presence of some agents at the first steps of a run, (steps, n_agents) each."""
    table = run.memberships
    n = len(run.manifest["agents"])
    order = {key: number for number, key in enumerate(table["agent"].iloc[:n])}
    place = np.array([order[key] for key in agents], np.int64)
    labels, present = (table[name].to_numpy().reshape(-1, n)[:steps, place] for name in ("coalition", "present"))
    return labels.astype(np.int64), present.astype(bool)


def canonical(labels: Labels) -> Labels:
    """Return a partition with its blocks numbered in order of appearance.

    Examples
    --------
    >>> canonical(np.array([7, -2, 7, 3]))
    array([0, 1, 0, 2])
    """
    _, first, block = np.unique(labels, return_index=True, return_inverse=True)
    number: Labels = np.argsort(np.argsort(first))[block].astype(np.int64)
    return number


def _together(labels: Labels, present: Mask) -> Mask:
    """Return who stands with whom, itself included, (n_agents, n_agents)."""
    among: Mask = (labels[:, None] == labels[None, :]) & present[:, None] & present[None, :]
    return among | np.eye(len(labels), dtype=bool)
