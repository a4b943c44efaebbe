"""How far apart the agents stand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecosystem.measures.axes import leading_axes

Matrix = NDArray[np.float64]


def mean_alignment(alignment: Matrix) -> float:
    """Return the mean alignment over all pairs, in [-1, 1]; NaN without a pair.

    Examples
    --------
    >>> round(mean_alignment(np.array([[0, 0.5, -1], [0.5, 0, -1], [-1, -1, 0]])), 3)
    -0.5
    """
    n = len(alignment)
    if n < 2:
        return float("nan")
    return float((alignment.sum() - np.trace(alignment)) / (n * (n - 1)))


def distance_variance(alignment: Matrix) -> float:
    """Return the variance of the pairwise distances: 0 when all pairs are equally far apart.

    Highest (0.25) when half of the pairs agree wholly and half oppose wholly.

    References
    ----------
    Flache & Macy (2011), J. Math. Sociology 35:146-176, with distances in [0, 1] instead of [0, 2].

    Examples
    --------
    >>> camps = np.kron(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.ones((2, 2)))
    >>> round(distance_variance(camps), 3)
    0.222
    """
    n = len(alignment)
    if n < 2:
        return 0.0
    apart = alignment - mean_alignment(alignment)
    np.fill_diagonal(apart, 0.0)
    return float((apart**2).sum() / (4 * n * (n - 1)))


def esteban_ray(alignment: Matrix, partition: NDArray[np.int64], sensitivity: float = 1.3) -> float:
    """Return the Esteban-Ray polarization of the coalitions: identification within, alienation between.

    ``sum_k sum_l p_k^(1+alpha) p_l d_kl``, p the shares of agents, d the mean distance of two coalitions.

    References
    ----------
    Esteban & Ray (1994), Econometrica 62:819-851; alpha = 1.3 is in their admissible range (0, 1.6].

    Examples
    --------
    >>> camps = np.kron(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.ones((2, 2)))
    >>> round(esteban_ray(camps, np.array([0, 0, 1, 1])), 3)
    0.203
    """
    n = len(partition)
    _, index, size = np.unique(partition, return_inverse=True, return_counts=True)
    # The sum over pairs of coalitions as one over agents, each by its distance to all who are elsewhere.
    elsewhere = np.where(index[:, None] == index, 0.0, 1 - alignment).sum(1) / 2
    weight = (size / n) ** (1 + sensitivity) / size
    return float(weight[index] @ elsewhere / n)


def leading_positions(alignment: Matrix) -> NDArray[np.float64]:
    """Return each agent's position on the line that best reproduces the alignments, (n_agents,).

    The leading eigenvector of the alignment matrix; the sign is fixed so that the position largest in
    absolute value is positive. All zero where no one is aligned with anyone.

    Examples
    --------
    >>> side = np.array([1, 1, 1, -1])
    >>> leading_positions(np.outer(side, side) - np.eye(4)).round(3)
    array([ 0.5,  0.5,  0.5, -0.5])
    """
    values, vectors = leading_axes(alignment)
    return vectors[:, 0] if values[0] > 0 else np.zeros(len(alignment))


def bimodality(positions: NDArray[np.float64]) -> float:
    """Return Sarle's bimodality coefficient with the small-sample correction; above 5/9 suggests two modes.

    ``(g1^2 + 1) / (g2 + 3 (n-1)^2 / ((n-2)(n-3)))``, g1 skewness and g2 excess kurtosis, both corrected for
    bias. NaN below four agents or without variance.

    References
    ----------
    SAS Institute (1990); Pfister et al. (2013), Front. Psychol. 4:700.

    Examples
    --------
    >>> bimodality(np.repeat([0.0, 1.0], 10)) > 5 / 9
    True
    """
    n = len(positions)
    centred = positions - positions.mean()
    second = (centred**2).mean()
    if n < 4 or second < 1e-18:
        return float("nan")
    skew = (centred**3).mean() / second**1.5 * np.sqrt(n * (n - 1)) / (n - 2)
    excess = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * ((centred**4).mean() / second**2 - 3) + 6)
    return float((skew**2 + 1) / (excess + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))))
