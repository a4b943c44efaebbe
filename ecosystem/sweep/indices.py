"""What matters: sensitivity indices from the outcomes at the points of a design, with intervals."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.sweep.sensitivity import Samples, is_ordered, require_salib, unit_cube

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

_RESAMPLES = 500
_LEVEL = 0.95
_NORMAL = 1.959963984540054
_SAME = 1e-12
"""Outcomes whose spread is below this share of their size are the same number, summed in another order."""

FEWEST_EFFECTS = 4
"""Elementary effects of a parameter below which nothing is said of it: the spread of fewer tells nothing."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "sobol": ("first", "first_low", "first_high", "total", "total_low", "total_high"),
    "morris": ("mu", "mu_star", "mu_star_low", "mu_star_high", "sigma", "effects"),
    "oat": ("range", "range_low", "range_high", "slope", "slope_low", "slope_high"),
}
"""Columns of `Indices.table`, by method."""

RANKED_BY = {"sobol": "total", "morris": "mu_star", "oat": "range"}
"""The column that says how much a parameter matters, by method."""


@dataclass(frozen=True)
class Indices:
    """How much each parameter matters for an outcome.

    Attributes
    ----------
    samples : Samples
        The design.
    table : DataFrame
        A row a parameter: ``parameter`` and the `COLUMNS` of the method, 95 % intervals as low and high; NaN where
        they are not defined. ``sobol``: shares of the variance. ``morris``: changes of the outcome over the whole
        range of a parameter, or from one value of a list to another, where there are `FEWEST_EFFECTS`. ``oat``:
        highest less lowest mean of a level, and the change over the whole range by a straight line.
    means : (n_points,) float64
        The outcome at each point: its mean over the runs where it is defined.
    constant : float or None
        The outcome, if it is the same at all points.
    used, left_out : int
        Blocks (sobol), elementary effects (morris) or points (oat) that the indices rest on, and those that a
        missing point broke.
    additive : tuple of float
        Sum of the first-order indices, with its interval (sobol); NaN otherwise.
    seed_share : float
        Share of the variance of single runs that is due to the seed, in [0, 1]; NaN with one replicate.
    chance : float
        Share of the variance between points that is chance left in their means, in [0, 1]; NaN with one replicate.
    error : float
        Standard error of a point's mean as chance leaves it; NaN with one replicate.
    responses : DataFrame or None
        A row a parameter and level (oat): ``parameter``, ``value`` (text), ``share`` along the axis, and over the
        runs ``n``, ``low`` (5 %), ``median``, ``high`` (95 %), ``mean``. First of all the base point, without
        parameter.
    """

    samples: Samples
    table: pd.DataFrame
    means: Array
    constant: float | None
    used: int
    left_out: int
    additive: tuple[float, float, float]
    seed_share: float
    chance: float
    error: float
    responses: pd.DataFrame | None = None

    @property
    def rows(self) -> dict[str, dict[str, float]]:
        """The table as parameter -> column -> number."""
        return {name: {column: float(self.table[column].iloc[k]) for column in COLUMNS[self.samples.method]}
                for k, name in enumerate(self.samples.names)}  # fmt: skip

    @property
    def defined(self) -> bool:
        """Whether there is an index at all."""
        return bool(self.table[RANKED_BY[self.samples.method]].notna().any())


def analyse(samples: Samples, outcomes: Array, seed: int) -> Indices:
    """Return the indices that a method finds in outcomes.

    Parameters
    ----------
    samples : Samples
        Where the model ran.
    outcomes : (n_points, n_replicates) float
        Its outcomes, replicate r with the same seed at every point; NaN where a run failed or the outcome is not
        defined. A point's outcome is the mean of those that are known; without any, the point is missing.
    seed : int
        Draws the resamples on which intervals rest.

    Raises
    ------
    InputError
        SALib is not installed.
    """
    means = _means(outcomes)
    known = means[~np.isnan(means)]
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 1)))
    constant = float(known[0]) if len(known) and _is_flat(known) else None
    responses = None
    if samples.method == "sobol":
        found = _sobol(samples, means, rng)
    elif samples.method == "morris":
        found = _morris(samples, means, rng)
    else:
        found = _one_at_a_time(samples, means, outcomes)
        responses = _responses(samples, outcomes)
    table = _table(samples, found.columns if constant is None else {})
    return Indices(
        samples, table, means, constant, found.used, found.left_out, found.additive, *chance_in(outcomes), responses
    )


