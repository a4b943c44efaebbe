"""How well a score tells agreement from opposition: AUC, accuracy, calibration, with bootstrap intervals by topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]


def auc(outcome: NDArray[np.bool_], score: NDArray[Any]) -> float:
    """Return the probability that a pair that agrees scores above one that opposes; ties count half.

    NaN where all outcomes are alike.

    Examples
    --------
    >>> auc(np.array([True, False, True]), np.array([0.9, 0.1, 0.1]))
    0.75
    """
    from scipy.stats import rankdata

    n_true = int(outcome.sum())
    n_false = len(outcome) - n_true
    if not n_true or not n_false:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[outcome].sum() - n_true * (n_true + 1) / 2) / (n_true * n_false))


def accuracy(outcome: NDArray[np.bool_], probability: NDArray[Any]) -> float:
    """Return the share of pairs on the right side of one half.

    Examples
    --------
    >>> accuracy(np.array([True, False]), np.array([0.9, 0.8]))
    0.5
    """
    return float(np.mean((probability > 0.5) == outcome)) if len(outcome) else float("nan")


def calibration_error(probability: NDArray[Any], outcome: NDArray[np.bool_], n_bins: int = 10) -> float:
    """Return the expected calibration error: mean gap of confidence and frequency over equal-width bins.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), AAAI.

    Examples
    --------
    >>> calibration_error(np.array([0.0, 1.0]), np.array([False, True]))
    0.0
    """
    bins = np.minimum((probability * n_bins).astype(int), n_bins - 1)
    error = 0.0
    for b in range(n_bins):
        inside = bins == b
        if inside.any():
            error += inside.mean() * abs(float(probability[inside].mean()) - float(outcome[inside].mean()))
    return float(error)


def bootstrap(
    measure: Callable[[NDArray[np.int64]], float],
    topics: NDArray[Any],
    rng: np.random.Generator,
    n_draws: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Return the percentile interval of a measure over draws of whole topics, with replacement.

    Parameters
    ----------
    measure : callable
        Of positions into the pairs, repeated as drawn.
    topics : (n,) array
        The topic of each pair. Pairs of one topic are not independent, so topics are drawn, not pairs; of a
        single topic, pairs are drawn.
    rng : Generator
        Draws them.

    Returns
    -------
    tuple of float
        Lower and upper end; NaN where no draw can be measured.
    """
    _, of = np.unique(topics, return_inverse=True)
    by_topic, sizes = np.argsort(of, kind="stable"), np.bincount(of)
    starts = np.cumsum(sizes) - sizes
    values = []
    for _ in range(n_draws):
        if len(sizes) == 1:
            drawn = rng.integers(len(topics), size=len(topics))
        else:
            kinds = rng.integers(len(sizes), size=len(sizes))
            ends = np.cumsum(sizes[kinds])
            drawn = by_topic[np.arange(ends[-1]) + np.repeat(starts[kinds] - ends + sizes[kinds], sizes[kinds])]
        values.append(measure(drawn))
    finite = np.array(values)[np.isfinite(values)]
    if not len(finite):
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return float(low), float(high)
