"""The alignment graph read as a signed network: balance and frustration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def balanced_triangles(alignment: Matrix) -> float:
    """Return the share of triangles with an even number of negative edges; NaN without a triangle.

    References
    ----------
    Cartwright & Harary (1956), Psychol. Rev. 63:277-293.

    Examples
    --------
    >>> balanced_triangles(np.array([[0, 1, -1], [1, 0, -1], [-1, -1, 0]], float))
    1.0
    """
    sign = np.sign(alignment)
    np.fill_diagonal(sign, 0.0)
    edge = np.abs(sign)
    total = float(np.trace(edge @ edge @ edge))
    if total == 0:
        return float("nan")
    return (total + float(np.trace(sign @ sign @ sign))) / (2 * total)


def frustration_of(alignment: Matrix, partition: NDArray[np.int64]) -> float:
    """Return the share of alignment that a partition frustrates, in [0, 1].

    Negative weight inside coalitions plus positive weight between them, over all absolute weight: how
    badly this partition fits the graph (not the least over all partitions, which is NP-hard to find).

    References
    ----------
    Doreian & Mrvar (1996), Social Networks 18:149-168.

    Examples
    --------
    >>> a = np.array([[0, 1, -1], [1, 0, -1], [-1, -1, 0]], float)
    >>> frustration_of(a, np.array([0, 0, 1]))
    0.0
    """
    together = partition[:, None] == partition[None, :]
    weight = np.abs(alignment).sum()
    if weight == 0:
        return 0.0
    wrong = np.where(together, (-alignment).clip(min=0), alignment.clip(min=0))
    return float(wrong.sum() / weight)


def signed_modularity(alignment: Matrix, partition: NDArray[np.int64]) -> float:
    """Return the signed modularity of a partition: positive ties inside and negative between beyond chance.

    ``(1 / (2w+ + 2w-)) sum_ij [a_ij - (w+_i w+_j / 2w+ - w-_i w-_j / 2w-)] [same coalition]``.

    References
    ----------
    Gómez, Jensen & Arenas (2009), Phys. Rev. E 80:016114, eq. 17.

    Examples
    --------
    >>> a = np.array([[0, 1, -1], [1, 0, -1], [-1, -1, 0]], float)
    >>> signed_modularity(a, np.array([0, 0, 1])) > signed_modularity(a, np.array([0, 0, 0]))
    True
    """
    total = np.abs(alignment).sum()
    if total == 0:
        return 0.0
    expected = np.zeros_like(alignment)
    for part, sign in ((alignment.clip(min=0), 1), ((-alignment).clip(min=0), -1)):
        strength = part.sum(1)
        if strength.sum() > 0:
            expected += sign * np.outer(strength, strength) / strength.sum()
    together = partition[:, None] == partition[None, :]
    return float(((alignment - expected) * together).sum() / total)