def chance_in(outcomes: Array) -> tuple[float, float, float]:
    """Return what is due to chance: a share of single runs' variance, one of the means' variance, a standard error.

    Two-way analysis of variance of points and seeds. What a seed adds to all points alike counts in the first
    but not in the others, for it leaves differences between points as they are.

    Parameters
    ----------
    outcomes : (n_points, n_replicates) float
        Points where a run is missing are left out.

    Examples
    --------
    >>> chance_in(np.array([[0.0, 1.0], [2.0, 3.0]]))
    (0.2, 0.0, 0.0)
    """
    whole = outcomes[~np.isnan(outcomes).any(1)]
    n, replicates = whole.shape
    if n < 2 or replicates < 2:
        return math.nan, math.nan, math.nan
    means = whole.mean(1)
    rest = whole - means[:, None] - whole.mean(0) + whole.mean()
    left = float((rest**2).sum() / ((n - 1) * (replicates - 1))) / replicates
    between, within = float(means.var(ddof=1)), float(whole.var(1, ddof=1).mean())
    total = within + max(between - left, 0.0)
    size = max(1.0, float(np.abs(whole).max())) * _SAME
    share = within / total if total > size else math.nan
    return share, min(left / between, 1.0) if between > size else math.nan, math.sqrt(left)


@dataclass(frozen=True)
class _Found:
    columns: dict[str, Any]
    used: int
    left_out: int
    additive: tuple[float, float, float] = (math.nan, math.nan, math.nan)


def _sobol(samples: Samples, means: Array, rng: np.random.Generator) -> _Found:
    """Return first and total order; the intervals are normal, from resampled blocks."""
    blocks = means[samples.place].reshape(samples.count, len(samples.axes) + 2)
    blocks = blocks[~np.isnan(blocks).any(1)]
    used = len(blocks), samples.count - len(blocks)
    if len(blocks) < 2 or _is_flat(blocks):
        return _Found({}, *used)
    analysis = require_salib("analyze.sobol")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Constant values encountered")
        found = analysis.analyze(
            unit_cube(len(samples.axes)), blocks.ravel(), calc_second_order=False, num_resamples=_RESAMPLES,
            conf_level=_LEVEL, keep_resamples=True, seed=rng,
        )  # fmt: skip
    columns: dict[str, Any] = {}
    for name, key in (("first", "S1"), ("total", "ST")):
        index, half = found[key], found[f"{key}_conf"]
        columns |= {name: index, f"{name}_low": index - half, f"{name}_high": index + half}
    additive, half = float(found["S1"].sum()), _NORMAL * float(found["S1_conf_all"].sum(1).std(ddof=1))
    return _Found(columns, *used, (additive, additive - half, additive + half))


def _morris(samples: Samples, means: Array, rng: np.random.Generator) -> _Found:
    """Return mean, mean size and standard deviation of elementary effects; intervals from resampled effects."""
    columns: dict[str, list[float]] = {name: [] for name in COLUMNS["morris"]}
    effects = elementary_effects(samples, means)
    for axis, each in zip(samples.axes, effects, strict=True):
        known = each[~np.isnan(each)]
        mu = star = half = sigma = math.nan
        if len(known) >= FEWEST_EFFECTS:
            mu, star, sigma = float(known.mean()), float(np.abs(known).mean()), float(known.std(ddof=1))
            half = _NORMAL * float(np.abs(rng.choice(known, (_RESAMPLES, len(known)))).mean(1).std(ddof=1))
        if not is_ordered(axis.values):  # words have no direction, and the effects of three are of several pairs
            mu, sigma = math.nan, sigma if len(axis.values) == 2 else math.nan
        row = (mu, star, max(star - half, 0.0) if star == star else star, star + half, sigma, len(known))
        for name, value in zip(COLUMNS["morris"], row, strict=True):
            columns[name].append(value)
    used = sum(columns["effects"])
    return _Found(columns, int(used), len(samples.axes) * samples.count - int(used))


def elementary_effects(samples: Samples, means: Array) -> list[Array]:
    """Return each parameter's changes of the outcome, over the share of its range by which it moved.

    One array of (n_trajectories,) a parameter, NaN where a point is missing.
    """
    rows = np.flatnonzero(samples.varied >= 0)
    axis = samples.varied[rows]
    moved = samples.shares[rows + 1, axis] - samples.shares[rows, axis]
    effects = (means[samples.place[rows + 1]] - means[samples.place[rows]]) / moved
    return [effects[axis == k] for k in range(len(samples.axes))]


