"""The axes that best reproduce an alignment matrix: its leading eigenvectors, found the same way every time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_DENSE_BELOW = 60
"""Agents below which a full decomposition is the faster way."""

_MAX_STEPS = 400
_CHECK_EVERY = 10
_TOLERANCE = 1e-10


class Axes(NamedTuple):
    """Eigenvalues ``(n_axes,)``, the largest first, and their eigenvectors ``(n_agents, n_axes)``."""

    values: NDArray[np.float64]
    vectors: Matrix


def leading_axes(alignment: Matrix, count: int = 1) -> Axes:
    """Return the leading eigenvalues and eigenvectors of a symmetric matrix, at most ``count`` of them.

    A full decomposition for few agents; for many a Lanczos iteration with full reorthogonalisation from a
    fixed start, so that no random number is drawn: ARPACK draws some whenever the matrix has few distinct
    eigenvalues, as that of camps of like-minded agents. There the iteration ends early and may find fewer
    axes than asked for. Signs are fixed: the component largest in absolute value is positive.

    References
    ----------
    Golub & Van Loan (2013), Matrix Computations, 4th ed., section 10.3 (Lanczos with reorthogonalisation).

    Examples
    --------
    >>> leading_axes(np.array([[0.0, -1.0], [-1.0, 0.0]])).values.round(9)
    array([1.])
    """
    n = len(alignment)
    found = _lanczos(alignment, count) if n >= _DENSE_BELOW else None
    if found is None:
        values, vectors = np.linalg.eigh(alignment)
        found = Axes(values[::-1][:count], vectors[:, ::-1][:, :count])
    top = found.vectors[np.abs(found.vectors).argmax(0), np.arange(found.vectors.shape[1])]
    return Axes(found.values, found.vectors * np.where(top < 0, -1.0, 1.0))


def _lanczos(matrix: Matrix, count: int) -> Axes | None:
    """Return the leading axes; None if they were not found within the steps allowed."""
    n = len(matrix)
    limit = min(n, _MAX_STEPS)
    start = np.cos(np.arange(1.0, n + 1))  # as good as random: in line with no structure
    basis = np.zeros((limit + 1, n))
    basis[0] = start / np.linalg.norm(start)
    diagonal, beside = np.zeros(limit), np.zeros(limit)
    for k in range(limit):
        image = matrix @ basis[k]
        diagonal[k] = image @ basis[k]
        for _ in range(2):  # once leaves rounding that grows
            image -= (basis[: k + 1] @ image) @ basis[: k + 1]
        beside[k] = np.linalg.norm(image)
        exhausted = bool(beside[k] < _TOLERANCE)  # the vectors so far span all that the start can reach
        if exhausted or (k + 1) % _CHECK_EVERY == 0 or k + 1 == limit:
            off = np.diag(beside[:k], 1)
            values, weights = np.linalg.eigh(np.diag(diagonal[: k + 1]) + off + off.T)
            top = slice(None, -count - 1, -1)
            error = beside[k] * np.abs(weights[-1, top]).max()
            if exhausted or (k >= count and error < _TOLERANCE * max(abs(values[-1]), 1.0)):
                return Axes(values[top], basis[: k + 1].T @ weights[:, top])
        if k + 1 < limit:
            basis[k + 1] = image / beside[k]
    return None
