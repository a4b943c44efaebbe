"""Forecasts scored against outcomes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def correlation(forecast: Vector, outcome: Vector) -> float:
    """Return the Pearson correlation over the pairs where both are known; NaN without variance.

    Examples
    --------
    >>> round(correlation(np.array([0.0, 1.0, np.nan]), np.array([1.0, 3.0, 0.0])), 6)
    1.0
    """
    known = ~(np.isnan(forecast) | np.isnan(outcome))
    x, y = forecast[known], outcome[known]
    if len(x) < 2 or x.std() < 1e-12 or y.std() < 1e-12:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


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
    known = ~(np.isnan(forecast) | np.isnan(outcome))
    if not known.any():
        return float("nan")
    return float((((1 + forecast[known]) / 2 - (outcome[known] > 0)) ** 2).mean())


def mean_absolute_error(forecast: Vector, outcome: Vector) -> float:
    """Return the mean absolute error over the pairs where both are known; NaN without one."""
    known = ~(np.isnan(forecast) | np.isnan(outcome))
    return float(np.abs(forecast[known] - outcome[known]).mean()) if known.any() else float("nan")
