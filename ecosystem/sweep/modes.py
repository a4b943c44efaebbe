"""Do the runs fall in two clusters? Then their mean is what none of them does."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

LEAST = 8
"""With fewer runs nothing is said."""

_FEWEST = 2
_SMALLEST = 0.1
# Halves of a uniform distribution are √12 apart; what a sample adds to that was fitted by simulation: see `bimodal`.
_UNIFORM, _SAMPLE = 12**0.5, 4.4


def two_modes(values: ArrayLike, unit: float = 0.0) -> bool | None:
    """Return whether the runs fall in two clusters; None below eight runs.

    Parameters
    ----------
    values : (n_runs,) float
        The outcome of each run, NaN where it has none.
    unit : float
        Of an outcome that moves in steps, like a count: what one step is. Clusters are then more than a step apart: two
        coalitions in half of the runs and three in the others are neighbours, one and three are not.

    Examples
    --------
    >>> two_modes([0.1, 0.12, 0.11, 0.09, 0.1, 0.8, 0.83, 0.82, 0.79, 0.8])
    True
    >>> two_modes([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    False
    >>> two_modes([2, 2, 2, 2, 2, 3, 3, 3, 3, 3], unit=1), two_modes([1, 1, 1, 1, 1, 3, 3, 3, 3, 3], unit=1)
    (False, True)
    >>> two_modes([0.0, 1.0]) is None
    True
    """
    found = float(bimodal(np.asarray(values, np.float64).reshape(-1, 1), unit)[0])
    return None if np.isnan(found) else bool(found)


def bimodal(values: Array, unit: ArrayLike = 0.0) -> Array:
    """Return `two_modes` of many outcomes: 1 in two clusters, 0 not, NaN not known.

    The runs are split in two where the variance within the parts is least, which sorting makes exact; each part has two
    runs at least, and a tenth of all. How far apart they are is Ashman's D, the distance of their means over the root
    mean square of their standard deviations, times m / (m + 1), m the runs in the smaller part: two or three runs that
    happen to be close say little. They are two clusters where this is more than √12 + 4.4 / √n.

    Parameters
    ----------
    values : (n_runs, n_outcomes) float64
        NaN where a run has none.
    unit : float or (n_outcomes,)
        As in `two_modes`. Counts are spread evenly over their unit, as in a histogram, before they are split.

    Notes
    -----
    Any distribution splits in two: a normal one in halves 2.65 apart, a uniform one in halves √12 = 3.46 apart, which
    is why D > 2, as Ashman et al. have it for two normal components whose parameters are known, won't do. Nor will the
    bimodality coefficient, which is above 5/9 for any distribution that is skewed enough. The threshold was fitted so
    that about 5 % of samples of a normal, uniform or exponential distribution pass at most, at every n from 8 on. The
    price is power: with ten runs, two normal clusters of equal size that are 4 standard deviations apart are seen in
    one case of eight, 6 apart in half, 10 apart in nearly all. An outcome that is not flagged may still be bimodal.

    References
    ----------
    Ashman, Bird & Zepf (1994), Astronomical Journal 108:2348-2361 (D). Fisher (1958), Journal of the American
    Statistical Association 53:789-798 (least variance within).
    """
    runs = np.sort(np.where(np.isfinite(values), values, np.nan), axis=0)
    n = np.isfinite(runs).sum(0)
    step = np.broadcast_to(np.asarray(unit, np.float64), n.shape)
    found = np.full(n.shape, np.nan)
    known = n >= LEAST
    if known.any():
        found[known] = _split(_spread_ties(runs[:, known], step[known]), n[known], step[known])
    return found


def _split(runs: Array, n: NDArray[np.int64], unit: Array) -> NDArray[np.bool_]:
    """Return which outcomes fall in two; ``runs`` sorted along the first axis, NaN last."""
    width = runs[n - 1, np.arange(len(n))] - runs[0]
    size = np.nanmax(np.abs(runs), axis=0)
    varies = width > 1e-9 * size
    # In units of the range, about the mean: sums of squares then lose no more than rounding.
    off = (runs - np.nanmean(runs, axis=0)) / np.where(varies, width, 1)
    off = np.where(np.isnan(off), 0, off)
    total, squares = off.cumsum(0)[:-1], (off**2).cumsum(0)
    low = np.arange(1, len(runs))[:, None]
    high = n - low
    smallest = np.maximum(_FEWEST, np.ceil(_SMALLEST * n))
    allowed = (low >= smallest) & (high >= smallest)
    with np.errstate(invalid="ignore", divide="ignore"):
        at = np.where(allowed, total**2 * n / (low * high), -1).argmax(0)
    each = np.arange(len(n))
    left, sum_left, squares_left = at + 1, total[at, each], squares[at, each]
    right = n - left
    apart = -sum_left / right - sum_left / left
    var_left = np.maximum(squares_left - sum_left**2 / left, 0) / (left - 1)
    var_right = np.maximum(squares[-1] - squares_left - sum_left**2 / right, 0) / (right - 1)
    smaller = np.minimum(left, right)
    within = np.sqrt((var_left + var_right) / 2)
    far = apart * smaller / (smaller + 1) > (_UNIFORM + _SAMPLE / np.sqrt(n)) * within
    clear: NDArray[np.bool_] = varies & far & (apart * width > unit * (1 + 1e-9))
    return clear


def _spread_ties(runs: Array, unit: Array) -> Array:
    """Return sorted runs with equal counts spread evenly over the unit that they stand for.

    Examples
    --------
    >>> _spread_ties(np.array([[2.0], [2.0], [3.0], [np.nan]]), np.array([1.0])).ravel()
    array([1.75, 2.25, 3.  ,  nan])
    """
    spread = runs.copy()
    for k in np.flatnonzero(unit > 0):
        counts = runs[np.isfinite(runs[:, k]), k] / unit[k]
        whole = np.round(counts)
        if np.abs(counts - whole).max() > 1e-6:
            continue  # a mean of counts: its ties are accidents
        _, first, ties = np.unique(whole, return_index=True, return_counts=True)
        place = np.arange(len(whole)) - np.repeat(first, ties)
        spread[: len(whole), k] = (whole + (place + 0.5) / np.repeat(ties, ties) - 0.5) * unit[k]
    return spread
