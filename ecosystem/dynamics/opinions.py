"""Reference kernels of opinion dynamics: what the field already knows, to hold the debate against.

Opinions are real numbers, one an agent (or one an agent and issue). Nothing here depends on their range: the
debate uses [-1, 1], most of the literature [0, 1]. Every kernel reads the opinions of a step and returns new
ones for the next; none changes its arguments.

References
----------
DeGroot (1974), JASA 69:118-121; Friedkin & Johnsen (1990), J. Math. Sociology 15:193-206, and (1999), Advances
in Group Processes 16:1-29; Deffuant, Neau, Amblard & Weisbuch (2000), Advances in Complex Systems 3:87-98;
Hegselmann & Krause (2002), JASSS 5(3)2; Parsegov, Proskurnikov, Tempo & Friedkin (2017), IEEE TAC 62:2270-2285.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Opinions = NDArray[np.float64]
Matrix = NDArray[np.float64]

ALONE = -1
ROUNDING = 1e-10


def degroot(opinions: Opinions, influence: Matrix) -> Opinions:
    """Return the opinions after everyone has averaged what it hears: ``x <- W x``.

    Parameters
    ----------
    opinions : (n_agents,) float
        Any range.
    influence : (n_agents, n_agents) float
        W: how much agent i (row) is moved by agent j (column). Not negative, rows sum to 1; an agent whose
        row is zero hears no one and keeps the opinion it has.

    References
    ----------
    DeGroot (1974).

    Examples
    --------
    >>> degroot(np.array([0.0, 1.0, 5.0]), np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    array([0.5, 1. , 5. ])
    """
    averaged: Opinions = np.where(_hears_no_one(influence), opinions, influence @ opinions)
    return averaged


def consensus_weights(influence: Matrix) -> Opinions:
    """Return how much each agent's first opinion counts in DeGroot's consensus: ``w W = w``, ``sum w = 1``.

    Parameters
    ----------
    influence : (n_agents, n_agents) float
        W as in `degroot`.

    Returns
    -------
    weights : (n_agents,) float
        In [0, 1]; if the opinions come to rest, they do so at ``w @ x`` (they may circle instead, as when two
        agents each take over the other's).

    Raises
    ------
    ValueError
        If several groups each hear only themselves: then there is no one consensus.

    References
    ----------
    DeGroot (1974).

    Examples
    --------
    >>> consensus_weights(np.array([[0.5, 0.5], [0.25, 0.75]])).round(4)
    array([0.3333, 0.6667])
    """
    n = len(influence)
    # An agent that hears no one is one that hears only itself.
    heard = influence + np.diag(_hears_no_one(influence).astype(np.float64))
    balance = np.vstack([heard.T - np.eye(n), np.ones(n)])
    weights, _, rank, _ = np.linalg.lstsq(balance, np.append(np.zeros(n), 1.0))
    if rank < n:
        raise ValueError("no one consensus: several groups of agents each hear only themselves")
    clipped: Opinions = weights.clip(0.0, 1.0)
    return clipped


def friedkin_johnsen(
    opinions: Matrix,
    initial: Matrix,
    influence: Matrix,
    susceptibility: NDArray[np.float64],
    coupling: Matrix | None = None,
) -> Matrix:
    """Return the opinions after a step of Friedkin and Johnsen: ``X <- Lambda W X C^T + (I - Lambda) X0``.

    Parameters
    ----------
    opinions, initial : (n_agents, n_issues) float
        X and X0, any range.
    influence : (n_agents, n_agents) float
        W as in `degroot`.
    susceptibility : (n_agents,) float
        The diagonal of Lambda, in [0, 1]: 1 is DeGroot, 0 never leaves its first opinion.
    coupling : (n_issues, n_issues) float, optional
        C: how much the opinion on an issue (row) follows from that on another (column). Absolute values of a
        row sum to 1. Default: issues are apart.

    References
    ----------
    Friedkin & Johnsen (1990, 1999); with several issues Parsegov et al. (2017).

    Examples
    --------
    >>> first = np.array([[0.0], [1.0]])
    >>> friedkin_johnsen(first, first, np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.5, 0.25])).tolist()
    [[0.5], [0.75]]
    """
    heard: Matrix = influence @ opinions
    if coupling is not None:
        heard = heard @ coupling.T
    open_to = susceptibility[:, None]
    moved = open_to * heard + (1 - open_to) * initial
    kept: Matrix = np.where(_hears_no_one(influence)[:, None], opinions, moved)
    return kept


def friedkin_johnsen_limit(
    initial: Matrix,
    influence: Matrix,
    susceptibility: NDArray[np.float64],
    coupling: Matrix | None = None,
) -> Matrix:
    """Return where `friedkin_johnsen` ends: X with ``X = Lambda W X C^T + (I - Lambda) X0``.

    On one issue ``(I - Lambda W)^-1 (I - Lambda) x0``; on several the same with the Kronecker product of
    ``Lambda W`` and ``C`` in the place of ``Lambda W``. Solved exactly, so meant for
    ``n_agents * n_issues`` up to a thousand or two. Who hears no one stays at its first opinion.

    Returns
    -------
    opinions : (n_agents, n_issues) float

    Raises
    ------
    numpy.linalg.LinAlgError
        If some agents are fully susceptible and hear, directly or not, only one another: what they end
        with is not fixed by the equation.

    References
    ----------
    Friedkin & Johnsen (1990, 1999); with several issues Parsegov et al. (2017).

    Examples
    --------
    >>> first = np.array([[0.0], [1.0]])
    >>> friedkin_johnsen_limit(first, np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.5, 0.5])).round(4).tolist()
    [[0.3333], [0.6667]]
    """
    open_to = np.where(_hears_no_one(influence), 0.0, susceptibility)[:, None]
    anchored = (1 - open_to) * initial
    heard: Matrix = open_to * influence
    if coupling is not None:
        heard, anchored = np.asarray(np.kron(heard, coupling), np.float64), anchored.reshape(-1)
    left = np.eye(len(heard)) - heard
    if np.linalg.matrix_rank(left) < len(left):
        raise np.linalg.LinAlgError("no one limit: some agents are fully susceptible and hear only one another")
    return np.asarray(np.linalg.solve(left, anchored), np.float64).reshape(initial.shape)


def deffuant(
    opinions: Opinions,
    confidence: float,
    convergence: float,
    rng: np.random.Generator,
    meeting: NDArray[np.bool_] | None = None,
) -> tuple[Opinions, NDArray[np.int64]]:
    """Let agents meet in random pairs; two closer than the confidence move towards each other.

    ``x_i <- x_i + mu (x_j - x_i)`` and ``x_j <- x_j + mu (x_i - x_j)`` if ``|x_i - x_j| < epsilon``. The paper
    draws one pair at a time; here all who meet are paired at once (one left over if they are odd), which is
    about half as many of its events as agents.

    Parameters
    ----------
    opinions : (n_agents,) float
        Any range.
    confidence : float
        epsilon, in units of opinion, not negative.
    convergence : float
        mu, in [0, 0.5]: at 0.5 both end halfway.
    rng : numpy.random.Generator
        Draws the pairs.
    meeting : (n_agents,) bool, optional
        Who meets; the others keep their opinion. Default: all.

    Returns
    -------
    opinions : (n_agents,) float
    partner : (n_agents,) int
        Whom each met, whether or not it moved; `ALONE` for no one.

    References
    ----------
    Deffuant et al. (2000).

    Examples
    --------
    >>> opinions, partner = deffuant(np.array([0.0, 0.2]), 0.5, 0.25, np.random.default_rng(0))
    >>> opinions.round(3), partner
    (array([0.05, 0.15]), array([1, 0]))
    """
    n = len(opinions)
    order = rng.permutation(np.arange(n) if meeting is None else np.flatnonzero(meeting))
    pairs = order[: len(order) // 2 * 2].reshape(-1, 2)
    partner = np.full(n, ALONE, np.int64)
    partner[pairs] = pairs[:, ::-1]
    values = opinions[pairs]
    apart = values[:, 1] - values[:, 0]
    step = np.where(np.abs(apart) < confidence, convergence * apart, 0.0)
    moved = np.array(opinions, np.float64)
    moved[pairs] = values + np.stack([step, -step], 1)
    return moved, partner


def hegselmann_krause(opinions: Opinions, confidence: float, heard: NDArray[np.bool_] | None = None) -> Opinions:
    """Return the opinions after everyone has taken the mean of those within its confidence, its own included.

    ``x_i <- mean {x_j : |x_i - x_j| <= epsilon}``. The interval is closed, as in the paper, so opinions spaced
    exactly epsilon must count as near although rounding can make their difference a little larger (0.3 - 0.2
    is below 0.1, 0.4 - 0.3 above). The interval is therefore widened by `ROUNDING` times the largest number at
    hand: well over what the sums below lose, and far less than any difference that means something.

    The opinions near one are a stretch of the sorted opinions: two binary searches find its ends and cumulative
    sums its mean, ``O(n log n)`` in place of the n x n differences.

    Parameters
    ----------
    opinions : (n_agents,) float
        Any range.
    confidence : float
        epsilon, in units of opinion, not negative.
    heard : (n_agents,) bool, optional
        Whose opinions others take into account; everyone takes its own. Default: all.

    References
    ----------
    Hegselmann & Krause (2002).

    Examples
    --------
    >>> hegselmann_krause(np.array([0.0, 0.1, 0.5]), 0.2)
    array([0.05, 0.05, 0.5 ])
    """
    values = np.array(opinions, np.float64)
    if len(values) == 0:
        return values
    silent = np.zeros(len(values), bool) if heard is None else ~heard
    ranked = np.sort(values[~silent])
    reach = confidence + ROUNDING * max(float(np.abs(values).max()), confidence)
    first, last = ranked.searchsorted(values - reach, "left"), ranked.searchsorted(values + reach, "right")
    # Sums of differences from the middle lose fewer digits.
    middle = np.median(values)
    total = np.append(0.0, (ranked - middle).cumsum())
    count = last - first + silent
    mean = middle + (total[last] - total[first] + np.where(silent, values - middle, 0.0)) / count
    kept: Opinions = np.where(count == 1, values, mean.clip(values.min(), values.max()))
    return kept


def clusters(opinions: Opinions, gap: float, least: int = 1) -> NDArray[np.int64]:
    """Return the sizes of the clusters of opinions, lowest first: a new one starts where the next is over a gap away.

    Parameters
    ----------
    opinions : (n_agents,) float
        Any range.
    gap : float
        In units of opinion; neighbours that far apart or nearer are in one cluster.
    least : int
        Smaller clusters are left out.

    Examples
    --------
    >>> clusters(np.array([0.9, 0.1, 0.12, 0.5, 0.1]), 0.05)
    array([3, 1, 1])
    >>> clusters(np.array([0.9, 0.1, 0.12, 0.5, 0.1]), 0.05, least=2)
    array([3])
    """
    starts = np.flatnonzero(np.diff(np.sort(opinions), prepend=-np.inf) > gap)
    sizes = np.diff(np.append(starts, len(opinions)))
    return sizes[sizes >= least]


def _hears_no_one(influence: Matrix) -> NDArray[np.bool_]:
    silence: NDArray[np.bool_] = (influence == 0).all(axis=1)
    return silence
