"""The alignment graph read as a signed network: balance and frustration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def balanced_triangles(alignment: Matrix) -> float:
    """Return the share of triangles with an even number of negative edges; NaN without a triangle.

    ``(tr S^3 + tr |S|^3) / (2 tr |S|^3)``, S the signs of a symmetric alignment matrix.

    References
    ----------
    Cartwright & Harary (1956), Psychol. Rev. 63:277-293.

    Examples
    --------
    >>> balanced_triangles(np.array([[0, 1, -1], [1, 0, -1], [-1, -1, 0]], float))
    1.0
    """
    sign = np.sign(alignment).astype(np.float32)
    np.fill_diagonal(sign, 0.0)
    n = len(sign)
    complete = np.count_nonzero(sign) == n * (n - 1)
    total = float(n * (n - 1) * (n - 2)) if complete else _closed_walks(np.abs(sign))
    return (total + _closed_walks(sign)) / (2 * total) if total else float("nan")


def _closed_walks(sign: NDArray[np.float32]) -> float:
    """Return the trace of the cube of a symmetric matrix of signs.

    Single precision halves the cost, and is exact for what it holds: the counts of walks of two steps, below
    2^24. A matrix by its own transpose is half the work again.
    """
    return float((sign @ sign.T * sign).sum(dtype=np.float64))


def frustration_of(alignment: Matrix, partition: NDArray[np.int64]) -> float:
    """Return the share of alignment that a partition frustrates, in [0, 1].

    Negative weight inside coalitions plus positive weight between them, over all absolute weight: how
    badly this partition fits the graph. `frustration_index` is the least over splits in two.

    References
    ----------
    Doreian & Mrvar (1996), Social Networks 18:149-168.

    Examples
    --------
    >>> a = np.array([[0, 1, -1], [1, 0, -1], [-1, -1, 0]], float)
    >>> frustration_of(a, np.array([0, 0, 1]))
    0.0
    """
    weight = np.abs(alignment).sum()
    if weight == 0:
        return 0.0
    together = partition[:, None] == partition[None, :]
    wrong = np.where(together, -alignment, alignment).clip(min=0)
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
    _, index = np.unique(partition, return_inverse=True)
    within = np.where(index[:, None] == index, alignment, 0.0).sum()
    expected = 0.0
    for part, sign in ((alignment.clip(min=0), 1), ((-alignment).clip(min=0), -1)):
        strength = part.sum(1)
        if strength.sum() > 0:
            expected += sign * (np.bincount(index, strength) ** 2).sum() / strength.sum()
    return float((within - expected) / total)
