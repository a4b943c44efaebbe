"""One design point in two sweeps: how far their runs differ, and whether more than chance would have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecosystem.errors import InputError
from ecosystem.sweep.reader import SweepTables
from ecosystem.sweep.spread import ENDINGS, endings, spread_of

Array = NDArray[np.float64]

ENOUGH = 5
"""The least number of runs on which a difference is judged: that 5 of 5 go one way by chance has odds of 1 in 16."""

_BAND = ("low", "median", "high")

CONTRAST = (
    *(f"{name}_{side}" for side in "ab" for name in ("n", *_BAND)),
    "pairs",
    "low",
    "difference",
    "high",
    "clear",
)
"""What `contrast` says."""


@dataclass(frozen=True)
class PointRuns:
    """The finished runs of a design point.

    Attributes
    ----------
    seeds : (n_runs,) int
        Their seeds.
    values : (n_runs, len(ENDINGS), n_measures) float64
        Their outcomes; NaN where a measure is not defined.
    """

    seeds: NDArray[np.int64]
    values: Array

    @classmethod
    def of(cls, sweep: SweepTables, point: int, measures: Sequence[str]) -> PointRuns:
        """Read them from a sweep."""
        frame = sweep.read("metrics", [point], ["replicate", "seed", *measures])
        if not len(frame):
            return cls(np.zeros(0, np.int64), np.zeros((0, len(ENDINGS), len(measures))))
        first = np.flatnonzero(np.diff(frame["replicate"].to_numpy(), prepend=-1))
        lengths = np.diff(np.append(first, len(frame)))
        if (lengths != lengths[0]).any():
            raise InputError(f"{sweep.path}: metrics of design point {point}", "holds runs of different steps")
        values = frame[list(measures)].to_numpy(np.float64).reshape(len(first), lengths[0], len(measures))
        return cls(frame["seed"].to_numpy(np.int64)[first], endings(values))


def pairs_of(a: PointRuns, b: PointRuns) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which run of a has the seed of which run of b, (n_pairs,) each."""
    _, own, other = np.intersect1d(a.seeds, b.seeds, return_indices=True)
    return own, other


def alike(a: PointRuns, b: PointRuns) -> tuple[int, int]:
    """Return how many runs have a seed in common, and how many of these pairs have the same outcomes, to the bit."""
    own, other = pairs_of(a, b)
    same = (a.values[own] == b.values[other]) | (np.isnan(a.values[own]) & np.isnan(b.values[other]))
    return len(own), int(same.all((1, 2)).sum())


def contrast(a: PointRuns, b: PointRuns) -> dict[str, Array]:
    """Return how the runs of two design points are spread, and how far those differ that share a seed.

    Returns
    -------
    dict of (len(ENDINGS), n_measures) float64
        ``n_a``, ``low_a``, ``median_a``, ``high_a`` and the like for b: how many runs define the measure, its median
        and its 5 to 95 % band; ``pairs``, ``low``, ``difference``, ``high``: the same of the differences, b less a, of
        the runs of one seed or, where there are none, the difference of the medians without a band; ``clear``: 1 if
        the band of the paired differences excludes 0 or, with fewer than `ENOUGH` pairs, if the bands of a and b do
        not overlap, else 0, and NaN with fewer than `ENOUGH` runs. NaN is what cannot be said.
    """
    found: dict[str, Array] = {}
    for side, runs in (("a", a), ("b", b)):
        spread = spread_of(runs.values)
        found |= {f"{name}_{side}": spread[name] for name in ("n", *_BAND)}
    own, other = pairs_of(a, b)
    if len(own):
        paired = spread_of(b.values[other] - a.values[own])
    else:
        paired = dict.fromkeys(_BAND, np.full(a.values.shape[1:], np.nan)) | {"n": np.zeros(a.values.shape[1:])}
    pairs = paired["n"]
    medians = found["median_b"] - found["median_a"]
    found |= {"pairs": pairs, "low": paired["low"], "difference": np.where(pairs, paired["median"], medians)}
    found["high"] = paired["high"]
    apart = (found["low_b"] > found["high_a"]) | (found["high_b"] < found["low_a"])
    judged = np.where(np.minimum(found["n_a"], found["n_b"]) >= ENOUGH, apart, np.nan)
    return found | {"clear": np.where(pairs >= ENOUGH, (paired["low"] > 0) | (paired["high"] < 0), judged)}
