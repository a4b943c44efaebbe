"""The alignment graph: a symmetric signed matrix, the running mean of affinity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def mutual(observed: Matrix) -> Matrix:
    """Return the symmetric mean of a directed affinity matrix, NaN where neither direction was observed.

    Examples
    --------
    >>> mutual(np.array([[np.nan, 0.5], [np.nan, np.nan]]))
    array([[nan, 0.5],
           [0.5, nan]])
    """
    mean = (observed + observed.T) / 2
    partly = np.isnan(mean)
    mean[partly] = np.fmax(observed, observed.T)[partly]
    return mean


def align(alignment: Matrix, observed: Matrix, learning_rate: float) -> Matrix:
    """Return the alignment after a step: ``a_ij <- (1 - eta) a_ij + eta * affinity_ij``.

    Parameters
    ----------
    alignment : (n_agents, n_agents) float
        Symmetric, in [-1, 1], zero diagonal.
    observed : (n_agents, n_agents) float
        Affinity of listener (column) to what the speaker (row) said; NaN where nothing was heard. Pairs
        heard in neither direction keep their alignment.
    learning_rate : float
        eta, in (0, 1].
    """
    moved = (1 - learning_rate) * alignment + learning_rate * mutual(observed)
    unheard = np.isnan(moved)
    moved[unheard] = alignment[unheard]
    np.fill_diagonal(moved, 0.0)
    return moved
