"""What the measures of a step look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecosystem.measures.axes import Axes, leading_axes
from ecosystem.measures.frustration import N_AXES

Matrix = NDArray[np.float64]
Partition = NDArray[np.int64]

FORECASTS = ("forecast", "cosine", "persistence")


@dataclass(frozen=True)
class Snapshot:
    """The end of a step; the arrays are not to change while it is looked at.

    Attributes
    ----------
    alignment : (n_agents, n_agents) float
        At the end of the step, in [-1, 1]. The diagonal counts for nothing.
    before, partition : (n_agents,) int
        Coalition labels at the end of the last step, and of this one.
    forecast, observed, cosine, persistence : (n_agents, n_agents) float
        Affinity of listener (column) to speaker (row): predicted before the utterances, observed after
        them, and predicted by cosine similarity and by the last observation; NaN where unknown.
    blocs : (n_agents,) int or None
        Known alliances.
    ages : (n_coalitions,) int or None
        For how many steps each coalition of two or more has stood, this one included; in any order.
    opinions : (n_agents, n_topics) float or None
        In [-1, 1], NaN where unknown.
    defectors : int or None
        Agents with a move that pays and that the rule in force allows.
    potential : float
        Of the coalition game.
    """

    alignment: Matrix
    before: Partition
    partition: Partition
    forecast: Matrix
    observed: Matrix
    cosine: Matrix
    persistence: Matrix
    blocs: Partition | None = None
    ages: NDArray[np.int64] | None = None
    opinions: Matrix | None = None
    defectors: int | None = None
    potential: float = float("nan")

    # Needed by several measures, found once.

    @cached_property
    def mutual(self) -> Matrix:
        """The alignment with a zero diagonal, and the mean of both directions where they differ."""
        mutual = self.alignment
        if not np.array_equal(mutual, mutual.T):
            mutual = (mutual + mutual.T) / 2
        if mutual.diagonal().any():
            mutual = mutual.copy()
            np.fill_diagonal(mutual, 0.0)
        return mutual

    @cached_property
    def axes(self) -> Axes:
        """The leading axes of the mutual alignment."""
        return leading_axes(self.mutual, N_AXES)

    @cached_property
    def scored(self) -> dict[str, NDArray[np.float64]]:
        """Each forecast and ``observed``, over the pairs that all of them cover, so that scores are comparable."""
        names = (*FORECASTS, "observed")
        known = ~np.isnan(sum(getattr(self, name) for name in names))
        return {name: getattr(self, name)[known] for name in names}
