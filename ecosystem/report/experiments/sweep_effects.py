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

Verdict = Literal["apart", "firm", "hint", "none", "same", "unsure"]

LEAST = 4
"""With fewer runs at a point, one point alone can't be told from another."""

_MANY = 20
_PARTS, _FEW = 5, 8
_TREND = 0.6
_BENT = 0.15
_CHANCE = 0.05
"""That chance alone would give one of all effects looked at, or, for a hint, this one."""


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
        The median outcome there; over several points, the mean of their medians.
    steady : bool
        Whether the outcome goes one way, so that first and last tell it.
    verdict : {"apart", "firm", "hint", "none", "same", "unsure"}
        Runs with the same seed differ beyond chance and the bands do not overlap, or they do; they differ as chance has
        it once in twenty times, or more often; they are the same; they are too few to say.
    turns : bool
        Whether the difference has another sign at other values of the other parameters.
    rank : float
        Spearman's rank correlation over the points; NaN where they are not compared as wholes.
    points : tuple of int
        Design points with the first of the two values that were compared, each with that which differs by the second
        value alone; empty where points are compared as wholes.
    pairs : int
        Seeds whose runs were compared; 0 where points are compared as wholes.
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
    points: tuple[int, ...] = ()
    pairs: int = 0

    @property
    def clear(self) -> bool:
        """Whether it is beyond chance."""
        return self.verdict in ("apart", "firm")


@lru_cache(maxsize=1)
def effects(response: Response) -> tuple[Effect, ...]:
    """Return the effect of every parameter on every headline outcome, those beyond chance first, the largest first.

    As many are looked at, an effect is beyond chance where its own probability, if there were none, is below 5 % over
    their number (Bonferroni); so too where two values were chosen out of many as those furthest apart.
    """
    of_one = _over_points if by_points(response) else _over_grid
    looked_at = [(one, of) for one in response.changing for of in response.headlines]
    found = [of_one(response, one, of, len(looked_at)) for one, of in looked_at]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (not one.clear, -one.size)))


def ranked(response: Response) -> list[Varied]:
    """Return the parameters that have more than one value, that with the largest effect first."""
    order = list(dict.fromkeys(effect.parameter.name for effect in effects(response)))
    return sorted(response.changing, key=lambda one: order.index(one.name) if one.name in order else len(order))


def by_points(response: Response) -> bool:
    """Return whether design points are compared as wholes: they are sampled, or many with too few runs each."""
    few = response.sweep.replicates < LEAST
    return not response.is_grid or (few and response.n_points >= _MANY)


def _over_grid(response: Response, one: Varied, of: Headline, tests: int) -> Effect | None:
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
    # What is least or greatest of all values is so where all of them are known.
    both = full if full.any() and not steady else both
    ends = float(median[start, both].mean()), float(median[end, both].mean())
    if not steady and ends[0] > ends[1]:
        start, end, ends = end, start, (ends[1], ends[0])
    before, after = cells[start, both], cells[end, both]
    runs = response.runs(of)
    change = runs[after] - runs[before]
    tests *= 1 if steady else len(known) * (len(known) - 1) // 2
    paired = mean_of_known(change.T)
    verdict = _of_changes(paired, tests)
    if verdict == "firm" and _apart(spread, before, after):
        verdict = "apart"
    elif _never_differs(runs[cells]):
        verdict = "same"
    turns = len({float(np.sign(np.nanmean(row))) for row in change if _of_changes(row, tests) == "firm"}) > 1
    mean = abs(float(paired[~np.isnan(paired)].mean())) if verdict in ("apart", "firm", "hint") else 0.0
    within = float(np.sqrt((np.nan_to_num(spread.sd[cells[:, both]]) ** 2).mean()))
    size = mean / within if within else (math.inf if mean else 0.0)
    values, pairs = (one.labels[start], one.labels[end]), int((~np.isnan(paired)).sum())
    points = tuple(before.tolist())
    return Effect(one, of, size, *values, *ends, steady, verdict, turns, points=points, pairs=pairs)


def _never_differs(runs: Array) -> bool:
    """Return whether runs are the same along the first axis, wherever two or more of them are known."""
    several = runs[:, (~np.isnan(runs)).sum(0) > 1]
    return bool(several.size and (np.nanmax(several, axis=0) == np.nanmin(several, axis=0)).all())


