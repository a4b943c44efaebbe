"""The table of unique statements of a debate, with everything the step gathers from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Statements:
    """All unique statements of a scenario and how they relate. U statements.

    Attributes
    ----------
    texts : tuple of str
        The statements.
    topic_of : (U,) int
        Row of the scenario's topics.
    latents : (U, latent_dim) float32
        Latents of the JEPA encoder.
    affinity : (U, U) float32
        Predicted affinity in [-1, 1]; symmetric.
    relevance : (U, U) float32
        Predicted probability that two statements are on one question; 0 where the scenario files them
        under different topics.
    cosine : (U, U) float32
        Cosine similarity by the frozen sentence encoder.
    reply_energy : (2, U, U) float32
        ``[r, u, s]``: mean squared distance of s from the predicted latent of a reply to u by one who
        agrees (0) or opposes (1).
    """

    texts: tuple[str, ...]
    topic_of: NDArray[np.int64]
    latents: NDArray[np.float32]
    affinity: NDArray[np.float32]
    relevance: NDArray[np.float32]
    cosine: NDArray[np.float32]
    reply_energy: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.texts)


def held_matrix(held: NDArray[np.int64], n_statements: int) -> NDArray[np.float32]:
    """Return which agent (row) holds which statement (column), 0 or 1; negative places are free.

    Examples
    --------
    >>> held_matrix(np.array([[2, -1], [0, 1]]), 3)
    array([[0., 0., 1.],
           [1., 1., 0.]], dtype=float32)
    """
    matrix = np.zeros((len(held), n_statements), np.float32)
    agents, places = np.nonzero(held >= 0)
    matrix[agents, held[agents, places]] = 1.0
    return matrix


def mean_latents(holders: NDArray[np.float32], latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean latent of what each agent holds, ``(n_agents, latent_dim)``; 0 where it holds nothing.

    Statements that no one holds do not change even the order of the sums.
    """
    held = np.flatnonzero(holders.any(0))
    mean: NDArray[np.float32] = holders[:, held] @ latents[held] / holders.sum(1, keepdims=True).clip(1)
    return mean


def affinity_to_holders(
    scores: NDArray[np.float32], relevance: NDArray[np.float32], holders: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return how each listener receives each statement: the relevance-weighted mean of the scores.

    ``out[u, j] = sum_m R[u, m] scores[u, m] / sum_m R[u, m]`` over the statements m that j holds.

    Parameters
    ----------
    scores, relevance : (n, U) float32
        Affinity (or cosine) and relevance of n statements to all.
    holders : (n_agents, U) float32
        From `held_matrix`.

    Returns
    -------
    (n, n_agents) float64
        In the range of the scores; NaN for a listener who holds nothing relevant.
    """
    weight = relevance @ holders.T
    total = (scores * relevance) @ holders.T
    mean = np.full(total.shape, np.nan)
    np.divide(total, weight, out=mean, where=weight > 0)
    return mean
