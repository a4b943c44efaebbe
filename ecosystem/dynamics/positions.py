"""Opinions read off corpora: where statements lie between the two sides of a topic, and agents with them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_ROUNDS = 25


def axis(affinity: Matrix) -> NDArray[np.float64]:
    """Return the positions p in [-1, 1] whose products best reproduce affinities: ``a_ij ~ p_i p_j`` for i != j.

    Principal-axis factoring with one factor: the diagonal, a statement's affinity with itself, is no
    observation and is filled in with ``p_i^2`` until it stays. The sign is fixed so that the position largest in
    absolute value is positive.

    Parameters
    ----------
    affinity : (n, n) float
        Symmetric, in [-1, 1].

    References
    ----------
    Harman (1976), *Modern Factor Analysis*, chapter 8.

    Examples
    --------
    >>> p = np.array([0.8, 0.5, -0.6])
    >>> axis(np.outer(p, p)).round(2)
    array([ 0.8,  0.5, -0.6])
    """
    if len(affinity) < 2:
        return np.ones(len(affinity))
    reduced = np.array(affinity, np.float64)
    off = np.abs(reduced)
    np.fill_diagonal(off, 0.0)
    np.fill_diagonal(reduced, off.max(1))
    position = np.zeros(len(affinity))
    for _ in range(_ROUNDS):
        values, vectors = np.linalg.eigh(reduced)
        position = vectors[:, -1] * np.sqrt(max(values[-1], 0.0))
        np.fill_diagonal(reduced, position.clip(-1, 1) ** 2)
    position = position.clip(-1, 1)
    return position * (1.0 if position[np.abs(position).argmax()] >= 0 else -1.0)


def statement_positions(
    affinity: Matrix,
    topic_of: NDArray[np.int64],
    leaning: NDArray[np.float64],
    basis: NDArray[np.bool_] | None = None,
) -> Matrix:
    """Return the position of every statement on its topic, (n_statements,) in [-1, 1].

    Parameters
    ----------
    affinity : (n_statements, n_statements) float
        Symmetric, in [-1, 1].
    topic_of : (n_statements,) int
        Topics; those of different topics are never compared.
    leaning : (n_statements,) float
        Affinity of each statement to what the positive side of its topic holds; the sign of an axis is the one that
        agrees with it. 0 where no side is named.
    basis : (n_statements,) bool, optional
        The statements that span the axis of a topic, all by default; the others are placed on it where their
        affinities to these lie closest to the products. What is said later thus moves nothing that was there before.
    """
    positions = np.zeros(len(topic_of))
    for topic in np.unique(topic_of):
        rows = np.flatnonzero(topic_of == topic)
        spanning = rows if basis is None or not basis[rows].any() else rows[basis[rows]]
        along = axis(affinity[np.ix_(spanning, spanning)])
        along *= -1.0 if along @ leaning[spanning] < 0 else 1.0
        positions[spanning] = along
        others = np.setdiff1d(rows, spanning)
        length = float(along @ along)
        if len(others) and length > 0:
            # Row by row, and not as a product of matrices: how that sums follows from how many rows there are.
            positions[others] = ((affinity[np.ix_(others, spanning)] * along).sum(1) / length).clip(-1, 1)
    return positions


def held_opinions(
    holders: NDArray[np.float32], positions: Matrix, topic_of: NDArray[np.int64], n_topics: int
) -> Matrix:
    """Return the mean position of what each agent holds on each topic, (n_agents, n_topics); 0 where nothing.

    Parameters
    ----------
    holders : (n_agents, n_statements) float
        1 where an agent holds a statement.
    positions : (n_statements,) float
        From `statement_positions`.
    topic_of : (n_statements,) int
        Topics.
    n_topics : int
        Topics in all.
    """
    rows = np.flatnonzero(holders.any(0))  # what no one holds is not to change even the order of a sum
    on_topic = np.zeros((len(rows), n_topics))
    on_topic[np.arange(len(rows)), topic_of[rows]] = 1.0
    held = holders[:, rows].astype(np.float64)
    opinions: Matrix = (held @ (on_topic * positions[rows, None])) / (held @ on_topic).clip(1)
    return opinions
