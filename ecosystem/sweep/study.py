"""What a sensitivity analysis asks of a sweep: one number a run, and what the indices made of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ecosystem.errors import InputError, nearest, shorten
from ecosystem.measures import CATALOGUE, Measure
from ecosystem.sweep.indices import Indices

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Outcome = Literal["end", "mean"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Study:
    """What matters for a measure in a scenario.

    Attributes
    ----------
    title : str
        Of the scenario; text from outside.
    measure : str
        A column of `CATALOGUE`.
    outcome : {"end", "mean"}
        Its value at a run's last step, or its mean over the steps.
    replicates : int
        Runs at each point.
    failed, undefined : int
        Runs that failed, and others in which the measure is not defined.
    indices : Indices
        What was found.
    """

    title: str
    measure: str
    outcome: Outcome
    replicates: int
    failed: int
    undefined: int
    indices: Indices

    @property
    def runs(self) -> int:
        """How many runs were planned."""
        return len(self.indices.samples.points) * self.replicates

    @property
    def missing(self) -> int:
        """Points without a single run in which the measure is defined."""
        return int(np.isnan(self.indices.means).sum())

    @property
    def definition(self) -> Measure:
        """The measure's entry in the catalogue."""
        return CATALOGUE[self.measure]


def check_measure(name: str) -> str:
    """Return the name of a measure; refuse any other."""
    if name not in CATALOGUE:
        raise InputError("--measure", f"found {shorten(name)}{nearest(name, CATALOGUE)}")
    return name


def check_outcome(name: str) -> Outcome:
    """Return the name of an outcome; refuse any other."""
    for known in OUTCOMES:
        if name == known:
            return known
    raise InputError("--outcome", f"found {shorten(name)}; {', '.join(OUTCOMES)} are accepted")


def outcomes_of(metrics: pd.DataFrame, measure: str, outcome: Outcome, n_points: int, replicates: int) -> Array:
    """Return the outcome of every run, (n_points, n_replicates) float64; NaN where there is none.

    Parameters
    ----------
    metrics : DataFrame
        A row a run and step: ``point``, ``replicate``, ``step`` and the measure. A mean is over the steps at which the
        measure is defined.
    """
    found = np.full((n_points, replicates), np.nan)
    if len(metrics):
        runs = metrics.sort_values(["point", "replicate", "step"], kind="stable").groupby(["point", "replicate"])
        values = runs[measure].mean() if outcome == "mean" else runs.tail(1).set_index(["point", "replicate"])[measure]
        places = np.array([*values.index], np.int64).reshape(-1, 2)
        inside = places[:, 1] < replicates
        found[places[inside, 0], places[inside, 1]] = values.to_numpy(np.float64)[inside]
    return found
