"""Which parameter moves which outcome, and how much: effects over a sweep's design, told apart from chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from ecosystem.report.experiments.sweep_arrays import Array, Headline, Labels, Spread, Varied, written
from ecosystem.report.experiments.sweep_panels import running_median
from ecosystem.report.experiments.sweep_response import Response, mean_of_known

Verdict = Literal["apart", "firm", "none", "same", "unsure"]

LEAST = 4
"""With fewer runs at a point, one point alone can't be told from another."""

_MANY = 20
_PARTS, _FEW = 5, 8
_TREND = 0.6
_BENT = 0.15
_NORMAL, _CHI_SQUARED = 3.29, 18.47


@dataclass(frozen=True)
class Effect:
    """What a parameter does to an outcome, averaged over the other parameters.

    Attributes
    ----------
    parameter : Varied
        The parameter.
    of : Headline
        The outcome.
    size : float
        Difference of the means in standard deviations of the runs at a point; where points are compared as wholes, the
        share of the outcome's standard deviation over them that the parameter accounts for.
    start, end : str
        The two values compared: the first and the last, or those of the least and the greatest outcome.
    before, after : float
        The median outcome there.
    steady : bool
        Whether the outcome goes one way, so that first and last tell it.
    verdict : {"apart", "firm", "none", "same", "unsure"}
        The bands do not overlap; they do, but runs with the same seed differ beyond chance; neither; runs with the same
        seed are the same; too few runs to say.
    turns : bool
        Whether the difference has another sign at other values of the other parameters.
    rank : float
        Spearman's rank correlation over the points; NaN where they are not compared as wholes.
    """

    parameter: Varied
    of: Headline
    size: float
    start: str
    end: str
    before: float
    after: float
    steady: bool
    verdict: Verdict
    turns: bool = False
    rank: float = math.nan

    @property
    def clear(self) -> bool:
        """Whether it is beyond chance."""
        return self.verdict in ("apart", "firm")


@lru_cache(maxsize=1)
def effects(response: Response) -> tuple[Effect, ...]:
    """Return the effect of every parameter on every headline outcome, those beyond chance first, the largest first."""
    of_one = _over_points if by_points(response) else _over_grid
    found = [of_one(response, one, of) for one in response.changing for of in response.headlines]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (not one.clear, -one.size)))


def ranked(response: Response) -> list[Varied]:
    """Return the parameters that have more than one value, that with the largest effect first."""
    order = list(dict.fromkeys(effect.parameter.name for effect in effects(response)))
    return sorted(response.changing, key=lambda one: order.index(one.name) if one.name in order else len(order))


def by_points(response: Response) -> bool:
    """Return whether design points are compared as wholes: they are sampled, or many with too few runs each."""
    few = response.sweep.replicates < LEAST
    return not response.is_grid or (few and response.n_points >= _MANY)


def _over_grid(response: Response, one: Varied, of: Headline) -> Effect | None:
    """Compare two values of a parameter at all values of the others, by pairs of runs that share a seed."""
    spread, cells = response.spread(of), response.grid(one)
    median = spread.median[cells]
    full = ~np.isnan(median).any(0)
    along = mean_of_known(median[:, full] if full.any() else median)
    known = np.flatnonzero(~np.isnan(along))
    if len(known) < 2:
        return None
    start, end, steady = _compared(one, along, known)
    both = ~np.isnan(median[[start, end]]).any(0)
    if not both.any():
        return None
    before, after = cells[start, both], cells[end, both]
    runs = response.runs(of)
    change = runs[after] - runs[before]
    paired = mean_of_known(change.T)
    pairs = 1 if steady else len(known) * (len(known) - 1) // 2
    verdict: Verdict = "unsure" if int((~np.isnan(paired)).sum()) < LEAST else "none"
    if _beyond(paired, pairs):
        verdict = "apart" if _apart(spread, before, after) else "firm"
    elif (np.ptp(runs[cells[:, full]], axis=0) == 0).all() and full.any():
        verdict = "same"
    turns = len({float(np.sign(np.nanmean(row))) for row in change if _beyond(row, pairs)}) > 1
    mean = abs(float(paired[~np.isnan(paired)].mean())) if verdict in ("apart", "firm") else 0.0
    within = float(np.sqrt((np.nan_to_num(spread.sd[cells[:, both]]) ** 2).mean()))
    size = mean / within if within else (math.inf if mean else 0.0)
    values, ends = (one.labels[start], one.labels[end]), (float(along[start]), float(along[end]))
    return Effect(one, of, size, *values, *ends, steady, verdict, turns)


def _beyond(changes: Array, pairs: int) -> bool:
    """Return whether changes, one a replicate, differ from 0 beyond chance, where the best of some pairs was chosen."""
    known = changes[~np.isnan(changes)]
    n = len(known)
    if n < LEAST:
        return False
    error = float(known.std(ddof=1)) / math.sqrt(n)
    chosen = math.sqrt(1 + 2 * math.log(max(pairs, 1)) / _NORMAL**2)
    return abs(float(known.mean())) > max(_beyond_chance(n - 1) * chosen * error, 1e-12)


