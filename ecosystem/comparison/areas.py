"""Areas of agreement and of disagreement: topics, their affinity, how sure that is, and the statements that show it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecosystem.comparison.corpora import Corpora
from ecosystem.comparison.scores import Array, Matrix, Scores, member_affinities, resampled_means, weighted_means

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel

_DRAWS = 200
_WORK = 2e9
_CLEAR = 0.1
_DIVIDED = 0.2
_NINETY = 1.6448536269514722


@dataclass(frozen=True)
class Evidence:
    """A pair of statements of two speakers: rows of the corpora, and their affinity."""

    a: int
    b: int
    affinity: float


@dataclass(frozen=True)
class Area:
    """A topic on which at least two speakers speak.

    Attributes
    ----------
    topic : int
        Number of the topic.
    affinity : float
        Mean over pairs of speakers of their relevance-weighted mean affinity.
    spread_model, spread_statements : float
        Standard deviation of it over the networks of the ensemble, and over draws of the speakers' statements
        (0 where each has one).
    confidence : float
        See `confidence`.
    relevance : float
        Mean relevance of pairs of statements of different speakers.
    between : (S, S) float64
        Relevance-weighted mean affinity of every two speakers; NaN where one says nothing.
    evidence : Evidence
        The pair that shows the area's side best.
    """

    topic: int
    affinity: float
    spread_model: float
    spread_statements: float
    confidence: float
    relevance: float
    between: Array
    evidence: Evidence

    @property
    def spread(self) -> float:
        """Standard deviation from both sources."""
        return math.hypot(self.spread_model, self.spread_statements)

    @property
    def interval(self) -> tuple[float, float]:
        """Ninety per cent of a normal distribution around the affinity, within [-1, 1]."""
        half = _NINETY * self.spread
        return max(self.affinity - half, -1.0), min(self.affinity + half, 1.0)

    @property
    def shares(self) -> tuple[float, float]:
        """Shares of pairs of speakers whose mean affinity is above 0.1, and below -0.1."""
        return _shares(self.between)

    @property
    def side(self) -> str:
        """What the topic reads as: ``agree`` or ``disagree`` by the sign of its affinity, or ``divided``.

        Divided is a topic on which a fifth of the pairs of speakers or more agree and as many disagree.
        """
        if min(self.shares) >= _DIVIDED:
            return "divided"
        return "agree" if self.affinity >= 0 else "disagree"

    @property
    def clear(self) -> bool:
        """Whether the interval lies on one side of 0."""
        low, high = self.interval
        return low > 0 or high < 0


def confidence(affinity: float, spread: float) -> float:
    """Return the probability that a pair of the area's statements is on the side of the area's mean.

    ``q p + (1 - q)(1 - p)``: p = (1 + abs(affinity)) / 2 is what the mean says of a pair by the model's
    calibration, q = Phi(abs(affinity) / spread) is how sure the mean's sign is.

    Examples
    --------
    >>> confidence(0.6, 0.0), confidence(0.0, 0.1), round(confidence(-0.6, 0.6), 3)
    (0.8, 0.5, 0.705)
    """
    p = (1 + abs(affinity)) / 2
    q = (1 + math.erf(abs(affinity) / spread / math.sqrt(2))) / 2 if spread > 0 else float(affinity != 0)
    if affinity == 0:
        q = 0.5
    return q * p + (1 - q) * (1 - p)


def find_areas(
    corpora: Corpora, scores: Scores, area_of: NDArray[np.int64], model: AffinityModel, rng: np.random.Generator
) -> list[Area]:
    """Return the topics on which two speakers or more speak, the most agreed first.

    Parameters
    ----------
    area_of : (N,) int
        Topic of every statement; -1 for none.
    model : AffinityModel
        What the scores are from; its networks are asked one by one how far they differ.
    rng : Generator
        Draws the statements of the bootstrap.
    """
    found = []
    for topic in range(int(area_of.max(initial=-1)) + 1):
        rows = np.flatnonzero(area_of == topic)
        if len(np.unique(corpora.speaker_of[rows])) > 1:
            found.append(_measure(topic, rows, corpora, scores, model, rng))
    return sorted(found, key=lambda area: -area.affinity)


def _measure(
    topic: int,
    rows: NDArray[np.int64],
    corpora: Corpora,
    scores: Scores,
    model: AffinityModel,
    rng: np.random.Generator,
) -> Area:
    speakers, column = np.unique(corpora.speaker_of[rows], return_inverse=True)
    members = np.zeros((len(rows), len(speakers)))
    members[np.arange(len(rows)), column] = 1
    inside = np.ix_(rows, rows)
    affinity, weight = (matrix[inside].astype(np.float64) for matrix in (scores.affinity, scores.relevance))
    pairs = weighted_means(affinity, weight, members)
    mean = _mean_of_pairs(pairs)
    by_network = [
        _mean_of_pairs(weighted_means(by_one, weight, members))
        for by_one in member_affinities(model, [corpora.texts[row] for row in rows], weight)
    ]
    by_model = float(np.std(by_network, ddof=1)) if len(by_network) > 1 else 0.0
    by_statements = 0.0
    if len(rows) > len(speakers):
        draws = int(np.clip(_WORK / (len(rows) ** 2 * len(speakers)), 20, _DRAWS))
        drawn = resampled_means(affinity, weight, members, draws, rng)
        by_statements = 0.0 if np.isnan(drawn).all() else float(np.nanstd(drawn))
    between = np.full((len(corpora.speakers), len(corpora.speakers)), np.nan)
    between[np.ix_(speakers, speakers)] = pairs
    np.fill_diagonal(between, np.nan)
    apart = column[:, None] != column
    divided = min(_shares(between)) >= _DIVIDED
    return Area(
        topic,
        mean,
        by_model,
        by_statements,
        confidence(mean, math.hypot(by_model, by_statements)),
        float(weight[apart].mean()),
        between,
        _best_pair(rows, apart, affinity, scores.uncertainty[inside], mean >= 0 and not divided),
    )


def _shares(between: Array) -> tuple[float, float]:
    values = between[np.triu_indices(len(between), 1)]
    known = values[~np.isnan(values)]
    return (float((known > _CLEAR).mean()), float((known < -_CLEAR).mean())) if len(known) else (0.0, 0.0)


def _mean_of_pairs(between: Array) -> float:
    """Return the mean over pairs of speakers; 0 where no pair is known."""
    values = between[np.triu_indices(len(between), 1)]
    known = ~np.isnan(values)
    return float(values[known].mean()) if known.any() else 0.0


def _best_pair(
    rows: NDArray[np.int64], apart: NDArray[np.bool_], affinity: Array, spread: Matrix, agree: bool
) -> Evidence:
    """Return the pair of most affinity (or of least) that the ensemble is still sure of."""
    worth = np.where(apart, (affinity if agree else -affinity) - 2 * spread, -np.inf)
    i, j = np.unravel_index(int(np.argmax(worth)), worth.shape)
    first, second = sorted((int(rows[i]), int(rows[j])))
    return Evidence(first, second, float(affinity[i, j]))


@dataclass(frozen=True)
class Bridge:
    """A statement that the other speakers are predicted to agree with.

    Attributes
    ----------
    row : int
        Row of the corpora.
    lowest, mean : float
        Of the other speakers' affinity to it.
    coolest : int
        The speaker with the lowest.
    heard_by : int
        How many others hold statements on its topic.
    """

    row: int
    lowest: float
    mean: float
    coolest: int
    heard_by: int


def find_bridges(
    received: Array, area_of: NDArray[np.int64], texts: Sequence[str], most: int = 10, per_topic: int = 2
) -> list[Bridge]:
    """Return the statements that meet the least resistance: the highest lowest affinity over the others.

    A statement counts if at least half of the other speakers hold something on its topic, and if each of
    these is predicted to agree (affinity above 0).

    Parameters
    ----------
    received : (N, S) float64
        From `reception`.
    area_of : (N,) int
        Topic of every statement.
    texts : sequence of str
        The statements; one said by several speakers is listed once.
    most, per_topic : int
        How many statements, and how many on one topic.
    """
    known = ~np.isnan(received)
    heard = known.sum(1)
    lowest = np.where(known, received, np.inf).min(1)
    enough = heard >= max(1, math.ceil((received.shape[1] - 1) / 2))
    order = [row for row in np.argsort(-lowest, kind="stable").tolist() if enough[row] and lowest[row] > 0]
    found: list[Bridge] = []
    taken: dict[int, int] = {}
    said: set[str] = set()
    for row in order:
        topic = int(area_of[row])
        if len(found) == most:
            break
        if taken.get(topic, 0) == per_topic or texts[row] in said:
            continue
        taken[topic] = taken.get(topic, 0) + 1
        said.add(texts[row])
        coolest = int(np.nanargmin(received[row]))
        found.append(Bridge(row, float(lowest[row]), float(np.nanmean(received[row])), coolest, int(heard[row])))
    return found
