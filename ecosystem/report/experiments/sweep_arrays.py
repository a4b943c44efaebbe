"""What a sweep draws and tells, as arrays: parameters, outcomes by design point, paths over time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecosystem.report.prose import MISSING, decimal, percent, signed

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]
Kind = Literal["count", "share", "signed", "digits"]


@dataclass(frozen=True)
class Headline:
    """An outcome that figures and the table of points show.

    Attributes
    ----------
    measure : str
        Of the catalogue.
    outcome : {"end", "mean"}
        Its value at the last step, or its mean over the steps of a run.
    title, words : str
        As a heading, and in a sentence.
    kind : str
        How its values are written.
    """

    measure: str
    outcome: Literal["end", "mean"]
    title: str
    words: str
    kind: Kind = "digits"

    @property
    def when(self) -> str:
        """What its values are of."""
        return "at the end" if self.outcome == "end" else "mean over the steps"

    def shown(self, value: float) -> str:
        """Return a value as a reader sees it; a dash where it is not known.

        Examples
        --------
        >>> HEADLINES[0].shown(2.5), HEADLINES[0].shown(3.0), HEADLINES[1].shown(0.064), HEADLINES[4].shown(0.00104)
        ('2.5', '3', '6.4%', '0.00104')
        """
        if not math.isfinite(value):
            return MISSING
        if self.kind == "count":
            return decimal(value, 1).removesuffix(".0")
        if self.kind == "signed":
            return signed(value)
        if self.kind == "share":
            return percent(value) if abs(value) >= 0.0995 or value == 0 else f"{100 * value:.1f}%".replace("-", "−")
        return f"{value:#.3g}".replace("-", "−") if value else "0"


HEADLINES: tuple[Headline, ...] = (
    Headline("coalitions", "end", "Coalitions", "number of coalitions", "count"),
    Headline("largest", "end", "Largest coalition", "share of agents in the largest coalition", "share"),
    Headline("alone", "end", "Agents alone", "share of agents alone", "share"),
    Headline("frustration", "end", "Frustration", "frustration", "share"),
    Headline("distance_variance", "end", "Distance variance", "polarization (variance of distances)"),
    Headline("opinion_variance", "end", "Opinion variance", "variance of opinions"),
    Headline("forecast_correlation", "mean", "Forecast skill", "forecast skill (correlation)", "signed"),
    Headline("churn", "mean", "Churn", "churn", "share"),
    Headline("modularity", "end", "Signed modularity", "signed modularity"),
    Headline("mean_alignment", "end", "Mean alignment", "mean alignment"),
)
"""Outcomes by importance; the first eight that are defined in a sweep are shown."""


@dataclass(frozen=True)
class Varied:
    """A parameter that a sweep varies.

    Attributes
    ----------
    name : str
        Of `ecosystem.Parameters`.
    values : tuple
        Its values: numbers from low to high, others as the plan has them.
    place : (n_points,) int
        Which of them each design point has.
    numeric, log : bool
        Whether they are all numbers, and whether equal ratios are equal distances.
    """

    name: str
    values: tuple[Any, ...]
    place: Labels
    numeric: bool
    log: bool

    @property
    def labels(self) -> list[str]:
        """The values as a reader sees them."""
        return [written(value) for value in self.values]

    @property
    def positions(self) -> Array:
        """Where the values stand on an axis, (n_values,): numbers, or their logarithms; others side by side."""
        places = np.array(self.values if self.numeric else range(len(self.values)), np.float64)
        return np.log10(places) if self.log else places


@dataclass(frozen=True)
class Spread:
    """An outcome over the replicates of each design point, (n_points,) each; NaN where no run has it.

    Attributes
    ----------
    n : (n_points,) float
        Runs that have it.
    low, median, high : (n_points,) float
        5 %, 50 % and 95 % of the runs.
    mean, sd : (n_points,) float
        Mean and standard deviation.
    short, bimodal : (n_points,) bool
        Whether the replicates do not suffice, and whether the runs fall in two clusters.
    """

    n: Array
    low: Array
    median: Array
    high: Array
    mean: Array
    sd: Array
    short: Flags
    bimodal: Flags

    @property
    def known(self) -> Flags:
        """The points that have it."""
        return ~np.isnan(self.median)


@dataclass(frozen=True)
class Band:
    """A measure over the steps of a design point, (n_steps,) each: median and 5 to 95 % over its runs."""

    steps: Labels
    low: Array
    median: Array
    high: Array


@dataclass(frozen=True)
class View:
    """The points of a grid along a parameter, a column a value of a second one; the others are held.

    Attributes
    ----------
    x : Varied
        The first parameter.
    series : Varied or None
        The second.
    points : (n_x, n_series) int
        Numbers of the design points.
    held : tuple of (str, value)
        The values of the others.
    """

    x: Varied
    series: Varied | None
    points: Labels
    held: tuple[tuple[str, Any], ...]

    @property
    def holding(self) -> str:
        """What is held, in words: ``bias = 8``; empty where nothing is."""
        return named(self.held)


def written(value: Any) -> str:
    """Return a parameter's value as a reader sees it.

    Examples
    --------
    >>> written(0.30000000000000004), written(-2.0), written(None), written("nash")
    ('0.3', '−2', 'none', 'nash')
    """
    if value is None:
        return "none"
    return f"{value:.4g}".replace("-", "−") if isinstance(value, float) else str(value)


def named(values: Iterable[tuple[str, Any]]) -> str:
    """Return parameters with their values in words: ``homophily = 9, entry = nash``."""
    return ", ".join(f"{name} = {written(value)}" for name, value in values)


def evenly(count: int, most: int) -> list[int]:
    """Return at most so many places of a list, its ends included, at even distances where that leaves enough of them.

    Examples
    --------
    >>> evenly(3, 5), evenly(9, 6), evenly(20, 4), evenly(5, 1)
    ([0, 1, 2], [0, 2, 4, 6, 8], [0, 6, 13, 19], [0])
    """
    if count <= most:
        return list(range(count))
    even = next((n for n in range(most, most // 2, -1) if n > 2 and (count - 1) % (n - 1) == 0), most)
    return [round(k) for k in np.linspace(0, count - 1, even).tolist()]
