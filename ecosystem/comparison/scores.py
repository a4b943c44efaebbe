"""Affinity between all statements, and its means over what speakers hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecosystem.jepa.statements import affinity_to_holders

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel

Matrix = NDArray[np.float32]
Array = NDArray[np.float64]

_ROWS = 512


@dataclass(frozen=True)
class Scores:
    """How all statements relate, each ``(N, N) float32`` and symmetric.

    Attributes
    ----------
    affinity : [-1, 1]
        Predicted affinity.
    relevance : [0, 1]
        Predicted probability that two statements are on one question.
    cosine : [-1, 1]
        Cosine similarity by the frozen sentence encoder.
    uncertainty : [0, 1]
        Standard deviation of the affinity over the model's ensemble; 0 for a text and itself.
    """

    affinity: Matrix
    relevance: Matrix
    cosine: Matrix
    uncertainty: Matrix


def score(model: AffinityModel, texts: Sequence[str]) -> Scores:
    """Return how the statements relate, by the affinity model; a text that occurs twice is read once."""
    unique = list(dict.fromkeys(texts))
    at = {text: k for k, text in enumerate(unique)}
    affinity, relevance = model.relate(unique, unique)
    parts = [model.uncertainty_matrix(unique[k : k + _ROWS], unique) for k in range(0, len(unique), _ROWS)]
    uncertainty = 2 * np.vstack(parts) * relevance
    np.fill_diagonal(uncertainty, 0)
    cosine = np.clip(model.cosine_matrix(unique, unique), -1, 1)
    found = (affinity, relevance, cosine, uncertainty.astype(np.float32))
    if len(unique) == len(texts):
        return Scores(*found)
    rows = np.array([at[text] for text in texts])
    return Scores(*(matrix[np.ix_(rows, rows)] for matrix in found))


def member_affinities(model: AffinityModel, texts: Sequence[str], relevance: Array) -> Iterator[Array]:
    """Yield the affinity of all texts with each other by each network of the ensemble, ``(n, n) float64``.

    Parameters
    ----------
    relevance : (n, n)
        Of the same texts.
    """
    codes = model.codes(texts)
    same = np.array(texts, object)[:, None] == np.array(texts, object)
    for k, temperature in enumerate(model.calibration.temperatures):
        member = codes.member(k)
        crossed = member.turn @ member.latent.T
        logit = (member.bias[:, None] + member.bias + 2 * (crossed + crossed.T)) / (2 * codes.latent_dim * temperature)
        affinity: Array = relevance * np.tanh(logit / 2)
        affinity[same] = 1
        yield affinity


def holders_of(speaker_of: NDArray[np.int64], n_speakers: int) -> Matrix:
    """Return which speaker (row) holds which statement (column), ``(S, N) float32``, 0 or 1."""
    held: Matrix = (np.arange(n_speakers)[:, None] == speaker_of).astype(np.float32)
    return held


def together(area_of: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which statements are on one topic, ``(N, N)``; those on none (-1) are with nothing."""
    same: NDArray[np.bool_] = (area_of[:, None] == area_of) & (area_of >= 0)
    return same


def reception(scores: Scores, area_of: NDArray[np.int64], holders: Matrix) -> Array:
    """Return how each listener receives each statement, ``(N, S)``; NaN for its own speaker.

    The relevance-weighted mean affinity of a statement with what the listener holds on its topic; NaN for a
    listener who holds nothing on it.
    """
    weight = scores.relevance * together(area_of)
    received = affinity_to_holders(scores.affinity, weight, holders)
    received[holders.T > 0] = np.nan
    return received


def heard_affinity(received: Array, speaker_of: NDArray[np.int64], n_speakers: int) -> Array:
    """Return the mean affinity of listeners (columns) to speakers (rows), ``(S, S)``; NaN where none was heard."""
    found = np.full((n_speakers, n_speakers), np.nan)
    known = ~np.isnan(received)
    values = np.where(known, received, 0)
    for speaker in range(n_speakers):
        own = speaker_of == speaker
        heard = known[own].sum(0)
        np.divide(values[own].sum(0), heard, out=found[speaker], where=heard > 0)
    return found


def weighted_means(values: Array, weight: Array, members: Array) -> Array:
    """Return the weighted mean of pairs of statements for every two speakers, ``(S, S)``; NaN without weight.

    ``out[s, t] = sum_ij m[i, s] m[j, t] weight[i, j] values[i, j] / sum_ij m[i, s] m[j, t] weight[i, j]``

    Parameters
    ----------
    values, weight : (n, n) float64
        Of pairs of statements.
    members : (n, S) float64
        How often each speaker holds each statement.
    """
    total, mass = members.T @ ((weight * values) @ members), members.T @ (weight @ members)
    mean = np.full(total.shape, np.nan)
    np.divide(total, mass, out=mean, where=mass > 1e-9)
    return mean


def resampled_means(values: Array, weight: Array, members: Array, n_draws: int, rng: np.random.Generator) -> Array:
    """Return the mean of `weighted_means` over pairs of speakers, with each speaker's statements drawn anew.

    Parameters
    ----------
    members : (n, S) float64
        Which speaker holds which statement, 0 or 1; each statement has one holder.
    n_draws : int
        How often all statements are drawn, with replacement, within their speaker.
    rng : Generator
        Draws them.

    Returns
    -------
    (n_draws,) float64
        NaN where no two speakers have a pair.
    """
    product = weight * values
    upper = np.triu_indices(members.shape[1], 1)
    means = np.full(n_draws, np.nan)
    for draw in range(n_draws):
        drawn = np.zeros_like(members)
        for speaker in range(members.shape[1]):
            own = np.flatnonzero(members[:, speaker])
            if len(own):
                drawn[own, speaker] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)))
        total, mass = (drawn.T @ (matrix @ drawn) for matrix in (product, weight))
        known = mass[upper] > 1e-9
        if known.any():
            means[draw] = float((total[upper][known] / mass[upper][known]).mean())
    return means
