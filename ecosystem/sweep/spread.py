"""How values are spread over the runs: quantiles, mean and standard deviation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

LEVELS = (0.05, 0.5, 0.95)
"""The quantiles of a band."""

ENDINGS = ("end", "mean")
"""The outcomes of a run: a measure at the last step, and its mean over the steps where it is defined."""

SPREAD = ("n", "low", "median", "high", "mean", "sd")
"""What `spread_of` says."""


def endings(values: Array) -> Array:
    """Return the outcomes (`ENDINGS`) of runs, (n_runs, 2, n_measures); NaN where a measure is not defined.

    Parameters
    ----------
    values : (n_runs, n_steps, n_measures) float64
        NaN where a measure is not defined.

    Examples
    --------
    >>> endings(np.array([[[1.0], [np.nan], [5.0]]]))[0, :, 0]
    array([5., 3.])
    """
    known = np.isfinite(values)
    n = known.sum(1)
    mean = np.where(known, values, 0).sum(1) / np.where(n, n, 1)
    return np.stack([values[:, -1], np.where(n, mean, np.nan)], axis=1)


def spread_of(values: Array) -> dict[str, Array]:
    """Return how values are spread over the first axis, by the names of `SPREAD`.

    ``n`` is how many there are, NaN aside; ``low``, ``median``, ``high`` are those of `quantile_bands`; ``sd`` is with
    n - 1. NaN is what cannot be said. The order of the values does not change a bit.

    Parameters
    ----------
    values : (n_runs, ...) float64
        A value a run, NaN where it has none.

    Returns
    -------
    dict of (...) float64

    Examples
    --------
    >>> found = spread_of(np.array([[1.0, np.nan], [3.0, np.nan]]))
    >>> found["n"], found["mean"], found["sd"].round(3)
    (array([2., 0.]), array([ 2., nan]), array([1.414,   nan]))
    """
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=0)
    known = np.isfinite(ordered)
    n = known.sum(0)
    low, median, high = _quantiles(ordered, n, LEVELS)
    mean = np.where(known, ordered, 0).sum(0) / np.where(n, n, np.nan)
    squares = (np.where(known, ordered - mean, 0) ** 2).sum(0)
    sd = np.sqrt(squares / np.where(n > 1, n - 1, np.nan))
    return dict(zip(SPREAD, (n.astype(np.float64), low, median, high, mean, sd), strict=True))


def quantile_bands(values: ArrayLike, levels: Sequence[float] = LEVELS) -> tuple[Array, ...]:
    """Return quantiles along the first axis; NaN are left out, and NaN is what nothing but NaN gives.

    Between order statistics they are interpolated linearly: level p of n values is at place 1 + (n - 1) p (definition 7
    of Hyndman & Fan, which numpy and R use unless told otherwise). With up to 20 values, the 5 % quantile is thus
    between the smallest two.

    Parameters
    ----------
    values : (n_runs, ...) float
        A value a run.
    levels : sequence of float
        In [0, 1].

    Returns
    -------
    tuple of (...) float64
        For each level.

    References
    ----------
    Hyndman & Fan (1996), The American Statistician 50:361-365.

    Examples
    --------
    >>> low, median, high = quantile_bands([3.0, 1.0, 2.0, np.nan, 5.0, 4.0])
    >>> round(float(low), 3), float(median), round(float(high), 3)
    (1.2, 3.0, 4.8)
    """
    runs = np.asarray(values, np.float64)
    ordered = np.sort(np.where(np.isfinite(runs), runs, np.nan), axis=0)
    return _quantiles(ordered, np.isfinite(ordered).sum(0), levels)


def _quantiles(ordered: Array, n: NDArray[np.int64], levels: Sequence[float]) -> tuple[Array, ...]:
    found = []
    for level in levels:
        place = np.maximum(n - 1, 0) * level
        below = np.floor(place).astype(np.intp)
        above = np.minimum(below + 1, np.maximum(n - 1, 0))
        one, other = (np.take_along_axis(ordered, at[None], 0)[0] for at in (below, above))
        # Never beyond its neighbour by rounding, so that a band holds its median.
        found.append(np.minimum(one + (other - one) * (place - below), other))
    return tuple(found)
