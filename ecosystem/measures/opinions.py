"""Opinions on topics: how far they spread, and whether they fall into two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecosystem.measures.polarization import bimodality

Opinions = NDArray[np.float64]


def opinion_variance(opinions: Opinions) -> float:
    """Return the mean over topics of the variance of the agents' opinions: 0 for consensus, 1 for two extremes.

    Parameters
    ----------
    opinions : (n_agents, n_topics) float
        In [-1, 1], NaN where unknown. A topic on which fewer than two agents have one is left out; NaN
        where that leaves none.

    References
    ----------
    DiMaggio, Evans & Bryson (1996), American J. Sociology 102:690-755 (the dispersion principle).

    Examples
    --------
    >>> opinion_variance(np.array([[1.0, 0.2], [-1.0, 0.2], [np.nan, 0.2]]))
    0.5
    """
    spread = [float(known.var()) for known in _by_topic(opinions) if len(known) > 1]
    return float(np.mean(spread)) if spread else float("nan")


def opinion_bimodality(opinions: Opinions) -> float:
    """Return the mean over topics of the bimodality coefficient of the agents' opinions.

    Above 5/9 suggests two camps. A topic on which fewer than four agents have an opinion, or all the same,
    has none and is left out; NaN where that leaves none.

    Parameters
    ----------
    opinions : (n_agents, n_topics) float
        In [-1, 1], NaN where unknown.

    References
    ----------
    DiMaggio, Evans & Bryson (1996), American J. Sociology 102:690-755 (the bimodality principle); Pfister et
    al. (2013), Front. Psychol. 4:700 (the coefficient).

    Examples
    --------
    >>> round(opinion_bimodality(np.array([[1.0, 0.2]] * 6 + [[-1.0, 0.2]] * 6)), 3)
    0.629
    """
    found = [bimodality(known) for known in _by_topic(opinions)]
    defined = [value for value in found if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")


def _by_topic(opinions: Opinions) -> list[NDArray[np.float64]]:
    """Return the known opinions on each topic that anyone has one on."""
    known = [column[~np.isnan(column)] for column in opinions.T]
    return [column for column in known if len(column)]