def _one_at_a_time(samples: Samples, means: Array, outcomes: Array) -> _Found:
    """Return each parameter's range of means, with Tukey's intervals, and its slope, from a line through each seed."""
    columns: dict[str, list[float]] = {name: [] for name in COLUMNS["oat"]}
    for k, axis in enumerate(samples.axes):
        rows = np.flatnonzero(samples.varied == k)
        rows = rows[~np.isnan(means[samples.place[rows]])]
        mean, levels, x = means[samples.place[rows]], outcomes[samples.place[rows]], samples.shares[rows, k]
        reach = slope = by_chance = half = math.nan
        if len(rows) > 1:
            reach, by_chance = float(np.ptp(mean)), _range_by_chance(levels)
            if is_ordered(axis.values):
                slope, half = float(np.polyfit(x, mean, 1)[0]), _half_width(x, levels)
        row = (reach, max(reach - by_chance, 0.0) if by_chance == by_chance else by_chance, reach + by_chance,
               slope, slope - half, slope + half)  # fmt: skip
        for name, value in zip(COLUMNS["oat"], row, strict=True):
            columns[name].append(value)
    missing = int(np.isnan(means).sum())
    return _Found(columns, len(means) - missing, missing)


def _range_by_chance(levels: Array) -> float:
    """Return the range of means that levels alike would exceed in one case of twenty (Tukey's honest difference).

    Seeds are blocks: what shifts all levels of a seed alike does not count.
    """
    whole = levels[:, ~np.isnan(levels).any(0)]
    n, replicates = whole.shape
    if n < 2 or replicates < 2:
        return math.nan
    rest = whole - whole.mean(1, keepdims=True) - whole.mean(0) + whole.mean()
    freedom = (n - 1) * (replicates - 1)
    error = math.sqrt(float((rest**2).sum()) / freedom / replicates)
    return _studentized_range(n, freedom) * error if error > 0 else 0.0


@lru_cache(maxsize=64)
def _studentized_range(n: int, freedom: int) -> float:
    """Return the quantile of the range of n alike means in standard errors; it takes a fifth of a second."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(_LEVEL, n, freedom))


def _half_width(x: Array, levels: Array) -> float:
    """Return half the interval of a slope, from the slopes of single seeds."""
    from scipy.stats import t

    whole = levels[:, ~np.isnan(levels).any(0)]
    if whole.shape[1] < 2:
        return math.nan
    slopes = np.polyfit(x, whole, 1)[0]
    return float(t.ppf(0.5 + _LEVEL / 2, len(slopes) - 1) * slopes.std(ddof=1) / math.sqrt(len(slopes)))


def _responses(samples: Samples, outcomes: Array) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for row, k in enumerate(samples.varied):
        runs = outcomes[samples.place[row]]
        runs = runs[~np.isnan(runs)]
        name = samples.names[k] if k >= 0 else None
        low, median, high = np.quantile(runs, (0.05, 0.5, 0.95)) if len(runs) else (math.nan,) * 3
        value = str(samples.points[samples.place[row]][name]).replace("None", "none") if name else None
        share = float(samples.shares[row, k]) if name else math.nan
        mean = float(runs.mean()) if len(runs) else math.nan
        rows.append((name, value, share, len(runs), float(low), float(median), float(high), mean))
    return pd.DataFrame(rows, columns=["parameter", "value", "share", "n", "low", "median", "high", "mean"])


def _table(samples: Samples, columns: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    names = COLUMNS[samples.method]
    unknown = np.full(len(samples.axes), math.nan)
    return pd.DataFrame({"parameter": samples.names, **{name: columns.get(name, unknown) for name in names}})


def _means(outcomes: Array) -> Array:
    """Return the mean of what is known of each row; NaN where nothing is."""
    known = ~np.isnan(outcomes)
    counts = known.sum(1)
    sums = np.where(known, outcomes, 0.0).sum(1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), math.nan)


def _is_flat(outcomes: Array) -> bool:
    return float(np.ptp(outcomes)) <= _SAME * max(1.0, float(np.abs(outcomes).max()))
