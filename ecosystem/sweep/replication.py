"""Do the replicates suffice? When more of them would hardly change the mean and the spread of an outcome."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

LEAST = 4
"""With fewer replicates nothing is said: half of them must have a spread."""

TOLERANCE = 0.2
"""How far off mean and spread may be, as a share of the standard deviation over the whole design."""

LEVEL = 0.01
"""Or as a share of the mean's own size, where that is more."""

# Student's t in place of the normal distribution, in runs: n (1.96 / t)² = n - 2.5 within 0.1 for every n from 4 on.
_UNKNOWN_SPREAD = 2.5
_MOST = 10**9


def noise(values: Array) -> Array:
    """Return what one run more or less does to what is known: the standard error for n runs is this / √n.

    The larger of two: of the mean, whose noise is the standard deviation s, and of s itself.

    Parameters
    ----------
    values : (n_runs, n_outcomes) float64
        NaN where a run has none.

    Returns
    -------
    (n_outcomes,) float64
        In the outcome's unit; NaN below four runs.

    Notes
    -----
    Both are averages over all orders in which the same runs could have been made: the root mean square distance between
    the mean (or s) of the first half and that of all of them. For the mean that is s / √n exactly; for the variance it
    follows from the k-statistics k2, k4 of the runs and the polykay k22, halves being drawn without replacement; for s
    to first order. It is largest at the half: the first n/2 + 1 runs, and so on, are nearer.

    References
    ----------
    Tukey (1950), Journal of the American Statistical Association 45:501-519 (k-statistics of finite populations).
    """
    n = np.isfinite(values).sum(0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.where(np.isfinite(values), values, 0) - np.where(np.isfinite(values), values, 0).sum(0) / n
        off = np.where(np.isfinite(values), off, 0)
        second, fourth = (off**2).sum(0) / n, (off**4).sum(0) / n
        k2 = second * n / (n - 1)
        k4 = n**2 * ((n + 1) * fourth - 3 * (n - 1) * second**2) / ((n - 1) * (n - 2) * (n - 3))
        k22 = (n - 1) / (n + 1) * (k2**2 - k4 / n)
        of_variance = np.maximum(k4 + 2 * n**2 / ((n - 2) * (n - 1)) * k22, 0)
        of_spread = np.sqrt(of_variance) / (2 * np.sqrt(k2))
    found: Array = np.where(k2 > 0, np.fmax(np.sqrt(k2), of_spread), 0.0)
    return np.where(n >= LEAST, found, np.nan)


def allowance(scale: ArrayLike, mean: ArrayLike) -> Array:
    """Return how far off an outcome's mean and spread may be, in its unit.

    Parameters
    ----------
    scale : float or array
        Standard deviation of the outcome over all runs of the design.
    mean : float or array
        Its mean over the runs.

    Examples
    --------
    >>> float(allowance(scale=0.5, mean=2.0)), float(allowance(scale=0.05, mean=2.0))
    (0.1, 0.02)
    """
    return np.maximum(TOLERANCE * np.asarray(scale, np.float64), LEVEL * np.abs(np.asarray(mean, np.float64)))


def runs_for(noise: ArrayLike, allowed: ArrayLike) -> Array:
    """Return how many runs bring the standard error down to what is allowed; NaN where the noise is not known.

    ``ceil((noise / allowed)² + 2.5)``, at least 4: the 2.5 is what it costs that the spread is itself estimated, as
    with Student's t in place of the normal distribution.

    Examples
    --------
    >>> runs_for([0.0, 0.1, 0.5, np.nan], 0.1)
    array([ 4.,  4., 28., nan])
    """
    noisy = np.asarray(noise, np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = np.where(noisy > 0, noisy / np.asarray(allowed, np.float64), noisy)
        # Rounded, so that 25.000000000000004 is 25.
        needed = np.ceil(np.round(np.minimum(ratio, math.sqrt(_MOST)) ** 2 + _UNKNOWN_SPREAD, 9))
    return np.maximum(needed, LEAST)


def runs_needed(values: ArrayLike, scale: float | None = None) -> int | None:
    """Return about how many replicates an outcome needs; None where fewer than four say too little.

    As many as bring the standard error of its mean, and that of its standard deviation, down to 20 % of ``scale`` or
    1 % of the mean, whichever is more. The replicates suffice if there are no fewer. Runs that all agree need four.

    Parameters
    ----------
    values : (n_runs,) float
        The outcome of each run, NaN where it has none; the order does not matter.
    scale : float, optional
        What differences count in: the standard deviation of the outcome over all runs of the design. That of the runs
        themselves, if not given, as in a design of one point.

    Notes
    -----
    Variance stability (Lee et al.): the coefficient of variation, as a function of the number of runs, has settled when
    it stays within E = 0.01 of its later values. It is the spread over the mean, so the mean and the spread must both
    have settled. We differ in this:

    - Each is judged by itself, in units of what the design spreads the outcome, or within 1 % of the mean: the
      coefficient explodes where the mean is near 0, as Lee et al. warn, and rests on where an outcome has its zero.
    - Not along the one order in which the runs happen to be numbered but as the average over all orders, in closed
      form; settled means that the second half of the runs changes nothing beyond the tolerance (see `noise`).
    - What has not settled gets an estimate of the runs that would do, as the distance falls with the root of their
      number.

    Few runs of a heavy-tailed outcome look calmer than it is: the estimate is then too low. Nor can runs that all agree
    tell that the next would too: an event with a chance of 26 % is missed by ten runs in one case of twenty.

    References
    ----------
    Lee et al. (2015), The Complexities of Agent-Based Modeling Output Analysis, JASSS 18(4) 4, section 2; after
    Lorscheid, Heine & Meyer (2012), Computational and Mathematical Organization Theory 18:22-62.

    Examples
    --------
    >>> runs_needed([0.1, 0.3, 0.2, 0.4, 0.2, 0.3], scale=0.5)
    4
    >>> runs_needed([0.1, 0.3, 0.2, 0.4, 0.2, 0.3])
    28
    >>> runs_needed([0.1, 0.3, 0.2]) is None
    True
    """
    runs = np.asarray(values, np.float64)
    known = np.sort(runs[np.isfinite(runs)])
    if len(known) < LEAST:
        return None
    spread = float(known.std(ddof=1)) if scale is None else scale
    return int(runs_for(noise(known[:, None]), allowance(spread, known.mean()))[0])


@dataclass(frozen=True)
class Sufficiency:
    """Whether the replicates of a sweep suffice.

    Attributes
    ----------
    replicates : int
        Most runs at a design point.
    judged : int
        Measures of which there are enough runs somewhere to say.
    sufficient : int
        Those for which the replicates suffice at every point, at the end of a run and in the mean over its steps.
    measure, outcome : str
        The most uncertain of the others; empty where there is none.
    at : dict
        The design point where it is: parameter to value.
    needed : int
        About how many replicates it would take there; 0 where there is none.
    """

    replicates: int
    judged: int
    sufficient: int
    measure: str = ""
    outcome: str = ""
    at: dict[str, Any] | None = None
    needed: int = 0

    def sentence(self) -> str:
        """Return one sentence that says so.

        Examples
        --------
        >>> Sufficiency(10, 37, 31, "alone", "end", {"homophily": 9.0}, 43).sentence()
        '10 replicates suffice for 31 of 37 measures at every point; the most uncertain is Alone (at the end) at \
homophily=9, which would need about 43.'
        >>> Sufficiency(3, 0, 0).sentence()
        'Whether 3 replicates suffice cannot be said: it takes at least 4.'
        """
        from ecosystem.measures import CATALOGUE

        if not self.judged:
            made = f"{self.replicates} replicate{'' if self.replicates == 1 else 's'}"
            verb = "suffices" if self.replicates == 1 else "suffice"
            return f"Whether {made} {verb} cannot be said: it takes at least {LEAST}."
        some = f"{self.sufficient or 'none'} of {self.judged} measures"
        share = f"all {self.judged} measures" if self.sufficient == self.judged else some
        told = f"{self.replicates} replicates suffice for {share} at every point"
        if not self.measure:
            return f"{told}."
        title = CATALOGUE[self.measure].title if self.measure in CATALOGUE else self.measure.replace("_", " ")
        when = "at the end" if self.outcome == "end" else "mean over the steps"
        shown = {name: f"{value:g}" if isinstance(value, float) else value for name, value in (self.at or {}).items()}
        where = ", ".join(f"{name}={value}" for name, value in shown.items())
        worst = f"the most uncertain is {title} ({when}) at {where}"
        return f"{told}; {worst}, which would need about {_rounded(self.needed)}."


def recommend(outcomes: pd.DataFrame) -> Sufficiency:
    """Return whether the replicates of a sweep suffice, from its ``outcomes``.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = {"point": 0, "homophily": 2.0, "outcome": "end", "measure": ["alone", "churn"], "n": 10}
    >>> found = recommend(pd.DataFrame({**rows, "enough": [True, False], "needed": [4, 31]}))
    >>> found.sufficient, found.judged, found.measure, found.needed
    (1, 2, 'churn', 31)
    """
    if not len(outcomes):
        return Sufficiency(0, 0, 0)
    judged = outcomes[outcomes["enough"].notna()]
    enough = judged["enough"].astype(bool)
    held = enough.groupby(judged["measure"], sort=False).all()
    counts = (int(outcomes["n"].max()), len(held), int(held.sum()))
    if enough.all():
        return Sufficiency(*counts)
    columns = list(outcomes.columns)
    names = columns[columns.index("point") + 1 : columns.index("outcome")]
    worst = judged[~enough].sort_values("needed", ascending=False, kind="stable").iloc[0].to_dict()
    at = {name: None if worst[name] != worst[name] else worst[name] for name in names}
    return Sufficiency(*counts, worst["measure"], worst["outcome"], at, int(worst["needed"]))


def _rounded(number: int) -> int:
    """Return a number to two digits, as an estimate is worth no more.

    Examples
    --------
    >>> _rounded(28), _rounded(143)
    (28, 140)
    """
    return int(float(f"{number:.2g}"))