def _over_points(response: Response, one: Varied, of: Headline) -> Effect | None:
    """Compare the medians of all points by their value of a parameter."""
    outcome = response.spread(of).median
    known = ~np.isnan(outcome)
    y, place = outcome[known], one.place[known]
    if len(y) < LEAST or len(np.unique(place)) < 2:
        return None
    return _along_number(one, of, y, place) if one.numeric else _between_groups(one, of, y, place)


def _along_number(one: Varied, of: Headline, y: Array, place: Labels) -> Effect:
    """Return the trend along a number or, where that explains much more, the least and the greatest of five parts."""
    x = one.positions[place]
    rank = rank_correlation(x, y)
    freedom = len(y) - 2
    trend = abs(rank) * math.sqrt(freedom / max(1 - rank**2, 1e-12)) > _beyond_chance(freedom)
    values = np.unique(place)
    if len(values) <= _FEW:
        part, at = place, one.positions[values]
        line = np.array([np.median(y[place == value]) for value in values])
    else:
        part = np.argsort(np.argsort(x, kind="stable"), kind="stable") * _PARTS // len(x)
        at, line = running_median(x, y)
    share = _explained(_ranks(y), part) if len(y) >= _MANY and len(values) > 2 else 0.0
    # Kruskal & Wallis's H, which chance takes beyond this in one case of a thousand.
    bent = (len(y) - 1) * share > _CHI_SQUARED and share > rank**2 + _BENT
    if bent:
        ends = [int(line.argmin()), int(line.argmax())]
        places = [10**v if one.log else v for v in at[ends].tolist()]
    else:
        ends, places = [0, -1], [one.values[int(place.min())], one.values[int(place.max())]]
    labels = [written(float(f"{v:.3g}")) for v in places]
    before, after = line[ends].tolist()
    size = math.sqrt(share) if bent else abs(rank)
    verdict: Verdict = "firm" if bent or trend else "none"
    return Effect(one, of, size, labels[0], labels[1], before, after, not bent, verdict, rank=rank)


def _between_groups(one: Varied, of: Headline, y: Array, place: Labels) -> Effect:
    """Return the difference between the values of a list with the least and the greatest outcome."""
    groups = {int(value): y[place == value] for value in np.unique(place)}
    start, end = (pick(groups, key=lambda value: float(groups[value].mean())) for pick in (min, max))
    a, b = groups[start], groups[end]
    error = math.sqrt(sum(float(g.var(ddof=1)) / len(g) if len(g) > 1 else math.inf for g in (a, b)))
    change = float(b.mean() - a.mean())
    firm = change > max(_beyond_chance(len(a) + len(b) - 2) * error, 1e-12)
    size = math.sqrt(_explained(y, place))
    ends = float(np.median(a)), float(np.median(b))
    return Effect(one, of, size, one.labels[start], one.labels[end], *ends, False, "firm" if firm else "none")


def _explained(y: Array, part: Labels) -> float:
    """Return the share of the variance that lies between parts."""
    total = float(((y - y.mean()) ** 2).sum())
    means = [(int((part == k).sum()), float(y[part == k].mean())) for k in np.unique(part)]
    return sum(n * (mean - y.mean()) ** 2 for n, mean in means) / total if total > 0 else 0.0


def rank_correlation(x: Array, y: Array) -> float:
    """Return Spearman's rank correlation; 0 where either is constant.

    Examples
    --------
    >>> round(rank_correlation(np.array([1.0, 2, 3, 4]), np.array([1.0, 4, 9, 16])), 6)
    1.0
    """
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size else 0.0


def _ranks(values: Array) -> Array:
    """Return ranks, those of ties averaged."""
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    last = ties.cumsum()
    ranks: Array = (last - (ties - 1) / 2)[place]
    return ranks


def _compared(one: Varied, along: Array, known: Labels) -> tuple[int, int, bool]:
    """Return which two values to compare, and whether the outcome goes one way between them."""
    low, high = (int(known[pick(along[known])]) for pick in (np.argmin, np.argmax))
    first, last = int(known[0]), int(known[-1])
    if one.numeric and abs(along[last] - along[first]) >= _TREND * (along[high] - along[low]):
        return first, last, True
    return low, high, False


def _apart(spread: Spread, before: Labels, after: Labels) -> bool:
    above = spread.low[after] > spread.high[before]
    below = spread.high[after] < spread.low[before]
    return bool(above.all() or below.all())


def _beyond_chance(freedom: int) -> float:
    """Return what Student's t exceeds in one case of a thousand, either way, within 7 % from 3 degrees of freedom on.

    Examples
    --------
    >>> round(_beyond_chance(4), 1), round(_beyond_chance(18), 1), round(_beyond_chance(100_000), 2)
    (8.6, 3.8, 3.29)
    """
    return _NORMAL * (1 + 2.0 / freedom + 17.9 / freedom**2) if freedom > 0 else math.inf