def _of_changes(changes: Array, tests: int) -> Verdict:
    """Return what is to be made of changes, one a replicate: whether they differ from 0 by Student's t."""
    known = changes[~np.isnan(changes)]
    n = len(known)
    if n < LEAST:
        return "unsure"
    return _judged(abs(float(known.mean())), float(known.std(ddof=1)) / math.sqrt(n), n - 1, tests)


def _judged(change: float, error: float, freedom: int, tests: int) -> Verdict:
    """Return what is to be made of a change with a standard error.

    Examples
    --------
    >>> [_judged(t, 1.0, 9, 16) for t in (4.1, 3.9, 2.2)]
    ['firm', 'hint', 'none']
    """
    from scipy.special import stdtrit

    if change < 1e-12 or freedom < 1:
        return "none"
    bounds = stdtrit(freedom, 1 - _CHANCE / 2 / np.array([tests, 1.0])) * error
    return "firm" if change > bounds[0] else "hint" if change > bounds[1] else "none"


def _over_points(response: Response, one: Varied, of: Headline, tests: int) -> Effect | None:
    """Compare the medians of all points by their value of a parameter."""
    outcome = response.spread(of).median
    known = ~np.isnan(outcome)
    y, place = outcome[known], one.place[known]
    if len(y) < LEAST or len(np.unique(place)) < 2:
        return None
    return _along_number(one, of, y, place, tests) if one.numeric else _between_groups(one, of, y, place, tests)


def _along_number(one: Varied, of: Headline, y: Array, place: Labels, tests: int) -> Effect:
    """Return the trend along a number or, where that explains much more, the least and the greatest of five parts."""
    from scipy.special import chdtri

    x, values = one.positions[place], np.unique(place)
    rank = rank_correlation(x, y)
    freedom = len(y) - 2
    verdict = _judged(abs(rank), math.sqrt(max(1 - rank**2, 0.0) / freedom), freedom, tests)
    # Of all orders of the points two correlate perfectly: chance's least probability.
    verdict = "unsure" if 2 / math.factorial(len(y)) > _CHANCE / tests else verdict
    if len(values) <= _FEW:
        part, at = place, one.positions[values]
        line = np.array([np.median(y[place == value]) for value in values])
    else:
        part = np.argsort(np.argsort(x, kind="stable"), kind="stable") * _PARTS // len(x)
        at, line = running_median(x, y)
    share = _explained(_ranks(y), part) if len(y) >= _MANY and len(values) > 2 else 0.0
    # Kruskal & Wallis's H.
    bent = (len(y) - 1) * share > chdtri(len(np.unique(part)) - 1, _CHANCE / tests) and share > rank**2 + _BENT
    low, high = int(line.argmin()), int(line.argmax())
    steady = not bent or {low, high} == {0, len(line) - 1}
    size, verdict = (math.sqrt(share), "firm") if bent else (abs(rank), verdict)
    if steady:
        labels = [written(float(f"{one.values[k]:.3g}")) for k in (values[0], values[-1])]
        low, high = 0, -1
    else:
        labels = [written(float(f"{10**v if one.log else v:.3g}")) for v in at[[low, high]].tolist()]
    before, after = float(line[low]), float(line[high])
    return Effect(one, of, size, labels[0], labels[1], before, after, steady, verdict, rank=rank)


def _between_groups(one: Varied, of: Headline, y: Array, place: Labels, tests: int) -> Effect:
    """Return the difference between the values of a list with the least and the greatest outcome."""
    groups = {int(value): y[place == value] for value in np.unique(place)}
    start, end = (pick(groups, key=lambda value: float(groups[value].mean())) for pick in (min, max))
    a, b = groups[start], groups[end]
    error = math.sqrt(sum(float(g.var(ddof=1)) / len(g) if len(g) > 1 else math.inf for g in (a, b)))
    pairs = len(groups) * (len(groups) - 1) // 2
    verdict = _judged(float(b.mean() - a.mean()), error, len(a) + len(b) - 2, tests * pairs)
    size = math.sqrt(_explained(y, place))
    ends = float(np.median(a)), float(np.median(b))
    return Effect(one, of, size, one.labels[start], one.labels[end], *ends, False, verdict)


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
    return (low, high, False) if low != high else (first, last, False)


def _apart(spread: Spread, before: Labels, after: Labels) -> bool:
    above = spread.low[after] > spread.high[before]
    below = spread.high[after] < spread.low[before]
    return bool(above.all() or below.all())
