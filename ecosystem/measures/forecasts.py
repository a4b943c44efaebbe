"""Forecasts scored against outcomes: affinity, and the probability of support that it stands for.

A forecast f in [-1, 1] of affinity says that a listener supports with probability ``p = (1 + f) / 2``. Every
score is over the pairs where forecast and outcome are known, NaN without one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def correlation(forecast: Vector, outcome: Vector) -> float:
    """Return the Pearson correlation over the pairs where both are known; NaN without variance.

    References
    ----------
    Pearson (1895), Proc. Royal Society of London 58:240-242.

    Examples
    --------
    >>> round(correlation(np.array([0.0, 1.0, np.nan]), np.array([1.0, 3.0, 0.0])), 6)
    1.0
    """
    x, y = _known(forecast, outcome)
    if len(x) < 2:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    spread = np.sqrt(x @ x / len(x)), np.sqrt(y @ y / len(y))
    if min(spread) < 1e-12:
        return float("nan")
    return float(np.clip(x @ y / len(x) / spread[0] / spread[1], -1.0, 1.0))


def brier(forecast: Vector, outcome: Vector) -> float:
    """Return the Brier score of affinity forecasts against whether the outcome was support.

    The mean of ``(p - y)^2`` with ``p = (1 + forecast) / 2`` and y = 1 where the outcome is above 0. Lower
    is better; 0.25 is a coin's.

    References
    ----------
    Brier (1950), Monthly Weather Review 78:1-3.

    Examples
    --------
    >>> brier(np.array([1.0, -1.0]), np.array([0.3, -0.2]))
    0.0
    """
    forecast, outcome = _known(forecast, outcome)
    if not len(forecast):
        return float("nan")
    miss = (1 + forecast) / 2 - (outcome > 0)
    return float(miss @ miss / len(miss))


def shuffled_brier(forecast: Vector, outcome: Vector) -> float:
    """Return the Brier score that the forecasts would get if dealt to the pairs at random.

    The mean of `brier` over all permutations of the forecasts, in closed form: in a random permutation every
    p meets every y equally often, so that it is ``mean p^2 + mean y^2 - 2 mean p mean y``. A forecast below
    it knows more than how often there is support.

    References
    ----------
    Brier (1950), Monthly Weather Review 78:1-3.

    Examples
    --------
    >>> shuffled_brier(np.array([1.0, -1.0]), np.array([0.3, -0.2]))
    0.5
    """
    forecast, outcome = _known(forecast, outcome)
    if not len(forecast):
        return float("nan")
    p, support = (1 + forecast) / 2, float((outcome > 0).mean())  # y is 0 or 1: its square is itself
    return float(p @ p / len(p) + support - 2 * p.mean() * support)


def calibration_error(forecast: Vector, outcome: Vector, n_bins: int = 10) -> float:
    """Return the expected calibration error of the forecast support against the observed, in [0, 1].

    ``sum_b (n_b / n) |mean_b p - mean_b q|`` over bins b of p of equal width, with ``p = (1 + forecast) / 2``
    and ``q = (1 + outcome) / 2``: how far forecasts that say the same are off on average. Differs from its
    source in that q is a degree of support, not yes or no.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), AAAI, 2901-2907.

    Examples
    --------
    Two forecasts of .75 met .5 and 1, which is right on average; one of .25 met 1:

    >>> calibration_error(np.array([0.5, 0.5, -0.5]), np.array([0.0, 1.0, 1.0]))
    0.25
    """
    forecast, outcome = _known(forecast, outcome)
    if not len(forecast):
        return float("nan")
    bins = ((1 + forecast) * (n_bins / 2)).astype(np.int64).clip(0, n_bins - 1)
    return float(np.abs(np.bincount(bins, forecast - outcome)).sum() / (2 * len(bins)))


def mean_absolute_error(forecast: Vector, outcome: Vector) -> float:
    """Return the mean absolute error over the pairs where both are known, in [0, 2].

    References
    ----------
    Willmott & Matsuura (2005), Climate Research 30:79-82.

    Examples
    --------
    >>> mean_absolute_error(np.array([0.5, -0.5, np.nan]), np.array([0.5, 0.5, 0.0]))
    0.5
    """
    forecast, outcome = _known(forecast, outcome)
    return float(np.abs(forecast - outcome).mean()) if len(forecast) else float("nan")


def _known(forecast: Vector, outcome: Vector) -> tuple[Vector, Vector]:
    """Return the two where both are known."""
    unknown = np.isnan(forecast + outcome)
    return (forecast[~unknown], outcome[~unknown]) if unknown.any() else (forecast, outcome)
